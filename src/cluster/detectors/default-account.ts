import { fields, isTerminating, list, text } from '../fields.ts';
import type { PodEntry, Scene } from '../scene.ts';

/** Where every client looks for it, and where the API server puts it. */
const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A pod of a CronJob comes and goes; what it could do stays true in between. */
const rememberMs = 86_400_000;
const mostNamed = 10;

export type TokenUse = {
  /** Of the last day. */
  isUsed: boolean;
  /** Workloads whose pods mount it now, `Deployment/web`. */
  workloads: string[];
};

/**
 * Whether pods of a namespace hold the token of its ServiceAccount `default`. That
 * alone is what nearly every pod does and says nothing; it counts where the account
 * has rights. Read from what is mounted, which is what became of
 * `automountServiceAccountToken` of pod and account when the pod was made.
 */
export function defaultTokenUse(scene: Scene, namespace: string): TokenUse {
  const holders = scene.index.pods.filter(
    ({ pod }) => pod.metadata.namespace === namespace && holdsDefaultToken(pod.spec),
  );
  const workloads = [...new Set(holders.filter(isAlive).map(({ workload }) => nameOfWorkload(workload)))];
  const key = `default-token/${namespace}`;
  const isUsedNow = workloads.length > 0;
  if (isUsedNow || scene.history.points(key).length > 0)
    scene.history.recordChange(key, scene.now, isUsedNow ? 1 : 0, rememberMs);
  const last = scene.history.points(key).at(-1);
  const isUsed = isUsedNow || (last !== undefined && scene.now.getTime() - last.at <= rememberMs);
  return { isUsed, workloads: workloads.toSorted() };
}

export function nameUsers({ workloads }: TokenUse): string {
  const more = workloads.length > mostNamed ? ` and ${workloads.length - mostNamed} more` : '';
  return `${workloads.slice(0, mostNamed).join(', ')}${more}`;
}

function isAlive({ pod, facts }: PodEntry): boolean {
  return !facts.finished && !isTerminating(pod);
}

function nameOfWorkload({ kind, name }: { kind: string; name: string }): string {
  return `${kind}/${name}`;
}

function holdsDefaultToken(spec: unknown): boolean {
  const pod = fields(spec);
  const account = text(pod['serviceAccountName']) ?? text(pod['serviceAccount']) ?? 'default';
  if (account !== 'default') return false;
  // A token for another audience opens nothing here.
  const tokens = new Set(
    list(pod['volumes'])
      .filter((volume) =>
        list(fields(volume['projected'])['sources']).some((source) => {
          const token = source['serviceAccountToken'];
          return token !== undefined && token !== null && text(fields(token)['audience']) === null;
        }),
      )
      .map((volume) => text(volume['name'])),
  );
  const containers = [...list(pod['containers']), ...list(pod['initContainers'])];
  return containers
    .flatMap((container) => list(container['volumeMounts']))
    .some((mount) => mount['mountPath'] === tokenPath || tokens.has(text(mount['name'])));
}
