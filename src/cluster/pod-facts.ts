import type { KubeObject } from './cluster-view.ts';
import {
  type Fields,
  fields,
  isTerminating,
  list,
  number,
  statusCondition,
  type StatusCondition,
  text,
  time,
} from './fields.ts';

/** One container's state, whichever of the three lists it stands in. */
export type ContainerFacts = {
  name: string;
  /** `sidecar`: an init container that runs for ever (restartPolicy Always). */
  kind: 'container' | 'init' | 'sidecar' | 'ephemeral';
  waiting: { reason: string; message: string } | null;
  terminated: Termination | null;
  /** The run before this one. */
  last: Termination | null;
  running: boolean;
  restarts: number;
};

export type Termination = { reason: string; exitCode: number; message: string; finishedAt: Date | null };

export type PodFacts = {
  phase: string;
  reason: string;
  message: string;
  node: string | null;
  terminating: boolean;
  /** Succeeded or Failed: it will not run again. */
  finished: boolean;
  ready: StatusCondition | undefined;
  isReady: boolean;
  /** Not ready now, but it has been: it is not merely starting. */
  wasReady: boolean;
  scheduled: StatusCondition | undefined;
  /** A drain, preemption, taint or the like took it (guard G8). */
  disrupted: boolean;
  ofJob: boolean;
  containers: ContainerFacts[];
  /** Nothing about it needs a second look. */
  healthy: boolean;
  /** How long it may take until it is ready (guard G6), beside the rule's own minimum. */
  startupMs: number;
};

/** Objects are replaced, never changed, so what was read of one stays true. */
const known = new WeakMap<KubeObject, PodFacts>();

export function podFacts(pod: KubeObject): PodFacts {
  const before = known.get(pod);
  if (before !== undefined) return before;
  const facts = readPod(pod);
  known.set(pod, facts);
  return facts;
}

const disruptions = new Set([
  'PreemptionByScheduler',
  'EvictionByEvictionAPI',
  'DeletionByTaintManager',
  'DeletionByPodGC',
  'TerminationByKubelet',
]);

function readPod(pod: KubeObject): PodFacts {
  const status = fields(pod.status);
  const spec = fields(pod.spec);
  const phase = text(status['phase']) ?? 'Unknown';
  const ready = statusCondition(pod, 'Ready');
  const disruption = statusCondition(pod, 'DisruptionTarget');
  const sidecars = new Set(
    list(spec['initContainers'])
      .filter((container) => container['restartPolicy'] === 'Always')
      .map((container) => container['name']),
  );
  const containers = [
    ...list(status['containerStatuses']).map((entry) => readContainer(entry, 'container')),
    ...list(status['initContainerStatuses']).map((entry) =>
      readContainer(entry, sidecars.has(entry['name']) ? 'sidecar' : 'init'),
    ),
    ...list(status['ephemeralContainerStatuses']).map((entry) => readContainer(entry, 'ephemeral')),
  ];
  const terminating = isTerminating(pod);
  const isReady = ready?.status === 'True';
  return {
    phase,
    reason: text(status['reason']) ?? '',
    message: text(status['message']) ?? '',
    node: text(spec['nodeName']),
    terminating,
    finished: phase === 'Succeeded' || phase === 'Failed',
    ready,
    isReady,
    wasReady: ready?.status !== 'True' && hasBeenReady(pod, ready),
    scheduled: statusCondition(pod, 'PodScheduled'),
    disrupted: disruption?.status === 'True' && disruptions.has(disruption.reason),
    ofJob: (pod.metadata.ownerReferences ?? []).some((owner) => owner.kind === 'Job'),
    containers,
    healthy:
      phase === 'Succeeded' ||
      (phase === 'Running' &&
        isReady &&
        !terminating &&
        containers.every((one) => one.restarts === 0 && one.waiting === null && one.last === null)),
    startupMs: startupMs(spec),
  };
}

/** A pod that was never ready says so since it was made; one that was, since later. */
function hasBeenReady(pod: KubeObject, ready: StatusCondition | undefined): boolean {
  const begun = statusCondition(pod, 'Initialized')?.since ?? time(fields(pod.status)['startTime']);
  if (ready?.since === undefined || ready.since === null || begun === null) return false;
  return ready.since.getTime() - begun.getTime() > 2_000;
}

function readContainer(entry: Fields, kind: ContainerFacts['kind']): ContainerFacts {
  const state = fields(entry['state']);
  const waiting = fields(state['waiting']);
  return {
    name: text(entry['name']) ?? '',
    kind,
    waiting:
      state['waiting'] === undefined
        ? null
        : { reason: text(waiting['reason']) ?? '', message: text(waiting['message']) ?? '' },
    terminated: readTermination(state['terminated']),
    last: readTermination(fields(entry['lastState'])['terminated']),
    running: state['running'] !== undefined,
    restarts: number(entry['restartCount'], 0),
  };
}

function readTermination(value: unknown): Termination | null {
  if (value === undefined || value === null) return null;
  const found = fields(value);
  return {
    reason: text(found['reason']) ?? '',
    exitCode: number(found['exitCode'], 0),
    message: text(found['message']) ?? '',
    finishedAt: time(found['finishedAt']),
  };
}

function startupMs(spec: Fields): number {
  return Math.max(
    0,
    ...list(spec['containers']).flatMap((container) =>
      ['startupProbe', 'readinessProbe'].map((name) => {
        const probe = fields(container[name]);
        if (container[name] === undefined) return 0;
        const tries = number(probe['periodSeconds'], 10) * number(probe['failureThreshold'], 3);
        return (number(probe['initialDelaySeconds'], 0) + tries) * 1_000;
      }),
    ),
  );
}

/** Waiting reasons that will not pass by themselves: such a pod is not merely starting. */
const failingReasons = new Set([
  'CrashLoopBackOff',
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreStartHookError',
  'PostStartHookError',
]);

/** The reason a pod visibly fails for, or null while it runs or merely starts. */
export function failingReason(facts: PodFacts): string | null {
  for (const container of facts.containers) {
    if (container.kind === 'ephemeral') continue;
    const reason = container.waiting?.reason ?? '';
    if (failingReasons.has(reason)) return reason;
    const ended = container.terminated ?? container.last;
    if (!facts.isReady && ended !== null && isFailure(ended) && container.kind !== 'init')
      return ended.reason === '' ? 'Error' : ended.reason;
  }
  if (facts.scheduled?.status === 'False' && facts.scheduled.reason === 'Unschedulable')
    return 'Unschedulable';
  return null;
}

/** Guard G9: an orderly end and SIGTERM are no failures. */
export function isFailure(ended: Termination): boolean {
  return ended.reason !== 'Completed' && ended.exitCode !== 0 && ended.exitCode !== 143;
}
