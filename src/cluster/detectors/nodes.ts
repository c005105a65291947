import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, layers, refOf, type Subject } from '../condition.ts';
import { fields, isTerminating, labelsOf, statusCondition, text, time } from '../fields.ts';
import { readQuantity } from '../quantity.ts';
import type { RuleName, Stage } from '../rules.ts';
import { inMaintenance, isIgnored, mostNodes, type Scene } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';

/** Nodes (specification §2.3; use of CPU and memory stands in usage.ts). */
export function detectNodes(scene: Scene): Condition[] {
  const nodes = scene.index.nodes.filter((node) => !isTerminating(node) && !isIgnored(node));
  // A node that has just joined gets ready in its time, and is none of those that should be.
  const joined = nodes.filter((node) => !isJoining(scene, node));
  const away = joined.filter((node) => isAway(node) && !inMaintenance(node));
  const share = (away.length / Math.max(1, joined.length)) * 100;
  const perNode = nodes.flatMap((node) => {
    const subject = { kind: 'Node', namespace: null, name: node.metadata.name };
    return [
      ...(joined.includes(node)
        ? notReady(scene, node, subject, { share, isOnly: joined.length === 1 })
        : []),
      ...flapping(scene, node, subject),
      ...pressure(scene, node, subject),
      ...networkUnavailable(scene, node, subject),
      ...cordoned(scene, node, subject),
      ...tooManyPods(scene, node, subject),
      ...versionSkew(scene, node, subject),
    ];
  });
  return [...mostAway(scene, joined, away), ...perNode];
}

function isAway(node: KubeObject): boolean {
  const ready = statusCondition(node, 'Ready');
  return ready !== undefined && ready.status !== 'True';
}

function isJoining(scene: Scene, node: KubeObject): boolean {
  const ready = statusCondition(node, 'Ready');
  return (
    isAway(node) &&
    !wasReady(node, ready?.since ?? null) &&
    scene.now.getTime() - Date.parse(node.metadata.creationTimestamp ?? '') < 300_000
  );
}

const mostListed = 20;
const underMost = [[refOf(mostNodes)]];

/** One finding for them all; those of the single nodes, and what runs there, stay silent under it. */
function mostAway(scene: Scene, joined: readonly KubeObject[], away: readonly KubeObject[]): Condition[] {
  const { percent = 50 } = scene.rules['node.not-ready.most'].thresholds;
  const enough = Math.max(2, Math.ceil((joined.length * percent) / 100));
  if (joined.length < 2 || away.length < enough) return [];
  const times = away
    .map((node) => statusCondition(node, 'Ready')?.since?.getTime() ?? scene.now.getTime())
    .toSorted((a, b) => a - b);
  const names = away.map(({ metadata }) => metadata.name).toSorted();
  const pods = names.flatMap((name) => scene.index.podsByNode.get(name) ?? []);
  const more = names.length > mostListed ? ` and ${names.length - mostListed} more` : '';
  return condition(scene.rules, {
    rule: 'node.not-ready.most',
    reason: 'NodesNotReady',
    subject: mostNodes,
    // When it became so many.
    since: new Date(times[enough - 1] ?? scene.now.getTime()),
    title: `${away.length} of ${joined.length} nodes are not ready`,
    description: [
      `Not ready: ${names.slice(0, mostListed).join(', ')}${more}.`,
      `${pods.filter(({ facts }) => !facts.finished).length} watched pods run there.`,
    ].join('\n'),
    nodes: names,
    layer: layers.nodes,
    version: names.slice(0, mostListed).join(' '),
  });
}

function isControlPlane(node: KubeObject): boolean {
  const labels = labelsOf(node);
  return (
    labels['node-role.kubernetes.io/control-plane'] !== undefined ||
    labels['node-role.kubernetes.io/master'] !== undefined
  );
}

/** Guard G5: of a node that is being taken out of service it is information. */
function stages(scene: Scene, rule: RuleName, node: KubeObject): Stage[] {
  const own = scene.rules[rule].stages;
  if (!inMaintenance(node)) return own;
  return own.slice(0, 1).map(({ afterSeconds }) => ({ afterSeconds, severity: 'P4' as const }));
}

function notReady(
  scene: Scene,
  node: KubeObject,
  subject: Subject,
  all: { share: number; isOnly: boolean },
): Condition[] {
  const ready = statusCondition(node, 'Ready');
  if (ready === undefined || ready.status === 'True') return [];
  const { index, rules } = scene;
  const lost = workloadsLost(scene, subject.name);
  const isGrave =
    isControlPlane(node) ||
    all.share > (rules['node.not-ready.grave'].thresholds['percent'] ?? 25) ||
    lost.length > 0;
  const rule: RuleName = all.isOnly
    ? 'node.not-ready.most'
    : isGrave
      ? 'node.not-ready.grave'
      : 'node.not-ready';
  const lease = scene.view.get('leases.coordination.k8s.io', 'kube-node-lease', subject.name);
  const renewed = time(fields(lease?.spec)['renewTime']);
  const pods = (index.podsByNode.get(subject.name) ?? []).filter(({ facts }) => !facts.finished);
  const lines = [
    `${ready.reason}: ${ready.message}`,
    `${pods.length} watched pods run there.`,
    ...(lost.length > 0 ? [`No pod is left of ${lost.join(', ')}.`] : []),
    ...(renewed === null ? [] : [`Its last heartbeat was at ${renewed.toISOString()}.`]),
  ];
  return condition(rules, {
    rule,
    reason: 'NodeNotReady',
    subject,
    since: ready.since,
    stages: stages(scene, rule, node),
    title: `Node ${subject.name} is not ready (${ready.status === 'Unknown' ? 'its kubelet is silent' : ready.reason})`,
    description: lines.join('\n'),
    pods: pods.map(({ pod }) => pod.metadata.name).toSorted(),
    nodes: [subject.name],
    layer: layers.node,
    explainedBy: underMost,
  });
}

function wasReady(node: KubeObject, since: Date | null): boolean {
  const created = time(node.metadata.creationTimestamp);
  return since !== null && created !== null && since.getTime() - created.getTime() > 10_000;
}

/** Workloads without an available pod whose missing pods all are on this node. */
function workloadsLost(scene: Scene, node: string): string[] {
  const workloads = new Map(
    (scene.index.podsByNode.get(node) ?? []).map(({ ref, workload }) => [ref, workload] as const),
  );
  return [...workloads].flatMap(([ref, workload]) => {
    if (['DaemonSet', 'StaticPod', 'Pod', 'Job', 'CronJob', 'Node'].includes(workload.kind)) return [];
    const status = workloadStatus(scene, workload);
    const all = status.unready.every(({ facts }) => facts.node === node);
    return status.available === 0 && status.desired > 0 && status.unready.length > 0 && all ? [ref] : [];
  });
}

function flapping(scene: Scene, node: KubeObject, subject: Subject): Condition[] {
  const ready = statusCondition(node, 'Ready');
  if (ready === undefined) return [];
  const { changes = 2, windowSeconds = 900 } = scene.rules['node.flapping'].thresholds;
  const key = `ready/${subject.name}`;
  scene.history.recordChange(key, scene.now, ready.status === 'True' ? 1 : 0, windowSeconds * 1_000);
  const from = new Date(scene.now.getTime() - windowSeconds * 1_000);
  const points = scene.history.points(key, from);
  // The first point of all is our first sight of it, not a change.
  const flips = points.length - (points.length === scene.history.points(key).length ? 1 : 0);
  if (flips <= changes) return [];
  return condition(scene.rules, {
    rule: 'node.flapping',
    reason: 'NodeFlapping',
    subject,
    stages: stages(scene, 'node.flapping', node),
    title: `Node ${subject.name} goes in and out of readiness`,
    description: `It changed ${flips} times within ${Math.round(windowSeconds / 60)} minutes.`,
    nodes: [subject.name],
    layer: layers.node,
    explainedBy: underMost,
  });
}

const pressures = {
  MemoryPressure: 'memory',
  DiskPressure: 'disk space',
  PIDPressure: 'process ids',
} as const;

function pressure(scene: Scene, node: KubeObject, subject: Subject): Condition[] {
  return Object.entries(pressures).flatMap(([type, what]) => {
    const found = statusCondition(node, type);
    if (found?.status !== 'True') return [];
    return condition(scene.rules, {
      rule: 'node.pressure',
      reason: type,
      subject,
      since: found.since,
      stages: stages(scene, 'node.pressure', node),
      title: `Node ${subject.name} runs out of ${what}`,
      description: `${found.reason}: ${found.message}`,
      nodes: [subject.name],
      layer: layers.node,
    });
  });
}

function networkUnavailable(scene: Scene, node: KubeObject, subject: Subject): Condition[] {
  const found = statusCondition(node, 'NetworkUnavailable');
  if (found?.status !== 'True') return [];
  // Until the network plugin has run on it, a new node says so.
  if (scene.now.getTime() - Date.parse(node.metadata.creationTimestamp ?? '') < 120_000) return [];
  return condition(scene.rules, {
    rule: 'node.network-unavailable',
    reason: 'NetworkUnavailable',
    subject,
    since: found.since,
    stages: stages(scene, 'node.network-unavailable', node),
    title: `Node ${subject.name} has no pod network`,
    description: `${found.reason}: ${found.message}`,
    nodes: [subject.name],
    layer: layers.node,
  });
}

function cordoned(scene: Scene, node: KubeObject, subject: Subject): Condition[] {
  const spec = fields(node.spec);
  if (spec['unschedulable'] !== true) return [];
  const taints = Array.isArray(spec['taints']) ? (spec['taints'] as unknown[]).map(fields) : [];
  const taint = taints.find((one) => text(one['key']) === 'node.kubernetes.io/unschedulable');
  return condition(scene.rules, {
    rule: 'node.cordoned',
    reason: 'Cordoned',
    subject,
    since: time(taint?.['timeAdded']) ?? scene.history.seen(`cordoned/${subject.name}`, scene.now),
    title: `Node ${subject.name} has been cordoned for long`,
    description: 'No new pods are scheduled there. If the maintenance is over, uncordon it.',
    nodes: [subject.name],
  });
}

function tooManyPods(scene: Scene, node: KubeObject, subject: Subject): Condition[] {
  const most = readQuantity(fields(fields(node.status)['allocatable'])['pods']) ?? 0;
  if (most <= 1) return [];
  const pods = (scene.index.podsByNode.get(subject.name) ?? []).filter(({ facts }) => !facts.finished).length;
  const { percent = 95 } = scene.rules['node.pods'].thresholds;
  if ((pods / most) * 100 <= percent) return [];
  return condition(scene.rules, {
    rule: 'node.pods',
    reason: 'TooManyPods',
    subject,
    since: scene.history.seen(`pods/${subject.name}`, scene.now),
    title: `Node ${subject.name} runs ${pods} of at most ${most} pods`,
    description: 'Further pods will not be scheduled there.',
    nodes: [subject.name],
  });
}

/** https://kubernetes.io/releases/version-skew-policy/ */
function versionSkew(scene: Scene, node: KubeObject, subject: Subject): Condition[] {
  const server = minorOf(scene.probes.serverVersion);
  const kubelet = minorOf(text(fields(fields(node.status)['nodeInfo'])['kubeletVersion']));
  const { minors = 3 } = scene.rules['node.version-skew'].thresholds;
  if (server === null || kubelet === null || Math.abs(server - kubelet) <= minors) return [];
  return condition(scene.rules, {
    rule: 'node.version-skew',
    reason: 'VersionSkew',
    subject,
    since: scene.history.seen(`skew/${subject.name}`, scene.now),
    title: `Node ${subject.name}: its kubelet is ${Math.abs(server - kubelet)} versions from the API server`,
    description: `kubelet 1.${kubelet}, API server 1.${server}`,
    nodes: [subject.name],
  });
}

function minorOf(version: string | null): number | null {
  const minor = /^v?1\.(\d+)/.exec(version ?? '')?.[1];
  return minor === undefined ? null : Number(minor);
}
