import type { Severity } from '../alerts/alert.ts';
import { openStatuses } from '../alerts/alert.ts';
import type { Db } from '../db/pool.ts';
import { type CursorPosition, type Page, toPage } from '../db/page.ts';
import { fromStorableMap } from '../db/text.ts';
import type { ClusterView, Freshness, KubeObject } from './cluster-view.ts';
import { refOf, type Subject } from './condition.ts';
import { effectiveRequest } from './detectors/capacity.ts';
import { createdAt, fields, list, statusCondition, text, time } from './fields.ts';
import { workloadOf } from './owners.ts';
import { podFacts } from './pod-facts.ts';
import { readQuantity } from './quantity.ts';
import { type ClusterEvent, inMaintenance, readEvent } from './scene.ts';
import { takeSnapshot, usageOfPod } from './snapshot.ts';

/** What the cluster pages ask: answered from the view in memory, with the open alerts beside it. */

export type OpenAlert = {
  id: string;
  severity: Severity;
  title: string;
  namespace: string | null;
  /** `Deployment/web`. */
  workload: string;
  pods: string[];
};

const mostAlerts = 2_000;

/** Open alerts of the watcher about one cluster; one statement. */
export async function openClusterAlerts(db: Db, cluster: string): Promise<OpenAlert[]> {
  const rows = await db
    .selectFrom('alerts_active')
    .select(['id', 'severity', 'title', 'namespace', 'labels', 'annotations'])
    .where('status', 'in', openStatuses)
    .where('source', '=', 'kubernetes')
    .orderBy('severity')
    .limit(mostAlerts)
    .execute();
  return rows.flatMap((row) => {
    const labels = fromStorableMap(row.labels);
    if (labels['cluster'] !== cluster) return [];
    const pods = fromStorableMap(row.annotations)['pods'] ?? labels['pod'] ?? '';
    return {
      id: row.id,
      severity: row.severity,
      title: row.title,
      namespace: row.namespace,
      workload: labels['workload'] ?? '',
      pods: pods.split(', ').filter((name) => name !== ''),
    };
  });
}

/** Alerts by what they are about: their workload and the pods inside. */
function alertsByEntity(alerts: readonly OpenAlert[]): Map<string, OpenAlert[]> {
  const found = new Map<string, OpenAlert[]>();
  for (const alert of alerts) {
    const [kind = '', ...name] = alert.workload.split('/');
    const { namespace } = alert;
    const refs = [refOf({ kind, namespace, name: name.join('/') })];
    if (kind !== 'Node') refs.push(...alert.pods.map((pod) => refOf({ kind: 'Pod', namespace, name: pod })));
    for (const ref of refs) found.set(ref, [...(found.get(ref) ?? []), alert]);
  }
  return found;
}

export type ResourceAge = {
  resource: string;
  state: Freshness['state'];
  heardAt: Date | null;
  ageSeconds: number | null;
};

/** What the pages show the age of. */
const shownResources = [
  'pods',
  'nodes',
  'events',
  'deployments.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'services',
  'endpointslices.discovery.k8s.io',
  'nodes.metrics.k8s.io',
  'pods.metrics.k8s.io',
] as const;

export function resourceAges(
  view: ClusterView,
  now: Date,
  resources: readonly string[] = shownResources,
): ResourceAge[] {
  return resources.map((resource) => {
    const { state, heardAt } = view.freshness(resource);
    const ageMs = heardAt === null ? null : Math.max(0, now.getTime() - heardAt.getTime());
    return { resource, state, heardAt, ageSeconds: ageMs === null ? null : Math.round(ageMs / 1_000) };
  });
}

export function clusterHealth(view: ClusterView, alerts: readonly OpenAlert[], now: Date) {
  const snapshot = takeSnapshot(view);
  const data = resourceAges(view, now);
  const isKnown = data
    .filter(({ resource }) => resource === 'pods' || resource === 'nodes')
    .every(({ state }) => state === 'streaming');
  const counts: Record<Severity, number> = { P0: 0, P1: 0, P2: 0, P3: 0, P4: 0 };
  for (const { severity } of alerts) counts[severity] += 1;
  const status: 'ok' | 'degraded' | 'down' | 'unknown' = !isKnown
    ? 'unknown'
    : counts.P0 > 0
      ? 'down'
      : counts.P1 + counts.P2 > 0
        ? 'degraded'
        : 'ok';
  const metrics = new Map(view.list('nodes.metrics.k8s.io').map((one) => [one.metadata.name, one]));
  const nodes = view.list('nodes').map((node) => {
    const ready = statusCondition(node, 'Ready');
    const allocatable = fields(fields(node.status)['allocatable']);
    const usage = fields(metrics.get(node.metadata.name)?.['usage']);
    return {
      name: node.metadata.name,
      ready: ready?.status === 'True',
      reason: ready?.reason ?? '',
      since: ready?.since ?? null,
      maintenance: inMaintenance(node),
      cpu: { used: readQuantity(usage['cpu']), allocatable: readQuantity(allocatable['cpu']) },
      memory: { used: readQuantity(usage['memory']), allocatable: readQuantity(allocatable['memory']) },
    };
  });
  return { status, snapshot, nodes, alerts: counts, data };
}

export type PodFilter = {
  namespace?: string[] | undefined;
  phase?: string[] | undefined;
  node?: string[] | undefined;
  /** Only severities of open alerts about the pod or its workload. */
  severity?: Severity[] | undefined;
  unhealthy?: boolean | undefined;
  q?: string | undefined;
};

const eventsPerPod = 5;
export const podOrder = 'pods name';
export const eventOrder = 'events at desc';

export function clusterPods(
  view: ClusterView,
  alerts: readonly OpenAlert[],
  filter: PodFilter,
  page: { limit: number; after: CursorPosition | null },
) {
  const byEntity = alertsByEntity(alerts);
  const wanted = view
    .list('pods')
    .map((pod) => ({ pod, key: `${pod.metadata.namespace ?? ''}/${pod.metadata.name}` }))
    .filter(({ pod, key }) => {
      const facts = podFacts(pod);
      if (filter.namespace !== undefined && !filter.namespace.includes(pod.metadata.namespace ?? ''))
        return false;
      if (filter.phase !== undefined && !filter.phase.includes(facts.phase)) return false;
      if (filter.node !== undefined && !filter.node.includes(facts.node ?? '')) return false;
      if (filter.unhealthy === true && (facts.isReady || facts.phase === 'Succeeded')) return false;
      if (filter.q !== undefined && !key.toLowerCase().includes(filter.q.toLowerCase())) return false;
      if (page.after !== null && key <= page.after.key) return false;
      if (filter.severity === undefined) return true;
      return alertsOf(view, pod, byEntity).some(({ severity }) => filter.severity?.includes(severity));
    })
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .slice(0, page.limit + 1);
  const events = Map.groupBy(
    wanted.length === 0
      ? []
      : view
          .list('events')
          .filter((one) => aboutPod(one))
          .map(readEvent),
    ({ about }) => refOf(about),
  );
  const metrics = new Map(
    view
      .list('pods.metrics.k8s.io')
      .map((one) => [`${one.metadata.namespace ?? ''}/${one.metadata.name}`, one]),
  );
  return toPage(
    wanted,
    page.limit,
    podOrder,
    ({ pod, key }) => podItem(view, pod, metrics.get(key), events, byEntity),
    ({ key }) => ({ key, id: '' }),
  );
}

function aboutPod(event: KubeObject): boolean {
  return fields(event['involvedObject'] ?? event['regarding'])['kind'] === 'Pod';
}

function podRef(pod: KubeObject): string {
  return refOf({ kind: 'Pod', namespace: pod.metadata.namespace ?? null, name: pod.metadata.name });
}

function alertsOf(view: ClusterView, pod: KubeObject, byEntity: Map<string, OpenAlert[]>): OpenAlert[] {
  const ofPod = byEntity.get(podRef(pod)) ?? [];
  const ofWorkload = byEntity.get(refOf(workloadOf(view, pod))) ?? [];
  return [...new Set([...ofPod, ...ofWorkload])];
}

function podItem(
  view: ClusterView,
  pod: KubeObject,
  metrics: KubeObject | undefined,
  events: Map<string, ClusterEvent[]>,
  byEntity: Map<string, OpenAlert[]>,
) {
  const facts = podFacts(pod);
  const workload = workloadOf(view, pod);
  const used = usageOfPod(metrics);
  const limit = (resource: 'cpu' | 'memory'): number | null => {
    const limits = list(fields(pod.spec)['containers']).map((one) =>
      readQuantity(fields(fields(one['resources'])['limits'])[resource]),
    );
    // One container without a limit can take all.
    return limits.length === 0 || limits.includes(null)
      ? null
      : limits.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  };
  const waiting = facts.containers.find((one) => one.waiting !== null && one.waiting.reason !== '')?.waiting
    ?.reason;
  return {
    namespace: pod.metadata.namespace ?? '',
    name: pod.metadata.name,
    workload: workload.kind === 'Pod' ? null : { kind: workload.kind, name: workload.name },
    phase: facts.terminating ? 'Terminating' : facts.phase,
    reason:
      waiting ?? (facts.reason === '' ? (facts.isReady ? '' : (facts.ready?.reason ?? '')) : facts.reason),
    ready: facts.isReady,
    restarts: facts.containers.reduce((sum, { restarts }) => sum + restarts, 0),
    node: facts.node,
    createdAt: createdAt(pod),
    cpu: { used: used.cpu, requested: effectiveRequest(pod, 'cpu'), limit: limit('cpu') },
    memory: { used: used.memory, requested: effectiveRequest(pod, 'memory'), limit: limit('memory') },
    stateChanges: stateChanges(pod),
    events: (events.get(podRef(pod)) ?? [])
      .toSorted((a, b) => b.at.getTime() - a.at.getTime())
      .slice(0, eventsPerPod)
      .map(({ at, type, reason, message, count }) => ({ at, type, reason, message, count })),
    alertIds: alertsOf(view, pod, byEntity).map(({ id }) => id),
  };
}

/** Conditions and ends of containers in the order in which they came about, newest first. */
function stateChanges(pod: KubeObject): { at: Date; what: string }[] {
  const changes = list(fields(pod.status)['conditions']).map((one) => ({
    at: time(one['lastTransitionTime']),
    what: `${text(one['type']) ?? ''} ${text(one['status']) ?? ''}${text(one['reason']) === null ? '' : ` (${text(one['reason'])})`}`,
  }));
  for (const { name, terminated, last } of podFacts(pod).containers) {
    for (const end of [terminated, last])
      if (end !== null)
        changes.push({ at: end.finishedAt, what: `${name} ended with ${end.exitCode} (${end.reason})` });
  }
  return changes
    .filter((change): change is { at: Date; what: string } => change.at !== null)
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .slice(0, 10);
}

export type EventFilter = {
  namespace?: string[] | undefined;
  severity?: Severity[] | undefined;
  type?: string[] | undefined;
  from?: Date | undefined;
};

export type EventItem = {
  id: string;
  at: Date;
  type: string;
  /** Of the gravest open alert about the same thing; else P3 for a warning, P4. */
  severity: Severity;
  reason: string;
  message: string;
  count: number;
  namespace: string | null;
  object: Subject;
  alertIds: string[];
};

/** Newest first. */
export function clusterEvents(
  view: ClusterView,
  alerts: readonly OpenAlert[],
  filter: EventFilter,
  page: { limit: number; after: CursorPosition | null },
): Page<EventItem> {
  const byEntity = alertsByEntity(alerts);
  const items = view
    .list('events')
    .map((object) => eventItem(view, readEvent(object), byEntity))
    .filter(
      (item) =>
        (filter.namespace === undefined || filter.namespace.includes(item.namespace ?? '')) &&
        (filter.type === undefined || filter.type.includes(item.type)) &&
        (filter.severity === undefined || filter.severity.includes(item.severity)) &&
        (filter.from === undefined || item.at >= filter.from),
    )
    .toSorted(newestFirst);
  const { after } = page;
  const start =
    after === null
      ? 0
      : items.findIndex((item) => newestFirst(item, { at: new Date(after.key), id: after.id }) > 0);
  return toPage(
    start < 0 ? [] : items.slice(start, start + page.limit + 1),
    page.limit,
    eventOrder,
    (item) => item,
    ({ at, id }) => ({ key: at.toISOString(), id }),
  );
}

function newestFirst(a: { at: Date; id: string }, b: { at: Date; id: string }): number {
  return b.at.getTime() - a.at.getTime() || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function eventItem(view: ClusterView, event: ClusterEvent, byEntity: Map<string, OpenAlert[]>): EventItem {
  const refs = [refOf(event.about)];
  if (event.about.kind === 'Pod') {
    const pod = view.get('pods', event.about.namespace, event.about.name);
    if (pod !== undefined) refs.push(refOf(workloadOf(view, pod)));
  }
  const alerts = [...new Set(refs.flatMap((ref) => byEntity.get(ref) ?? []))];
  // They come gravest first.
  const severity = alerts[0]?.severity ?? (event.type === 'Warning' ? 'P3' : 'P4');
  return {
    id: event.object.metadata.uid,
    at: event.at,
    type: event.type,
    severity,
    reason: event.reason,
    message: event.message,
    count: event.count,
    namespace: event.about.namespace ?? event.object.metadata.namespace ?? null,
    object: event.about,
    alertIds: alerts.map(({ id }) => id),
  };
}
