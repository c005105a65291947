import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, refOf, subjectOf } from '../condition.ts';
import { fields, list, text, time } from '../fields.ts';
import { bytesText, coresText, readQuantity } from '../quantity.ts';
import type { Point } from '../history.ts';
import { type PodEntry, type Scene } from '../scene.ts';
import { conditionsOfPods, nameOf, type PodFinding } from './pod-findings.ts';

/** CPU and memory against limits and allocatable (specification §2.3 and §2.7). */
export const keepUsageMs = 6 * 3_600_000;
/** metrics-server samples about every 15 s; a mean of fewer is none. */
const leastSamples = 5;

export function detectUsage(scene: Scene): Condition[] {
  return [...nodeUsage(scene), ...containerUsage(scene)];
}

function record(scene: Scene, key: string, sampledAt: Date, value: number): void {
  scene.history.record(key, sampledAt, value, keepUsageMs);
}

/** The mean over a time, once samples cover most of it. */
function meanOver(points: readonly Point[], now: Date, overMs: number): number | null {
  const within = points.filter(({ at }) => now.getTime() - at <= overMs);
  const [first] = within;
  if (within.length < leastSamples || first === undefined || now.getTime() - first.at < overMs * 0.9)
    return null;
  return within.reduce((sum, { value }) => sum + value, 0) / within.length;
}

function nodeUsage(scene: Scene): Condition[] {
  const { rules, history, now } = scene;
  return scene.view.list('nodes.metrics.k8s.io').flatMap((metrics) => {
    const node = scene.view.get('nodes', null, metrics.metadata.name);
    const at = time(metrics['timestamp']);
    if (node === undefined || at === null) return [];
    const subject = subjectOf('Node', node);
    const allocatable = fields(fields(node.status)['allocatable']);
    const usage = fields(metrics['usage']);
    const cpu = share(usage['cpu'], allocatable['cpu']);
    const memory = share(usage['memory'], allocatable['memory']);
    const found: Condition[] = [];
    if (cpu !== null) {
      record(scene, `cpu/${refOf(subject)}`, at, cpu);
      const { percent = 80, meanSeconds = 300 } = rules['node.cpu'].thresholds;
      const mean = meanOver(history.points(`cpu/${refOf(subject)}`), now, meanSeconds * 1_000);
      if (mean !== null && mean > percent) {
        found.push(
          ...condition(rules, {
            rule: 'node.cpu',
            reason: 'NodeCpu',
            subject,
            since: history.seen(`cpu/${refOf(subject)}`, now),
            title: `Node ${subject.name} uses ${Math.round(mean)} % of its CPU`,
            description: `Mean over ${Math.round(meanSeconds / 60)} minutes, of ${text(allocatable['cpu']) ?? ''} allocatable.`,
            nodes: [subject.name],
          }),
        );
      }
    }
    if (memory !== null) {
      record(scene, `memory/${refOf(subject)}`, at, memory);
      const { percent = 90 } = rules['node.memory'].thresholds;
      if (memory > percent) {
        found.push(
          ...condition(rules, {
            rule: 'node.memory',
            reason: 'NodeMemory',
            subject,
            since: history.seen(`memory/${refOf(subject)}`, now),
            title: `Node ${subject.name} uses ${Math.round(memory)} % of its memory`,
            description: `${bytesText(readQuantity(usage['memory']) ?? 0)} of ${bytesText(readQuantity(allocatable['memory']) ?? 0)} allocatable. Pods will be evicted or killed.`,
            nodes: [subject.name],
          }),
        );
      }
    }
    return found;
  });
}

function share(used: unknown, of: unknown): number | null {
  const a = readQuantity(used);
  const b = readQuantity(of);
  return a === null || b === null || b <= 0 ? null : (a / b) * 100;
}

function containerUsage(scene: Scene): Condition[] {
  const cpu: PodFinding[] = [];
  const memory: PodFinding[] = [];
  const growing: PodFinding[] = [];
  const measured = scene.view.list('pods.metrics.k8s.io');
  if (measured.length === 0) return [];
  const entries = new Map(
    scene.index.pods.map((entry) => [
      `${entry.pod.metadata.namespace ?? ''}/${entry.pod.metadata.name}`,
      entry,
    ]),
  );
  for (const metrics of measured) {
    const entry = entries.get(`${metrics.metadata.namespace ?? ''}/${metrics.metadata.name}`);
    const at = time(metrics['timestamp']);
    if (entry === undefined || at === null || entry.facts.terminating) continue;
    for (const used of list(metrics['containers']))
      judgeContainer(scene, entry, used, at, { cpu, memory, growing });
  }
  const title = (group: PodFinding[], what: string) =>
    `${group[0] === undefined ? '?' : nameOf(group[0].entry.workload)}: container ${group[0]?.container ?? ''} ${what}`;
  return [
    ...conditionsOfPods(scene, cpu, (group) => ({
      rule: 'container.cpu',
      title: title(group, 'is at its CPU limit'),
    })),
    ...conditionsOfPods(scene, memory, (group) => ({
      rule: 'container.memory',
      title: title(group, 'is near its memory limit'),
    })),
    ...conditionsOfPods(scene, growing, (group) => ({
      rule: 'container.memory.growing',
      title: title(group, 'uses much of its memory limit'),
    })),
  ];
}

function judgeContainer(
  scene: Scene,
  entry: PodEntry,
  used: Record<string, unknown>,
  at: Date,
  into: { cpu: PodFinding[]; memory: PodFinding[]; growing: PodFinding[] },
): void {
  const { rules, history, now } = scene;
  const name = text(used['name']) ?? '';
  const usage = fields(used['usage']);
  const limits = limitsOf(scene, entry, name);
  const cpu = share(usage['cpu'], limits.cpu);
  const key = `${entry.pod.metadata.uid}/${name}`;
  const found = (reason: string, note: string): PodFinding => ({
    entry,
    container: name,
    reason,
    since: history.seen(`${reason}/${key}`, now),
    onset: null,
    note,
  });
  if (cpu !== null) {
    record(scene, `cpu/${key}`, at, cpu);
    const { percent = 80, meanSeconds = 300 } = rules['container.cpu'].thresholds;
    const mean = meanOver(history.points(`cpu/${key}`), now, meanSeconds * 1_000);
    if (mean !== null && mean > percent)
      into.cpu.push(found('ContainerCpu', `${Math.round(mean)} % of ${coresText(limits.cpu ?? 0)} cores`));
  }
  const memory = share(usage['memory'], limits.memory);
  if (memory === null) return;
  const note = `${Math.round(memory)} % of ${bytesText(limits.memory ?? 0)}`;
  const { percent: near = 90 } = rules['container.memory'].thresholds;
  const { percent: much = 80 } = rules['container.memory.growing'].thresholds;
  if (memory > near) into.memory.push(found('ContainerMemory', note));
  else if (memory > much) into.growing.push(found('ContainerMemoryMuch', note));
}

/** A container without a limit can have what its node has. */
function limitsOf(
  scene: Scene,
  entry: PodEntry,
  name: string,
): { cpu: number | null; memory: number | null } {
  const spec = fields(entry.pod.spec);
  const container = [...list(spec['containers']), ...list(spec['initContainers'])].find(
    (one) => one['name'] === name,
  );
  const limits = fields(fields(container?.['resources'])['limits']);
  const node: KubeObject | undefined =
    entry.facts.node === null ? undefined : scene.view.get('nodes', null, entry.facts.node);
  const allocatable = fields(fields(node?.status)['allocatable']);
  return {
    cpu: readQuantity(limits['cpu']) ?? readQuantity(allocatable['cpu']),
    memory: readQuantity(limits['memory']) ?? readQuantity(allocatable['memory']),
  };
}
