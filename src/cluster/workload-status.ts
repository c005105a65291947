import type { KubeObject } from './cluster-view.ts';
import { type EntityRef, refOf, type Subject } from './condition.ts';
import { ageMs, fields, isTerminating, number, statusCondition, text } from './fields.ts';
import { workloadObject } from './owners.ts';
import { failingReason } from './pod-facts.ts';
import type { PodEntry, Scene } from './scene.ts';

/** How a workload is off as a whole: what severity and grace of its findings hang on. */
export type WorkloadStatus = {
  object: KubeObject | undefined;
  desired: number;
  available: number;
  /** Pods that should be ready and are not; terminating and finished ones left out. */
  unready: PodEntry[];
  rolling: boolean;
  /** Reasons of its unready pods. */
  failing: string[];
  /** Unavailable by intent and for a short time: see `inGrace`. */
  grace: boolean;
};

const cache = new WeakMap<Scene, Map<EntityRef, WorkloadStatus>>();

export function workloadStatus(scene: Scene, workload: Subject): WorkloadStatus {
  const known = cache.get(scene) ?? new Map<EntityRef, WorkloadStatus>();
  cache.set(scene, known);
  const ref = refOf(workload);
  const before = known.get(ref);
  if (before !== undefined) return before;
  const status = readStatus(scene, workload, ref);
  known.set(ref, status);
  return status;
}

function readStatus(scene: Scene, workload: Subject, ref: EntityRef): WorkloadStatus {
  const object = workloadObject(scene.view, workload);
  const pods = scene.index.podsByWorkload.get(ref) ?? [];
  const alive = pods.filter(({ facts }) => !facts.terminating && !facts.finished);
  const unready = alive.filter(({ facts }) => !facts.isReady);
  const spec = fields(object?.spec);
  const status = fields(object?.status);
  let desired = alive.length;
  let available = alive.length - unready.length;
  if (object !== undefined) {
    if (workload.kind === 'Deployment' || workload.kind === 'ReplicaSet') {
      desired = number(spec['replicas'], 1);
      available = number(status['availableReplicas'], 0);
    } else if (workload.kind === 'StatefulSet') {
      desired = number(spec['replicas'], 1);
      available = number(status['readyReplicas'], 0);
    } else if (workload.kind === 'DaemonSet') {
      desired = number(status['desiredNumberScheduled'], 0);
      available = number(status['numberAvailable']) ?? number(status['numberReady'], 0);
    }
  }
  const failing = [
    ...new Set(unready.map(({ facts }) => failingReason(facts)).filter((reason) => reason !== null)),
  ];
  const rolling = object !== undefined && isRolling(workload.kind, object);
  const grace = inGrace(scene, ref, object, { pods, unready, failing, desired, rolling });
  return { object, desired, available, unready, failing: failing.toSorted(), rolling, grace };
}

/** Guard G2. */
export function isRolling(kind: string, object: KubeObject): boolean {
  const spec = fields(object.spec);
  const status = fields(object.status);
  const generation = object.metadata.generation ?? 0;
  if (generation > number(status['observedGeneration'], generation)) return true;
  if (kind === 'Deployment') {
    const progressing = statusCondition(object, 'Progressing');
    if (progressing?.status === 'False') return false;
    const desired = number(spec['replicas'], 1);
    const updated = number(status['updatedReplicas'], 0);
    const replicas = number(status['replicas'], 0);
    return (
      (updated < desired || replicas > updated) &&
      ['NewReplicaSetCreated', 'FoundNewReplicaSet', 'ReplicaSetUpdated'].includes(progressing?.reason ?? '')
    );
  }
  if (kind === 'StatefulSet') {
    const update = text(status['updateRevision']);
    return update !== null && update !== text(status['currentRevision']);
  }
  if (kind === 'DaemonSet')
    return number(status['updatedNumberScheduled'], 0) < number(status['desiredNumberScheduled'], 0);
  return false;
}

/** A replacement that nobody worries about has this long to come up. */
const replacementMs = 120_000;

/**
 * Guards G2, G5, G7, G8 for "nothing is available": a drain, a scale-up from
 * zero, or a rollout that takes the old pods first leaves a gap by intent. It is
 * bridged while the new pods are young and none of them fails.
 */
function inGrace(
  scene: Scene,
  ref: EntityRef,
  object: KubeObject | undefined,
  state: { pods: PodEntry[]; unready: PodEntry[]; failing: string[]; desired: number; rolling: boolean },
): boolean {
  const { history, now, index } = scene;
  const keepMs = 2 * replacementMs;
  if (state.desired === 0) history.record(`gap/${ref}`, now, 1, keepMs);
  const taken = state.pods.some(
    ({ facts }) =>
      facts.disrupted || (facts.terminating && facts.node !== null && index.maintenanceNodes.has(facts.node)),
  );
  if (taken) history.record(`gap/${ref}`, now, 1, keepMs);
  if (state.failing.length > 0) return false;
  const young = state.unready.every(({ pod, facts }) => ageMs(pod, now) < replacementMs && !facts.wasReady);
  if (!young) return false;
  const gapAt = history.points(`gap/${ref}`).at(-1)?.at;
  if (gapAt !== undefined && now.getTime() - gapAt < replacementMs) return true;
  // What went before our start nobody saw.
  const justStarted = now.getTime() - history.startedAt.getTime() < replacementMs;
  if (justStarted && state.unready.length > 0) return true;
  const takesOldFirst =
    object !== undefined &&
    (text(fields(fields(object.spec)['strategy'])['type']) === 'Recreate' ||
      fields(object.spec)['serviceName'] !== undefined);
  if (state.rolling && takesOldFirst) return true;
  return object !== undefined && (isTerminating(object) || ageMs(object, now) < replacementMs);
}
