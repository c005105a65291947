import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition } from '../condition.ts';
import { type Fields, fields, list } from '../fields.ts';
import type { Point } from '../history.ts';
import { readQuantity } from '../quantity.ts';
import type { Scene } from '../scene.ts';

/** What fits, and what fills up (specification §2.7). */

/** What a pod takes of its node: the sum of its containers, or its largest init container, plus overhead. */
export function effectiveRequest(pod: KubeObject, resource: 'cpu' | 'memory'): number {
  const spec = fields(pod.spec);
  const requestOf = (holder: Fields): number | null =>
    readQuantity(fields(fields(holder['resources'])['requests'])[resource]);
  const overhead = readQuantity(fields(spec['overhead'])[resource]) ?? 0;
  const ofPod = requestOf(spec);
  if (ofPod !== null) return ofPod + overhead;
  const sidecars = list(spec['initContainers']).filter((one) => one['restartPolicy'] === 'Always');
  const inits = list(spec['initContainers']).filter((one) => one['restartPolicy'] !== 'Always');
  const running = [...list(spec['containers']), ...sidecars].reduce(
    (sum, one) => sum + (requestOf(one) ?? 0),
    0,
  );
  const largest = inits.reduce((most, one) => Math.max(most, requestOf(one) ?? 0), 0);
  return Math.max(running, largest) + overhead;
}

export function detectCapacity(scene: Scene): Condition[] {
  return [...overcommit(scene), ...trends(scene)];
}

/**
 * Would the requests still fit if the largest node were gone? Only where all
 * namespaces are watched is that the whole sum; else it is a lower bound.
 */
function overcommit(scene: Scene): Condition[] {
  const nodes = scene.index.nodes.filter(
    ({ metadata }) =>
      !scene.index.brokenNodes.has(metadata.name) && !scene.index.maintenanceNodes.has(metadata.name),
  );
  if (nodes.length < 2) return [];
  const tight = (['cpu', 'memory'] as const).flatMap((resource) => {
    const sizes = nodes.map(
      (node) => readQuantity(fields(fields(node.status)['allocatable'])[resource]) ?? 0,
    );
    const room = sizes.reduce((sum, size) => sum + size, 0) - Math.max(...sizes);
    const asked = scene.index.pods
      .filter(({ facts }) => !facts.finished)
      .reduce((sum, { pod }) => sum + cachedRequest(pod, resource), 0);
    return room > 0 && asked > room ? [`${resource}: ${Math.round((asked / room) * 100)} %`] : [];
  });
  if (tight.length === 0) return [];
  return condition(scene.rules, {
    rule: 'capacity.requests',
    reason: 'Overcommit',
    subject: { kind: 'Cluster', namespace: null, name: 'capacity' },
    since: scene.history.seen('overcommit', scene.now),
    title: 'The cluster could not lose its largest node',
    description: `Requests of what would be left: ${tight.join(', ')}.`,
  });
}

const requests = new WeakMap<KubeObject, { cpu: number; memory: number }>();

function cachedRequest(pod: KubeObject, resource: 'cpu' | 'memory'): number {
  let known = requests.get(pod);
  if (known === undefined) {
    known = { cpu: effectiveRequest(pod, 'cpu'), memory: effectiveRequest(pod, 'memory') };
    requests.set(pod, known);
  }
  return known[resource];
}

/** Memory of nodes that will be full within hours if it goes on like this. */
function trends(scene: Scene): Condition[] {
  const {
    withinSeconds = 14_400,
    samples = 20,
    leastPercent = 50,
  } = scene.rules['capacity.trend'].thresholds;
  return scene.index.nodes.flatMap((node) => {
    const name = node.metadata.name;
    const points = scene.history.points(`memory/Node/-/${name}`, new Date(scene.now.getTime() - 3_600_000));
    const last = points.at(-1);
    const [first] = points;
    if (points.length < samples || last === undefined || first === undefined) return [];
    // Half an hour of samples: a shorter climb is a job that starts.
    if (last.at - first.at < 1_800_000 || last.value < leastPercent) return [];
    const slope = theilSen(points);
    const left = slope > 0 ? (100 - last.value) / slope : Number.POSITIVE_INFINITY;
    if (left > withinSeconds * 1_000) return [];
    return condition(scene.rules, {
      rule: 'capacity.trend',
      reason: 'MemoryFillsUp',
      subject: { kind: 'Node', namespace: null, name },
      since: scene.history.seen(`trend/${name}`, scene.now),
      title: `Memory of node ${name} will be full in about ${Math.max(1, Math.round(left / 3_600_000))} h`,
      description: `Now ${Math.round(last.value)} %, growing by ${(slope * 3_600_000).toFixed(1)} points an hour.`,
      nodes: [name],
    });
  });
}

/** More points than this are thinned: pairs grow with their square. */
const mostForSlope = 60;

/** Median of the slopes of all pairs, per ms: a few outliers do not bend it. */
export function theilSen(points: readonly Point[]): number {
  const step = Math.max(1, Math.ceil(points.length / mostForSlope));
  const some = points.filter((_, index) => index % step === 0);
  const slopes: number[] = [];
  for (let i = 0; i < some.length; i += 1) {
    for (let j = i + 1; j < some.length; j += 1) {
      const [a, b] = [some[i], some[j]];
      if (a !== undefined && b !== undefined && b.at > a.at) slopes.push((b.value - a.value) / (b.at - a.at));
    }
  }
  slopes.sort((a, b) => a - b);
  return slopes[Math.floor(slopes.length / 2)] ?? 0;
}
