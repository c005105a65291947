import type { KubernetesSandbox } from '../kubernetes/server.ts';

/** The cluster of the demo: four nodes, and a shop on three of them. */

const namespace = 'monitoring';
const nodes = ['worker-1', 'worker-2', 'worker-3', 'worker-4'] as const;
/** Where each pod runs; all of the search run on the node that will fail. */
const workloads = [
  { name: 'storefront', pods: ['worker-1', 'worker-2', 'worker-3'] },
  { name: 'search', pods: ['worker-2', 'worker-2'] },
] as const;
export const failingNode = 'worker-2';

const day = 86_400;
const ago = (seconds: number): string => new Date(Date.now() - seconds * 1_000).toISOString();

export function fillCluster(cluster: KubernetesSandbox): void {
  for (const name of nodes) putNode(cluster, name, true);
  for (const { name, pods } of workloads) {
    putDeployment(cluster, name, pods.length, pods.length);
    cluster.apply({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: `${name}-5d9c`, namespace, ...owned('Deployment', name) },
      spec: { replicas: pods.length },
      status: { replicas: pods.length },
    });
    for (const [index, node] of pods.entries()) putPod(cluster, name, index, node, true);
  }
}

/** A node has said nothing for a while, and the control plane has noticed. */
export function failNode(cluster: KubernetesSandbox): void {
  putNode(cluster, failingNode, false);
  for (const { name, pods } of workloads) {
    const left = pods.filter((node) => node !== failingNode).length;
    for (const [index, node] of pods.entries())
      if (node === failingNode) putPod(cluster, name, index, node, false);
    putDeployment(cluster, name, pods.length, left);
  }
  cluster.apply({
    kind: 'Event',
    metadata: { name: `${failingNode}.1`, namespace: 'default' },
    type: 'Normal',
    reason: 'NodeNotReady',
    message: `Node ${failingNode} status is now: NodeNotReady`,
    count: 1,
    firstTimestamp: ago(40),
    lastTimestamp: ago(40),
    involvedObject: { kind: 'Node', name: failingNode },
  });
}

function putNode(cluster: KubernetesSandbox, name: string, ready: boolean): void {
  const condition = ready
    ? { status: 'True', reason: 'KubeletReady', lastTransitionTime: ago(3 * day) }
    : {
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: ago(40),
      };
  cluster.apply({
    kind: 'Node',
    metadata: { name, creationTimestamp: ago(30 * day), labels: { 'kubernetes.io/hostname': name } },
    spec: ready ? {} : { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [{ type: 'Ready', ...condition }],
      nodeInfo: { kubeletVersion: 'v1.35.0' },
    },
  });
}

function putDeployment(cluster: KubernetesSandbox, name: string, replicas: number, available: number): void {
  const isEnough = available >= replicas - Math.floor(replicas / 4);
  cluster.apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, generation: 1, creationTimestamp: ago(30 * day) },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } } },
    },
    status: {
      observedGeneration: 1,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: available,
      availableReplicas: available,
      ...(available < replicas && { unavailableReplicas: replicas - available }),
      conditions: [
        isEnough
          ? { type: 'Available', status: 'True', lastTransitionTime: ago(2 * day) }
          : {
              type: 'Available',
              status: 'False',
              reason: 'MinimumReplicasUnavailable',
              lastTransitionTime: ago(38),
            },
        {
          type: 'Progressing',
          status: 'True',
          reason: 'NewReplicaSetAvailable',
          lastTransitionTime: ago(2 * day),
        },
      ],
    },
  });
}

function putPod(
  cluster: KubernetesSandbox,
  app: string,
  index: number,
  nodeName: string,
  ready: boolean,
): void {
  cluster.apply({
    kind: 'Pod',
    metadata: {
      name: `${app}-5d9c-${index}`,
      namespace,
      labels: { app },
      creationTimestamp: ago(2 * day),
      ...owned('ReplicaSet', `${app}-5d9c`),
    },
    spec: { nodeName, containers: [{ name: 'app', image: `${app}:1` }] },
    status: {
      phase: 'Running',
      startTime: ago(2 * day),
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: ago(2 * day) },
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          lastTransitionTime: ready ? ago(2 * day) : ago(38),
        },
      ],
      // A kubelet that says nothing leaves its containers as they were.
      containerStatuses: [
        {
          name: 'app',
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: ago(2 * day) } },
          lastState: {},
        },
      ],
    },
  });
}

function owned(kind: string, name: string) {
  return {
    ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: `${kind}-${name}`, controller: true }],
  };
}
