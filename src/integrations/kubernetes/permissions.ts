import type { Resource } from '../../cluster/cluster-view.ts';
import type { KubernetesConnection } from './connection.ts';
import type { KubeFailure } from './failure.ts';
import {
  controlPlaneLeases,
  leases,
  nodeMetrics,
  podMetrics,
  type ResourceType,
  watchedTypes,
} from './resources.ts';

/** One right we use. `namespace` null: over the whole cluster. */
export type Right = {
  resource: Resource;
  verb: 'get' | 'list' | 'watch';
  namespace: string | null;
  name?: string;
  subresource?: string;
  /** Instead of a resource. */
  path?: string;
  /** Without it the watcher is not worth its name. */
  isNeeded: boolean;
  serves: string;
};

export type MissingRight = {
  resource: Resource;
  verbs: string[];
  /** Empty: over the whole cluster. */
  namespaces: string[];
  isNeeded: boolean;
  /** What is off because of it. */
  serves: string;
};

export type PermissionReport = {
  checkedAt: Date;
  /** Everything the watcher needs is granted, or nobody could say. */
  isComplete: boolean;
  missing: MissingRight[];
  /** Set where the server could not be asked, for everything or for some; then `missing` may be too short. */
  trouble: KubeFailure | null;
  asked: number;
};

/** So many questions at once. */
const concurrency = 4;

/** All rights that are used, in the namespaces (null: everywhere). */
export function usedRights(namespaces: readonly (string | null)[]): Right[] {
  const rights: Right[] = [];
  const add = (
    type: ResourceType,
    verbs: readonly Right['verb'][],
    where: readonly (string | null)[],
  ): void => {
    for (const namespace of where) {
      for (const verb of verbs)
        rights.push({
          resource: type.resource,
          verb,
          namespace,
          isNeeded: type.optional !== true,
          serves: type.serves,
        });
    }
  };
  for (const type of watchedTypes)
    add(type, ['list', 'watch'], type.scope === 'cluster' ? [null] : namespaces);
  if (!namespaces.includes(null) && !namespaces.includes('default')) {
    for (const verb of ['list', 'watch'] as const)
      rights.push({
        resource: 'events',
        verb,
        namespace: 'default',
        isNeeded: false,
        serves: 'events about nodes, which stand there: out of memory',
      });
  }
  add(podMetrics, ['list'], namespaces);
  add(nodeMetrics, ['list'], [null]);
  for (const name of controlPlaneLeases) {
    rights.push({
      resource: leases.resource,
      verb: 'get',
      namespace: 'kube-system',
      name,
      isNeeded: false,
      serves: 'scheduler and controller manager',
    });
  }
  rights.push({
    resource: leases.resource,
    verb: 'list',
    namespace: 'kube-node-lease',
    isNeeded: false,
    serves: 'heartbeats of nodes',
  });
  for (const namespace of namespaces) {
    rights.push({
      resource: 'pods',
      subresource: 'log',
      verb: 'get',
      namespace,
      isNeeded: false,
      serves: 'the last log lines of crashed containers',
    });
  }
  for (const namespace of namespaces) {
    rights.push({
      resource: 'configmaps',
      verb: 'get',
      namespace,
      isNeeded: false,
      serves: 'which keys of a ConfigMap changed',
    });
  }
  for (const [path, serves] of [
    ['/readyz', 'readiness of the API server and etcd'],
    ['/version', 'version skew of nodes'],
  ] as const) {
    rights.push({ resource: path, path, verb: 'get', namespace: null, isNeeded: false, serves });
  }
  return rights;
}

/** Asks the server which of the rights we have, by one SelfSubjectAccessReview each. */
export async function reviewPermissions(
  connection: KubernetesConnection,
  namespaces: readonly (string | null)[],
  now: Date,
  signal: AbortSignal,
): Promise<PermissionReport> {
  const rights = usedRights(namespaces);
  const denied: Right[] = [];
  let trouble: KubeFailure | null = null;
  const waiting = [...rights];
  const work = async (): Promise<void> => {
    for (let right = waiting.shift(); right !== undefined; right = waiting.shift()) {
      const allowed = await isAllowed(connection, right, signal);
      if (allowed === false) denied.push(right);
      if (typeof allowed === 'object') {
        trouble = allowed;
        // Nobody there, or nobody who lets us ask: the rest would only repeat it.
        waiting.length = 0;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const missing = summed(rights.filter((right) => denied.includes(right)));
  return {
    checkedAt: now,
    isComplete: missing.every(({ isNeeded }) => !isNeeded),
    missing,
    trouble,
    asked: rights.length,
  };
}

async function isAllowed(
  connection: KubernetesConnection,
  right: Right,
  signal: AbortSignal,
): Promise<boolean | KubeFailure> {
  const [resource = '', ...group] = right.resource.split('.');
  const answer = await connection.call(
    {
      method: 'POST',
      path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      json: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec:
          right.path === undefined
            ? {
                resourceAttributes: {
                  verb: right.verb,
                  group: group.join('.'),
                  resource,
                  ...(right.subresource !== undefined && { subresource: right.subresource }),
                  ...(right.namespace !== null && { namespace: right.namespace }),
                  ...(right.name !== undefined && { name: right.name }),
                },
              }
            : { nonResourceAttributes: { verb: right.verb, path: right.path } },
      },
      maxBodyBytes: 1024 * 1024,
    },
    signal,
  );
  if (!answer.ok) return answer;
  try {
    const { status } = JSON.parse(answer.text) as { status?: { allowed?: unknown } };
    return status?.allowed === true;
  } catch {
    return true;
  }
}

/** One line per resource and what it serves, instead of one per question. */
function summed(denied: readonly Right[]): MissingRight[] {
  const lines = new Map<string, MissingRight>();
  for (const right of denied) {
    const resource =
      right.subresource === undefined ? right.resource : `${right.resource}/${right.subresource}`;
    const key = `${resource}\n${right.serves}`;
    const line = lines.get(key) ?? {
      resource,
      verbs: [],
      namespaces: [],
      isNeeded: right.isNeeded,
      serves: right.serves,
    };
    lines.set(key, line);
    if (!line.verbs.includes(right.verb)) line.verbs.push(right.verb);
    if (right.namespace !== null && !line.namespaces.includes(right.namespace))
      line.namespaces.push(right.namespace);
  }
  return [...lines.values()].toSorted((one, other) => Number(other.isNeeded) - Number(one.isNeeded));
}
