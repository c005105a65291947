import type { Resource } from '../../cluster/cluster-view.ts';
import type { WatchHealth } from './kubernetes-watch.ts';
import { watchedTypes } from './resources.ts';

export type WatchReport = {
  /** Empty: well. One line for each thing that is wrong. */
  troubles: string[];
  /** What is off by somebody's decision, and the rest works without. */
  notes: string[];
};

/** Shorter than this and a watch that broke just begins again. */
const passingMs = 10_000;
const silentMs = 90_000;

const needed: ReadonlySet<Resource> = new Set(
  watchedTypes.filter(({ optional }) => optional !== true).map(({ resource }) => resource),
);

/** What a person should know of the watch, by resource; namespaces are named where not all of them are concerned. */
export function readWatchHealth(health: WatchHealth, startedAt: Date, now: Date): WatchReport {
  const troubles: string[] = [];
  const notes: string[] = [];
  const stuck = health.collections.filter(
    ({ state, heardAt }) =>
      state === 'backoff' && (heardAt === null || now.getTime() - heardAt.getTime() > passingMs),
  );
  const silentSince = health.lastHeardAt ?? startedAt;
  if (!health.isReachable && (stuck.length > 0 || now.getTime() - silentSince.getTime() > silentMs)) {
    const since = health.lastHeardAt === null ? 'yet' : `since ${health.lastHeardAt.toISOString()}`;
    const detail = stuck.find((one) => one.detail !== undefined)?.detail;
    return {
      troubles: [`the API server has not answered ${since}${detail === undefined ? '' : `: ${detail}`}`],
      notes,
    };
  }
  const byDetail = new Map<string, Resource[]>();
  for (const { resource, detail } of stuck) push(byDetail, detail ?? 'no answer', resource);
  for (const [detail, resources] of byDetail)
    troubles.push(`${[...new Set(resources)].join(', ')}: ${detail}`);
  for (const state of ['forbidden', 'absent'] as const) {
    const off = health.collections.filter((one) => one.state === state);
    for (const resource of new Set(off.map((one) => one.resource))) {
      const mine = off.filter((one) => one.resource === resource);
      const isPartial = mine.length < health.collections.filter((one) => one.resource === resource).length;
      const where = isPartial
        ? ` in ${mine.map(({ namespace }) => namespace ?? 'the cluster').join(', ')}`
        : '';
      (needed.has(resource) ? troubles : notes).push(`${resource}${where}: ${state}`);
    }
  }
  return { troubles, notes };
}

function push(map: Map<string, Resource[]>, key: string, resource: Resource): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [resource]);
  else known.push(resource);
}
