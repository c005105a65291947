import type { ClusterChange, ClusterView, Freshness, Resource } from '../../cluster/cluster-view.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { type ApiProbes, apiProbes, readyzPoll, readyzType, versionPoll, versionType } from './api-health.ts';
import { ClusterStore } from './cluster-store.ts';
import type { KubernetesConnection } from './connection.ts';
import type { Feed, FeedDeps, FeedEvent } from './feed.ts';
import { type PermissionReport, reviewPermissions } from './permissions.ts';
import { listPoll, namesPoll, Poller } from './poller.ts';
import { Reflector } from './reflector.ts';
import {
  controlPlaneLeases,
  leases,
  nodeMetrics,
  podMetrics,
  type ResourceType,
  watchedTypes,
} from './resources.ts';
import { pause, watchTimes, type WatchTimes } from './times.ts';

export type WatchEvent =
  | FeedEvent
  /** Told after every review that finds something else than the one before. */
  | { kind: 'permissions'; report: PermissionReport };

export type KubernetesWatchOptions = {
  connection: KubernetesConnection;
  /** `["*"]`: all. */
  namespaces: readonly string[];
  clock?: Clock;
  times?: Partial<WatchTimes>;
  random?: () => number;
  /** `off` and `fresh` come once per resource, however many namespaces it is watched in. */
  observe?: (event: WatchEvent) => void;
  /** Objects of one collection that are kept at most. */
  maxObjects?: number;
};

export type WatchHealth = {
  /** The API server answered something within the last minute and a half. */
  isReachable: boolean;
  lastHeardAt: Date | null;
  collections: (Freshness & { resource: Resource; namespace: string | null; objects: number })[];
  permissions: PermissionReport | null;
};

export type KubernetesWatch = {
  view: ClusterView;
  /** @returns ends it. */
  onChange(listener: (change: ClusterChange) => void): () => void;
  start(): void;
  stop(): Promise<void>;
  health(): WatchHealth;
  /** The API server's own health and version, as last heard. */
  probes(): ApiProbes;
};

/** Longer than the silence after which a watch is dead. */
const reachableMs = 90_000;

/**
 * Watches a cluster. The view holds, beside what the API server lists, two objects
 * of our own making: `readyz` and `version` (`api-health.ts`). It stays as it was
 * while the server is away, and says so by its freshness.
 */
export function createKubernetesWatch(options: KubernetesWatchOptions): KubernetesWatch {
  const { connection, clock = systemClock, random = Math.random } = options;
  const times: WatchTimes = { ...watchTimes, ...options.times };
  const namespaces: (string | null)[] = options.namespaces.includes('*')
    ? [null]
    : [...new Set(options.namespaces)];
  const store = new ClusterStore(() => connection.skewMs);
  const once = tellOnce(options.observe ?? (() => undefined));
  const deps: FeedDeps = {
    times,
    now: () => clock.now(),
    random,
    emit: (change) => store.changed(change),
    observe: once,
  };

  const startedAt = new Date(clock.now().getTime() + connection.skewMs);
  const reflect = (type: ResourceType, namespace: string | null, fieldSelector?: string): Feed =>
    new Reflector({
      ...deps,
      connection,
      type,
      namespace,
      startedAt,
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(options.maxObjects !== undefined && { maxObjects: options.maxObjects }),
    });
  for (const type of watchedTypes) {
    for (const namespace of type.scope === 'cluster' ? [null] : namespaces)
      store.add(reflect(type, namespace));
    // Events about nodes have no namespace of their own: they stand in this one.
    if (type.resource === 'events' && !namespaces.includes(null) && !namespaces.includes('default'))
      store.add(reflect(type, 'default', 'involvedObject.kind=Node'));
  }
  const polled = (type: ResourceType, namespace: string | null, everyMs: number): Feed =>
    new Poller({
      ...deps,
      type,
      namespace,
      everyMs,
      poll: listPoll(connection, type, namespace, times.pageMs),
    });
  for (const namespace of namespaces) store.add(polled(podMetrics, namespace, times.metricsMs));
  store.add(polled(nodeMetrics, null, times.metricsMs));
  store.add(
    new Poller({
      ...deps,
      type: leases,
      namespace: 'kube-system',
      everyMs: times.leasesMs,
      poll: namesPoll(connection, leases, 'kube-system', controlPlaneLeases),
    }),
  );
  store.add(polled(leases, 'kube-node-lease', times.leasesMs));
  const api = { ...deps, namespace: null };
  store.add(
    new Poller({ ...api, type: readyzType, everyMs: times.readyMs, poll: readyzPoll(connection, deps.now) }),
  );
  store.add(
    new Poller({ ...api, type: versionType, everyMs: times.versionMs, poll: versionPoll(connection) }),
  );

  let permissions: PermissionReport | null = null;
  let running: { stop: AbortController; reviews: Promise<void> } | null = null;

  const review = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const report = await reviewPermissions(connection, namespaces, clock.now(), signal);
      if (signal.aborted) return;
      const before = permissions;
      // Who could not be asked has taken nothing away.
      if (report.trouble === null) {
        permissions = report;
        if (textOf(before) !== textOf(report)) once({ kind: 'permissions', report });
        for (const resource of granted(before, report)) {
          for (const feed of store.feeds) if (feed.resource === resource) feed.retryNow();
        }
      }
      await pause(report.trouble === null ? times.permissionsMs : times.backoffMs[1], signal);
    }
  };

  return {
    view: store,
    onChange: (listener) => store.onChange(listener),
    start: () => {
      if (running !== null) return;
      const stop = new AbortController();
      for (const feed of store.feeds) feed.start();
      running = { stop, reviews: review(stop.signal) };
    },
    stop: async () => {
      const ending = running;
      if (ending === null) return;
      ending.stop.abort();
      await Promise.all([ending.reviews, ...store.feeds.map((feed) => feed.stop())]);
      if (running === ending) running = null;
    },
    probes: () => apiProbes(store),
    health: () => {
      const collections = store.feeds.map((feed) => ({
        ...feed.freshness(),
        resource: feed.resource,
        namespace: feed.namespace,
        objects: feed.objects.size,
      }));
      // `readyz` answers itself, whether or not the server does.
      const heard = collections.flatMap(({ resource, heardAt }) =>
        heardAt === null || resource === readyzType.resource ? [] : [heardAt.getTime()],
      );
      const last = heard.length === 0 ? null : Math.max(...heard);
      return {
        isReachable: last !== null && clock.now().getTime() - last < reachableMs,
        lastHeardAt: last === null ? null : new Date(last),
        collections,
        permissions,
      };
    },
  };
}

/** What is off in three namespaces is one message, and one when it is back. */
function tellOnce(observe: (event: WatchEvent) => void): (event: WatchEvent) => void {
  const off = new Map<Resource, Set<string | null>>();
  return (event) => {
    if (event.kind === 'off') {
      const where = off.get(event.resource) ?? new Set();
      off.set(event.resource, where.add(event.namespace));
      if (where.size > 1) return;
    }
    if (event.kind === 'fresh') {
      const where = off.get(event.resource);
      where?.delete(event.namespace);
      if (where !== undefined && where.size > 0) return;
      off.delete(event.resource);
    }
    observe(event);
  };
}

function textOf(report: PermissionReport | null): string {
  return report === null ? '' : JSON.stringify(report.missing);
}

/** Resources of which less is missing than before. */
function granted(before: PermissionReport | null, now: PermissionReport): Resource[] {
  const missing = new Set(now.missing.map((line) => JSON.stringify(line)));
  return (before?.missing ?? [])
    .filter((line) => !missing.has(JSON.stringify(line)))
    .map(({ resource }) => resource);
}
