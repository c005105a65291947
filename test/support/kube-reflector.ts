import { afterEach } from 'vitest';
import { type KubernetesSandbox, startKubernetesSandbox } from '../../sandbox/kubernetes/server.ts';
import type { ClusterChange } from '../../src/cluster/cluster-view.ts';
import { KubernetesConnection } from '../../src/integrations/kubernetes/connection.ts';
import { chooseCluster, type ClusterChoice } from '../../src/integrations/kubernetes/credentials.ts';
import type { FeedEvent } from '../../src/integrations/kubernetes/feed.ts';
import { Reflector, type ReflectorOptions } from '../../src/integrations/kubernetes/reflector.ts';
import { watchedTypes } from '../../src/integrations/kubernetes/resources.ts';
import { watchTimes, type WatchTimes } from '../../src/integrations/kubernetes/times.ts';

/** Waits that a test can afford; silence is long enough not to be met by accident. */
export const quickTimes: WatchTimes = {
  ...watchTimes,
  backoffMs: [2, 20],
  relistMs: 10,
  soundMs: 10_000,
  offMs: 40,
  pageMs: 5_000,
  openMs: 5_000,
  silenceMs: 20_000,
};

export const nothingChosen: ClusterChoice = {
  mode: 'auto',
  kubeconfig: null,
  context: null,
  apiUrl: null,
  caFile: null,
  token: null,
  service: null,
  homeDir: null,
};

/** The sandbox behind a URL and a token. */
export function connectTo(
  sandbox: KubernetesSandbox,
  more: Partial<ClusterChoice> = {},
): KubernetesConnection {
  const chosen = chooseCluster({
    ...nothingChosen,
    mode: 'url',
    apiUrl: sandbox.url,
    token: sandbox.token(),
    ...more,
  });
  if (chosen.is !== 'chosen') throw new Error(chosen.reason);
  const connection = new KubernetesConnection(chosen.source);
  cleanups.push(() => connection.close());
  return connection;
}

const cleanups: (() => Promise<void>)[] = [];

/** Stops what a test started, last first. */
export function cleanUp(): void {
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
}

export async function startSandbox(
  ...options: Parameters<typeof startKubernetesSandbox>
): Promise<KubernetesSandbox> {
  const sandbox = await startKubernetesSandbox(...options);
  cleanups.push(() => sandbox.stop());
  return sandbox;
}

export type Watched = {
  reflector: Reflector;
  changes: ClusterChange[];
  events: FeedEvent[];
  /** "added pods/a", in order. */
  told(): string[];
  names(): string[];
};

export function reflectorOf(
  connection: KubernetesConnection,
  resource: string,
  namespace: string | null,
  more: Partial<ReflectorOptions> = {},
): Watched {
  const type = watchedTypes.find((one) => one.resource === resource);
  if (type === undefined) throw new Error(resource);
  const changes: ClusterChange[] = [];
  const events: FeedEvent[] = [];
  const reflector = new Reflector({
    connection,
    type,
    namespace,
    times: quickTimes,
    now: () => new Date(),
    random: () => 0.5,
    startedAt: new Date(),
    emit: (change) => changes.push(change),
    observe: (event) => events.push(event),
    ...more,
  });
  cleanups.push(() => reflector.stop());
  reflector.start();
  return {
    reflector,
    changes,
    events,
    told: () => changes.map((change) => `${change.type} ${change.object.metadata.name}`),
    names: () => [...reflector.objects.values()].map(({ metadata }) => metadata.name).toSorted(),
  };
}

export function pod(name: string, phase = 'Running', namespace = 'monitoring') {
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name, namespace },
    spec: { containers: [{ name: 'app', image: 'app:1' }] },
    status: { phase },
  };
}
