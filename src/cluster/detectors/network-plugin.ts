import { type Condition, condition, layers } from '../condition.ts';
import { fields, statusCondition } from '../fields.ts';
import type { Scene } from '../scene.ts';

/**
 * The pod network as a whole (specification §2.5): its DaemonSets stand in
 * daemon-sets.ts, a node without network in nodes.ts. Here: sandboxes that fail
 * beyond one workload. Nodes whose Ready message blames the plugin are named.
 */
export function detectNetworkPlugin(scene: Scene): Condition[] {
  const { events: least = 3, windowSeconds = 300 } = scene.rules['network-plugin.sandbox'].thresholds;
  const recent = scene.index.allWarnings.filter(
    (event) =>
      (event.reason === 'FailedCreatePodSandBox' || event.reason === 'NetworkNotReady') &&
      scene.now.getTime() - event.at.getTime() <= windowSeconds * 1_000,
  );
  const alive = recent.filter((event) => {
    const pod = scene.view.get('pods', event.about.namespace, event.about.name);
    return pod !== undefined && fields(pod.status)['phase'] === 'Pending';
  });
  const pods = new Map(alive.map((event) => [event.about.name, event]));
  const count = alive.reduce((sum, event) => sum + event.count, 0);
  // One workload has a trouble of its own; several share the network.
  const workloads = new Set(
    scene.index.pods.filter(({ pod }) => pods.has(pod.metadata.name)).map(({ ref }) => ref),
  );
  if (count < least || workloads.size < 2) return [];
  const nodes = [
    ...new Set(
      scene.index.pods
        .filter(({ pod }) => pods.has(pod.metadata.name))
        .flatMap(({ facts }) => facts.node ?? []),
    ),
  ].toSorted();
  const blamed = scene.index.nodes
    .filter((node) => /network plugin|cni/i.test(statusCondition(node, 'Ready')?.message ?? ''))
    .map((node) => node.metadata.name);
  return condition(scene.rules, {
    rule: 'network-plugin.sandbox',
    reason: 'SandboxFailures',
    subject: { kind: 'Cluster', namespace: null, name: 'pod-network' },
    since: alive[0]?.firstAt ?? null,
    title: `Pods get no network: ${pods.size} pods of ${workloads.size} workloads`,
    description: [
      alive.at(-1)?.message ?? '',
      ...blamed.map((name) => `Node ${name} blames the network plugin.`),
    ]
      .filter((line) => line !== '')
      .join('\n'),
    pods: [...pods.keys()].toSorted(),
    nodes,
    layer: layers.network,
    explainedBy: nodes.length === 0 ? [] : [nodes.map((name) => `Node/-/${name}`)],
  });
}
