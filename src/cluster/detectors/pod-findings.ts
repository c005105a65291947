import type { Stage } from '../rules.ts';
import { type Condition, condition, earliest, layers, refOf, type Subject } from '../condition.ts';
import type { RuleName } from '../rules.ts';
import { isIgnored, type PodEntry, platformPart, type Scene, underNodes } from '../scene.ts';
import { type WorkloadStatus, workloadStatus } from '../workload-status.ts';

/** One pod that shows something; findings of a workload with the same reason become one condition. */
export type PodFinding = {
  entry: PodEntry;
  /** '' where it concerns the pod as a whole. */
  container: string;
  reason: string;
  since: Date | null;
  onset: Date | null;
  /** What Kubernetes says of it, for the description. */
  note: string;
};

export type PodVerdict = { rule: RuleName; title: string; stages?: Stage[] };

/** Guard G12: groups findings, and lets `judge` say what a group of them is worth. */
export function conditionsOfPods(
  scene: Scene,
  findings: readonly PodFinding[],
  judge: (group: PodFinding[], status: WorkloadStatus) => PodVerdict | null,
): Condition[] {
  const groups = new Map<string, PodFinding[]>();
  for (const finding of findings) {
    const key = `${finding.entry.ref}|${finding.reason}|${finding.container}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [finding]);
    else group.push(finding);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { workload } = first.entry;
    const status = workloadStatus(scene, workload);
    if (isIgnored(status.object) || group.every(({ entry }) => isIgnored(entry.pod))) return [];
    const verdict = judge(group, status);
    if (verdict === null) return [];
    const nodes = [
      ...new Set(group.map(({ entry }) => entry.facts.node).filter((node) => node !== null)),
    ].toSorted();
    const stages = verdict.stages ?? stagesFor(scene, verdict.rule, first.entry, nodes);
    return condition(scene.rules, {
      rule: verdict.rule,
      reason: first.reason,
      subject: workload,
      container: first.container === '' ? null : first.container,
      since: earliest(group.map(({ since }) => since)),
      onset: earliest(group.map(({ onset }) => onset)),
      stages,
      title: verdict.title,
      description: describe(group, status),
      pods: group.map(({ entry }) => entry.pod.metadata.name).toSorted(),
      nodes,
      layer: layers.pods,
      explainedBy: explainedBy(group, workload),
    });
  });
}

function stagesFor(scene: Scene, rule: RuleName, entry: PodEntry, nodes: string[]): Stage[] {
  const { stages } = scene.rules[rule];
  // Guard G5: on a node that is being emptied it is information.
  if (nodes.length > 0 && nodes.every((node) => scene.index.maintenanceNodes.has(node)))
    return stages.slice(0, 1).map(({ afterSeconds }) => ({ afterSeconds, severity: 'P4' as const }));
  return platformPart(entry.pod) === null ? stages : stages.map(oneUp);
}

/** What the cluster itself runs on weighs one level more, but P0 is for rules that say so. */
export function oneUp({ afterSeconds, severity }: Stage): Stage {
  const up = { P0: 'P0', P1: 'P1', P2: 'P1', P3: 'P2', P4: 'P3' } as const;
  return { afterSeconds, severity: up[severity] };
}

function explainedBy(group: PodFinding[], workload: Subject): string[][] {
  return [[refOf(workload)], ...underNodes(group.map(({ entry }) => entry))];
}

const mostNotes = 5;

function describe(group: PodFinding[], status: WorkloadStatus): string {
  const lines = [`${status.available} of ${status.desired} pods are available.`];
  for (const { entry, note } of group.slice(0, mostNotes)) {
    const where = entry.facts.node === null ? '' : ` on ${entry.facts.node}`;
    lines.push(`${entry.pod.metadata.name}${where}${note === '' ? '' : `: ${note}`}`);
  }
  if (group.length > mostNotes) lines.push(`and ${group.length - mostNotes} more`);
  return lines.join('\n');
}

/** `web (Deployment, monitoring)`. */
export function nameOf(subject: Subject): string {
  return subject.namespace === null
    ? `${subject.kind} ${subject.name}`
    : `${subject.kind} ${subject.namespace}/${subject.name}`;
}
