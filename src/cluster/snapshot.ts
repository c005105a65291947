import type { ClusterView, KubeObject } from './cluster-view.ts';
import { fields, list, number, statusCondition } from './fields.ts';
import { effectiveRequest } from './detectors/capacity.ts';
import { podFacts } from './pod-facts.ts';
import { readQuantity } from './quantity.ts';

export type ResourceSums = {
  /** Cores. Null where nobody measures. */
  cpu: { used: number | null; requested: number; allocatable: number };
  /** Bytes. */
  memory: { used: number | null; requested: number; allocatable: number };
};

export type NamespaceSnapshot = {
  pods: number;
  ready: number;
  phases: Record<string, number>;
  workloads: number;
  /** With all the pods they want. */
  complete: number;
};

export type Snapshot = {
  nodes: number;
  readyNodes: number;
  pods: number;
  runningPods: number;
  failedPods: number;
  namespaces: Record<string, NamespaceSnapshot>;
  resources: ResourceSums;
};

/** The cluster in numbers, from what is known of it now. */
export function takeSnapshot(view: ClusterView): Snapshot {
  const nodes = view.list('nodes');
  const pods = view.list('pods');
  const namespaces: Record<string, NamespaceSnapshot> = {};
  const of = (object: KubeObject): NamespaceSnapshot => {
    const name = object.metadata.namespace ?? '';
    namespaces[name] ??= { pods: 0, ready: 0, phases: {}, workloads: 0, complete: 0 };
    return namespaces[name];
  };
  let running = 0;
  let failed = 0;
  for (const pod of pods) {
    const facts = podFacts(pod);
    const namespace = of(pod);
    namespace.pods += 1;
    namespace.ready += facts.isReady ? 1 : 0;
    namespace.phases[facts.phase] = (namespace.phases[facts.phase] ?? 0) + 1;
    running += facts.phase === 'Running' ? 1 : 0;
    failed += facts.phase === 'Failed' ? 1 : 0;
  }
  for (const [resource, wanted, there] of [
    ['deployments.apps', 'replicas', 'availableReplicas'],
    ['statefulsets.apps', 'replicas', 'readyReplicas'],
  ] as const) {
    for (const object of view.list(resource)) {
      const namespace = of(object);
      namespace.workloads += 1;
      const desired = number(fields(object.spec)[wanted], 1);
      namespace.complete += number(fields(object.status)[there], 0) >= desired ? 1 : 0;
    }
  }
  for (const object of view.list('daemonsets.apps')) {
    const namespace = of(object);
    const status = fields(object.status);
    namespace.workloads += 1;
    namespace.complete +=
      number(status['numberReady'], 0) >= number(status['desiredNumberScheduled'], 0) ? 1 : 0;
  }
  return {
    nodes: nodes.length,
    readyNodes: nodes.filter((node) => statusCondition(node, 'Ready')?.status === 'True').length,
    pods: pods.length,
    runningPods: running,
    failedPods: failed,
    namespaces,
    resources: sumsOf(view, nodes, pods),
  };
}

function sumsOf(view: ClusterView, nodes: readonly KubeObject[], pods: readonly KubeObject[]): ResourceSums {
  const measured = view.list('nodes.metrics.k8s.io');
  const sums = (resource: 'cpu' | 'memory') => ({
    used: measured.length === 0 ? null : sum(measured, (one) => readQuantity(fields(one['usage'])[resource])),
    requested: sum(pods, (pod) => (podFacts(pod).finished ? 0 : effectiveRequest(pod, resource))),
    allocatable: sum(nodes, (node) => readQuantity(fields(fields(node.status)['allocatable'])[resource])),
  });
  return { cpu: sums('cpu'), memory: sums('memory') };
}

function sum(objects: readonly KubeObject[], read: (object: KubeObject) => number | null): number {
  return objects.reduce((total, object) => total + (read(object) ?? 0), 0);
}

/** What the containers of a pod use, as metrics-server last measured it. */
export function usageOfPod(metrics: KubeObject | undefined): { cpu: number | null; memory: number | null } {
  if (metrics === undefined) return { cpu: null, memory: null };
  const containers = list(metrics['containers']);
  const total = (resource: string): number =>
    containers.reduce((all, one) => all + (readQuantity(fields(one['usage'])[resource]) ?? 0), 0);
  return { cpu: total('cpu'), memory: total('memory') };
}
