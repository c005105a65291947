import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { ageMs, fields, list, text, time } from '../fields.ts';
import { failingReason, isFailure } from '../pod-facts.ts';
import { lastWarning, type PodEntry, type Scene } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';
import { conditionsOfPods, nameOf, type PodFinding } from './pod-findings.ts';

/** Pods that do not run, do not get ready, or do not end (specification §2.2). */

const startEvents = [
  'FailedMount',
  'FailedAttachVolume',
  'FailedMapVolume',
  'FailedCreatePodSandBox',
  'NetworkNotReady',
];
const failedReasons = new Set([
  'NodeAffinity',
  'Shutdown',
  'UnexpectedAdmissionError',
  'Preempting',
  'DeadlineExceeded',
]);
const freshMs = 600_000;

export function detectPods(scene: Scene): Condition[] {
  const unschedulable: PodFinding[] = [];
  const pending: PodFinding[] = [];
  const startFailures: PodFinding[] = [];
  const notReady: PodFinding[] = [];
  const evicted: PodFinding[] = [];
  const failed: PodFinding[] = [];
  const stuck: PodFinding[] = [];
  const lost: PodFinding[] = [];
  for (const entry of scene.index.pods) {
    const { facts } = entry;
    if (facts.healthy) continue;
    if (facts.terminating) push(stuck, stuckTerminating(scene, entry));
    else if (facts.phase === 'Failed') {
      push(evicted, evictedPod(scene, entry));
      push(failed, failedPod(entry));
    } else if (facts.disrupted || facts.phase === 'Succeeded') continue;
    else if (facts.phase === 'Unknown' || facts.reason === 'NodeLost')
      lost.push(of(entry, 'Unknown', facts.ready?.since ?? null, facts.message));
    else if (facts.phase === 'Pending') {
      if (facts.scheduled?.status === 'False') push(unschedulable, unschedulablePod(scene, entry));
      else push(...pendingPod(scene, entry, pending, startFailures));
    } else push(notReady, notReadyPod(scene, entry));
  }
  const title = (group: PodFinding[], what: string) =>
    `${group[0] === undefined ? '?' : nameOf(group[0].entry.workload)}: ${what}`;
  return [
    ...conditionsOfPods(scene, unschedulable, (group, { available }) => ({
      rule: available === 0 && isService(group) ? 'pod.unschedulable.none-available' : 'pod.unschedulable',
      title: title(group, 'no node takes the pod'),
    })).map((one) => underClaims(scene, one, unschedulable)),
    ...conditionsOfPods(scene, pending, (group) => ({
      rule: 'pod.pending',
      title: title(group, 'containers do not start'),
    })),
    ...conditionsOfPods(scene, startFailures, (group) => ({
      rule: 'pod.start-failure',
      title: title(group, `pod cannot be set up (${group[0]?.reason ?? ''})`),
    })).map(underNetwork),
    ...conditionsOfPods(scene, notReady, (group) => ({
      rule: 'pod.not-ready',
      title: title(group, 'running but not ready'),
    })),
    ...conditionsOfPods(scene, evicted, (group) => ({ rule: 'pod.evicted', title: title(group, 'evicted') })),
    ...conditionsOfPods(scene, failed, (group) => ({
      rule: 'pod.failed',
      title: title(group, `failed (${group[0]?.reason ?? ''})`),
    })),
    ...conditionsOfPods(scene, stuck, (group) => ({
      rule: 'pod.stuck-terminating',
      title: title(group, 'pod does not end'),
    })),
    ...conditionsOfPods(scene, lost, (group) => ({
      rule: 'pod.unknown',
      title: title(group, 'state unknown'),
    })),
    ...evictions(scene, evicted),
  ];
}

function push(into: PodFinding[], found: PodFinding | null | undefined): void {
  if (found !== null && found !== undefined) into.push(found);
}

function of(entry: PodEntry, reason: string, since: Date | null, note: string): PodFinding {
  return { entry, container: '', reason, since, onset: since, note };
}

function isService(group: PodFinding[]): boolean {
  return !['Job', 'CronJob', 'Pod'].includes(group[0]?.entry.workload.kind ?? 'Pod');
}

function podSubject(entry: PodEntry) {
  return subjectOf('Pod', entry.pod);
}

/** SchedulingGated is somebody's intent; a cluster autoscaler that is at it gets more time. */
function unschedulablePod(scene: Scene, entry: PodEntry): PodFinding | null {
  const { scheduled } = entry.facts;
  if (scheduled?.reason !== 'Unschedulable') return null;
  const { scaleUpGraceSeconds = 300 } = scene.rules['pod.unschedulable'].thresholds;
  const scaling = scene.view
    .list('events', entry.pod.metadata.namespace)
    .some(
      (event) =>
        event['reason'] === 'TriggeredScaleUp' &&
        fields(event['involvedObject'] ?? event['regarding'])['name'] === entry.pod.metadata.name &&
        scene.now.getTime() - (time(event['lastTimestamp'])?.getTime() ?? 0) < scaleUpGraceSeconds * 1_000,
    );
  return scaling ? null : of(entry, 'Unschedulable', scheduled.since, scheduled.message);
}

/** A pod that waits for its claim is a matter of the claim, where that is told. */
function underClaims(scene: Scene, one: Condition, findings: PodFinding[]): Condition {
  const claims = findings
    .filter(({ entry }) => one.pods.includes(entry.pod.metadata.name))
    .flatMap(({ entry }) => claimsOf(entry))
    .filter((name) => {
      const claim = scene.view.get('persistentvolumeclaims', one.subject.namespace, name);
      return claim !== undefined && fields(claim.status)['phase'] !== 'Bound';
    })
    .map((name) => refOf({ kind: 'PersistentVolumeClaim', namespace: one.subject.namespace, name }));
  return claims.length === 0
    ? one
    : { ...one, explainedBy: [...one.explainedBy, ...claims.map((claim) => [claim])] };
}

/** Where the network fails for several workloads, that is told. */
function underNetwork(one: Condition): Condition {
  const isNetwork = one.reason === 'FailedCreatePodSandBox' || one.reason === 'NetworkNotReady';
  return isNetwork ? { ...one, explainedBy: [...one.explainedBy, ['Cluster/-/pod-network']] } : one;
}

export function claimsOf(entry: PodEntry): string[] {
  return list(fields(entry.pod.spec)['volumes']).flatMap((volume) => {
    const claim = text(fields(volume['persistentVolumeClaim'])['claimName']);
    if (claim !== null) return [claim];
    return volume['ephemeral'] === undefined
      ? []
      : [`${entry.pod.metadata.name}-${text(volume['name']) ?? ''}`];
  });
}

/** Nothing when a container rule speaks of it already. */
function pendingPod(
  scene: Scene,
  entry: PodEntry,
  pending: PodFinding[],
  startFailures: PodFinding[],
): [PodFinding[], PodFinding | null] {
  const { facts } = entry;
  if (failingReason(facts) !== null) return [pending, null];
  const since = facts.scheduled?.since ?? time(entry.pod.metadata.creationTimestamp);
  const trouble = lastWarning(scene, podSubject(entry), startEvents, freshMs);
  if (trouble !== undefined) return [startFailures, of(entry, trouble.reason, since, trouble.message)];
  const { pullGraceSeconds = 600 } = scene.rules['pod.pending'].thresholds;
  const pulling = scene.view
    .list('events', entry.pod.metadata.namespace)
    .some(
      (event) =>
        event['reason'] === 'Pulling' &&
        fields(event['involvedObject'] ?? event['regarding'])['name'] === entry.pod.metadata.name,
    );
  if (pulling && ageMs(entry.pod, scene.now) < pullGraceSeconds * 1_000) return [pending, null];
  // An init container that runs does its work.
  if (facts.containers.some(({ kind, running }) => kind === 'init' && running)) return [pending, null];
  return [pending, of(entry, 'ContainerCreating', since, facts.ready?.message ?? '')];
}

/** Guards G2 to G6. */
function notReadyPod(scene: Scene, entry: PodEntry): PodFinding | null {
  const { facts, workload } = entry;
  const { ready } = facts;
  if (ready?.status !== 'False' || facts.ofJob || workload.kind === 'Job' || workload.kind === 'CronJob')
    return null;
  if (ready.reason === 'PodCompleted' || ready.reason === 'PodFailed') return null;
  if (failingReason(facts) !== null) return null;
  const { startupGraceSeconds = 120 } = scene.rules['pod.not-ready'].thresholds;
  const graceMs = Math.max(startupGraceSeconds * 1_000, facts.startupMs);
  if (!facts.wasReady && ageMs(entry.pod, scene.now) < graceMs) return null;
  const status = workloadStatus(scene, workload);
  if (status.rolling && !facts.wasReady && ageMs(entry.pod, scene.now) < freshMs) return null;
  // The workload's own rule speaks of it.
  const isAlone = workload.kind === 'Pod' || workload.kind === 'StaticPod';
  if (!isAlone && status.object !== undefined && status.available === 0 && status.desired > 0) return null;
  const probe = lastWarning(scene, podSubject(entry), ['Unhealthy', 'ProbeWarning'], freshMs);
  return of(entry, 'NotReady', ready.since, probe?.message ?? ready.message);
}

function evictedPod(scene: Scene, entry: PodEntry): PodFinding | null {
  const { facts } = entry;
  if (facts.reason !== 'Evicted') return null;
  const at = endedAt(entry);
  const { showSeconds = 900 } = scene.rules['pod.evicted'].thresholds;
  if (at !== null && scene.now.getTime() - at.getTime() > showSeconds * 1_000) return null;
  return of(entry, 'Evicted', at, facts.message);
}

/** When its containers ended, or else when it was last touched. */
function endedAt(entry: PodEntry): Date | null {
  const ends = entry.facts.containers.map((one) => one.terminated?.finishedAt ?? null);
  const last = ends.reduce((late, at) => (at !== null && (late === null || at > late) ? at : late), null);
  return last ?? entry.facts.ready?.since ?? time(entry.pod.metadata.creationTimestamp);
}

/** Jobs and controllers make up for a failed pod; one that nobody owns stays failed. */
function failedPod(entry: PodEntry): PodFinding | null {
  const { facts, workload } = entry;
  if (facts.reason === 'Evicted' || facts.disrupted || facts.ofJob || workload.kind !== 'Pod') return null;
  const failure = facts.containers.map((one) => one.terminated).find((end) => end !== null && isFailure(end));
  const reason = failedReasons.has(facts.reason) ? facts.reason : 'Failed';
  const note =
    facts.message === ''
      ? failure === undefined || failure === null
        ? ''
        : `exit ${failure.exitCode} (${failure.reason})`
      : facts.message;
  return of(entry, reason, endedAt(entry), note);
}

/** `deletionTimestamp` is when it should have ended at the latest, the grace period included. */
function stuckTerminating(scene: Scene, entry: PodEntry): PodFinding | null {
  const due = time(entry.pod.metadata.deletionTimestamp);
  if (due === null) return null;
  const { graceSeconds = 120 } = scene.rules['pod.stuck-terminating'].thresholds;
  const since = new Date(due.getTime() + graceSeconds * 1_000);
  if (scene.now < since) return null;
  const finalizers = entry.pod.metadata.finalizers ?? [];
  const note = finalizers.length === 0 ? 'it should have ended' : `finalizers: ${finalizers.join(', ')}`;
  return of(entry, 'StuckTerminating', since, `${note} by ${due.toISOString()}`);
}

/** Many evictions on a node are the node's trouble. */
function evictions(scene: Scene, evicted: PodFinding[]): Condition[] {
  const { pods: most = 5, windowSeconds = 600 } = scene.rules['pod.evictions'].thresholds;
  const byNode = new Map<string, PodFinding[]>();
  for (const found of evicted) {
    const { node } = found.entry.facts;
    if (node === null || found.since === null) continue;
    if (scene.now.getTime() - found.since.getTime() > windowSeconds * 1_000) continue;
    byNode.set(node, [...(byNode.get(node) ?? []), found]);
  }
  return [...byNode].flatMap(([node, found]) => {
    if (found.length < most) return [];
    const subject = { kind: 'Node', namespace: null, name: node };
    return condition(scene.rules, {
      rule: 'pod.evictions',
      reason: 'Evictions',
      subject,
      title: `Node ${node}: ${found.length} pods evicted`,
      description: found[0]?.note ?? '',
      pods: found.map(({ entry }) => entry.pod.metadata.name).toSorted(),
      nodes: [node],
      layer: layers.pods,
      explainedBy: [[refOf(subject)]],
    });
  });
}
