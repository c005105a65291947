import type { Metrics } from '../observability/metrics.ts';
import type { ClusterView, Resource } from './cluster-view.ts';
import type { Finding, Memory } from './engine.ts';
import type { WatcherEvent } from './watcher.ts';

const states = ['pending', 'suppressed', 'digested', 'firing'] as const;

/** Read at each scrape: the watch as it is now. */
export function measureCluster(
  metrics: Metrics,
  cluster: string,
  watch: {
    leads: boolean;
    /** Null where nobody leads here. */
    memory: Memory | null;
    view: ClusterView;
    collections: readonly { resource: Resource; objects: number }[];
  },
  now: Date,
): void {
  const { clusterLeader, clusterWatchAge, clusterObjects, clusterKinds, clusterFindings } = metrics;
  clusterLeader.set({ cluster }, watch.leads ? 1 : 0);
  clusterFindings.reset();
  if (watch.memory !== null) {
    const findings = [...watch.memory.findings.values()];
    for (const state of states)
      clusterFindings.set({ state }, findings.filter((finding) => finding.state === state).length);
  }
  const objects = new Map<Resource, number>();
  for (const { resource, objects: count } of watch.collections)
    objects.set(resource, (objects.get(resource) ?? 0) + count);
  const kinds = new Map<string, number>();
  clusterWatchAge.reset();
  clusterObjects.reset();
  clusterKinds.reset();
  for (const [resource, count] of objects) {
    const { state, heardAt } = watch.view.freshness(resource);
    kinds.set(state, (kinds.get(state) ?? 0) + 1);
    clusterObjects.set({ resource }, count);
    const isOff = state === 'forbidden' || state === 'absent';
    if (!isOff && heardAt !== null)
      clusterWatchAge.set({ resource }, Math.max(0, now.getTime() - heardAt.getTime()) / 1_000);
  }
  for (const [state, count] of kinds) clusterKinds.set({ state }, count);
}

/** What happens at a look. */
export function countLook(metrics: Metrics, event: WatcherEvent): void {
  if (event.kind === 'evaluated') metrics.clusterEvaluation.observe(event.durationMs / 1_000);
  if (event.kind !== 'fired' || event.fire.kind !== 'new') return;
  const { finding } = event.fire;
  const seconds = detectionSeconds(finding, event);
  if (seconds !== null && finding.severity !== null)
    metrics.clusterDetection.observe({ severity: finding.severity }, seconds);
}

/**
 * From when it went wrong to when it was told. Null where that says nothing of us:
 * what was there before anybody ever looked, and what was told under another
 * finding in the meantime.
 */
function detectionSeconds(
  { since, releasedAt }: Finding,
  { at, firstLookAt }: { at: Date; firstLookAt: Date | null },
): number | null {
  if (releasedAt !== null || firstLookAt === null || since < firstLookAt) return null;
  return Math.max(0, at.getTime() - since.getTime()) / 1_000;
}
