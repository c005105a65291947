import type { Condition } from '../condition.ts';
import { type ContainerFacts, isFailure } from '../pod-facts.ts';
import { lastWarning, type PodEntry, type Scene } from '../scene.ts';
import type { WorkloadStatus } from '../workload-status.ts';
import { ageMs } from '../fields.ts';
import { conditionsOfPods, nameOf, type PodFinding } from './pod-findings.ts';

/** Containers that crash, cannot be created, or get no image (specification §2.2). */

const hourMs = 3_600_000;
const imageReasons = new Set([
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
]);
const configReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreStartHookError',
  'PostStartHookError',
]);

export function detectContainers(scene: Scene): Condition[] {
  const crashes: PodFinding[] = [];
  const images: PodFinding[] = [];
  const configs: PodFinding[] = [];
  const kills: PodFinding[] = [];
  for (const entry of scene.index.pods) {
    const { facts } = entry;
    // Guards G3, G4, G8.
    if (facts.healthy || facts.terminating || facts.disrupted || facts.phase === 'Succeeded') continue;
    for (const container of facts.containers) {
      noteRestarts(scene, entry, container);
      const kill = oomKill(scene, entry, container);
      if (kill !== null) kills.push(kill);
      if (facts.finished || container.kind === 'ephemeral') continue;
      const reason = container.waiting?.reason ?? '';
      if (imageReasons.has(reason)) images.push(imageFinding(scene, entry, container, reason));
      else if (configReasons.has(reason))
        configs.push(finding(scene, entry, container, reason, container.waiting?.message ?? ''));
      else if (isCrashLoop(scene, entry, container)) {
        const note = lastEnd(container);
        crashes.push(finding(scene, entry, container, 'CrashLoopBackOff', note));
      }
    }
  }
  const found = [
    ...conditionsOfPods(scene, crashes, judgeCrash),
    ...conditionsOfPods(scene, images, (group, status) => ({
      rule:
        group[0]?.reason === 'InvalidImageName'
          ? 'pod.invalid-image'
          : status.available === 0 && isService(group)
            ? 'pod.image-pull.none-available'
            : 'pod.image-pull',
      title: `${nameOf(group[0]?.entry.workload ?? unknown)}: image cannot be pulled (${group[0]?.reason ?? ''})`,
    })),
    ...conditionsOfPods(scene, configs, (group) => ({
      rule: 'pod.config-error',
      title: `${nameOf(group[0]?.entry.workload ?? unknown)}: container cannot be created (${group[0]?.reason ?? ''})`,
    })),
    ...conditionsOfPods(scene, kills, (group, status) => judgeKill(scene, group, status)),
  ];
  return [...found, ...restartRates(scene, found)];
}

const unknown = { kind: 'Pod', namespace: null, name: '?' };

function finding(
  scene: Scene,
  entry: PodEntry,
  container: ContainerFacts,
  reason: string,
  note: string,
): PodFinding {
  const since = scene.history.seen(`${reason}/${entry.pod.metadata.uid}/${container.name}`, scene.now);
  return {
    entry,
    container: container.name,
    reason: container.kind === 'init' ? `Init:${reason}` : reason,
    since,
    onset: entry.facts.ready?.since ?? null,
    note,
  };
}

function restartsKey(entry: PodEntry, container: ContainerFacts): string {
  return `restarts/${entry.pod.metadata.uid}/${container.name}`;
}

function noteRestarts(scene: Scene, entry: PodEntry, container: ContainerFacts): void {
  if (container.restarts > 0)
    scene.history.recordChange(restartsKey(entry, container), scene.now, container.restarts, hourMs);
}

/** Restarts within a time. What a pod that is younger than that has, it got within it. */
function restartsWithin(scene: Scene, entry: PodEntry, container: ContainerFacts, withinMs: number): number {
  const before = ageMs(entry.pod, scene.now) <= withinMs ? 0 : null;
  const since = new Date(scene.now.getTime() - withinMs);
  return scene.history.growth(restartsKey(entry, container), since, before);
}

/** The state alternates between waiting and running: what it did lately counts as well. */
function isCrashLoop(scene: Scene, entry: PodEntry, container: ContainerFacts): boolean {
  const { restarts = 3, windowSeconds = 600 } = scene.rules['pod.crash-loop'].thresholds;
  if (container.restarts < restarts) return false;
  if (container.waiting?.reason === 'CrashLoopBackOff') return true;
  if (container.kind === 'init' && container.terminated?.exitCode === 0) return false;
  const ended = container.terminated ?? container.last;
  if (ended === null || !isFailure(ended)) return false;
  return restartsWithin(scene, entry, container, windowSeconds * 1_000) >= restarts;
}

function lastEnd(container: ContainerFacts): string {
  const ended = container.terminated ?? container.last;
  const times = `${container.restarts} restarts`;
  if (ended === null) return times;
  const message = ended.message === '' ? '' : `, ${ended.message.trim().slice(0, 300)}`;
  return `${times}, last exit ${ended.exitCode} (${ended.reason === '' ? 'no reason' : ended.reason})${message}`;
}

/** A Job's pods and a pod of nobody serve no one: none of them available is no outage. */
function isService(group: PodFinding[]): boolean {
  const kind = group[0]?.entry.workload.kind;
  return kind !== 'Job' && kind !== 'CronJob' && kind !== 'Pod';
}

function judgeCrash(group: PodFinding[], status: WorkloadStatus) {
  const [first] = group;
  const title = `${nameOf(first?.entry.workload ?? unknown)}: container ${first?.container ?? ''} crashes again and again`;
  if (status.available === 0 && status.desired > 0 && isService(group))
    return { rule: 'pod.crash-loop.all' as const, title };
  const pods = new Set(group.map(({ entry }) => entry.pod.metadata.name));
  const one = pods.size === 1 && (status.desired > 1 || first?.entry.facts.ofJob === true);
  return { rule: one ? ('pod.crash-loop.one' as const) : ('pod.crash-loop' as const), title };
}

function imageFinding(scene: Scene, entry: PodEntry, container: ContainerFacts, reason: string): PodFinding {
  // The two alternate while the kubelet backs off.
  const normal = reason === 'ErrImagePull' ? 'ImagePullBackOff' : reason;
  const event = lastWarning(scene, podOf(entry), ['Failed', 'InspectFailed'], hourMs);
  return finding(scene, entry, container, normal, event?.message ?? container.waiting?.message ?? '');
}

function podOf(entry: PodEntry) {
  return { kind: 'Pod', namespace: entry.pod.metadata.namespace ?? null, name: entry.pod.metadata.name };
}

/** Shown for a while after it happened. What lies longer back stays in `lastState` for ever and is no news. */
function oomKill(scene: Scene, entry: PodEntry, container: ContainerFacts): PodFinding | null {
  const ended = [container.terminated, container.last].find((one) => one?.reason === 'OOMKilled');
  if (ended === undefined || ended?.finishedAt === null || ended === null) return null;
  const { showSeconds = 900 } = scene.rules['pod.oom-killed'].thresholds;
  const { windowSeconds = 3_600 } = scene.rules['pod.oom-killed.often'].thresholds;
  scene.history.record(
    `oom/${entry.ref}/${container.name}`,
    ended.finishedAt,
    ended.finishedAt.getTime(),
    windowSeconds * 1_000,
  );
  if (scene.now.getTime() - ended.finishedAt.getTime() > showSeconds * 1_000) return null;
  return {
    entry,
    container: container.name,
    reason: 'OOMKilled',
    since: ended.finishedAt,
    onset: null,
    note: `killed at ${ended.finishedAt.toISOString()}, ${container.restarts} restarts`,
  };
}

function judgeKill(scene: Scene, group: PodFinding[], status: WorkloadStatus) {
  const [first] = group;
  const { times = 3, windowSeconds = 3_600 } = scene.rules['pod.oom-killed.often'].thresholds;
  const from = new Date(scene.now.getTime() - windowSeconds * 1_000);
  const kills = scene.history.points(`oom/${first?.entry.ref ?? ''}/${first?.container ?? ''}`, from).length;
  const pods = new Set(group.map(({ entry }) => entry.pod.metadata.name));
  const all = status.desired > 1 && pods.size >= status.desired;
  return {
    rule: kills >= times || all ? ('pod.oom-killed.often' as const) : ('pod.oom-killed' as const),
    title: `${nameOf(first?.entry.workload ?? unknown)}: container ${first?.container ?? ''} was killed for its memory use`,
  };
}

/** Restarts summed over a workload, where nothing else says why. */
function restartRates(scene: Scene, found: Condition[]): Condition[] {
  const { restarts: most = 5, windowSeconds = 3_600 } = scene.rules['pod.restarts'].thresholds;
  const told = new Set(found.map(({ subject }) => `${subject.kind}/${subject.namespace}/${subject.name}`));
  const findings: PodFinding[] = [];
  const sums = new Map<string, number>();
  for (const entry of scene.index.pods) {
    const { facts, workload } = entry;
    if (facts.healthy || facts.terminating || facts.finished || facts.disrupted) continue;
    if (told.has(`${workload.kind}/${workload.namespace}/${workload.name}`)) continue;
    const counted = facts.containers.filter(({ last, terminated }) => {
      const ended = terminated ?? last;
      return (
        ended !== null &&
        isFailure(ended) &&
        (ended.exitCode !== 137 || ended.reason === 'OOMKilled' || isRepeated(ended, facts.containers))
      );
    });
    const growth = counted.reduce(
      (sum, container) => sum + restartsWithin(scene, entry, container, windowSeconds * 1_000),
      0,
    );
    if (growth === 0) continue;
    sums.set(entry.ref, (sums.get(entry.ref) ?? 0) + growth);
    findings.push({
      entry,
      container: '',
      reason: 'Restarts',
      since: null,
      onset: null,
      note: counted.map(lastEnd).join('; '),
    });
  }
  return conditionsOfPods(
    scene,
    findings.filter(({ entry }) => (sums.get(entry.ref) ?? 0) >= most),
    (group) => ({
      rule: 'pod.restarts',
      title: `${nameOf(group[0]?.entry.workload ?? unknown)}: ${sums.get(group[0]?.entry.ref ?? '') ?? 0} restarts in ${Math.round(windowSeconds / 60)} minutes`,
    }),
  );
}

/** Guard G9: a single 137 is what a forced stop looks like. */
function isRepeated(ended: NonNullable<ContainerFacts['last']>, containers: ContainerFacts[]): boolean {
  return containers.some(
    ({ last, terminated, restarts }) => (last === ended || terminated === ended) && restarts >= 2,
  );
}
