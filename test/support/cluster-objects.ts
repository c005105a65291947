import type { ClusterView, Freshness, KubeObject, Resource } from '../../src/cluster/cluster-view.ts';

/** Objects of a cluster by hand, and a view on them, for tests of the watcher. */

export const clusterNow = new Date('2026-11-20T12:00:00Z');

export function ago(seconds: number, now: Date = clusterNow): string {
  return new Date(now.getTime() - seconds * 1_000).toISOString();
}

type More = Record<string, unknown>;

let uids = 0;
function meta(name: string, namespace: string | null, more: More): KubeObject['metadata'] {
  uids += 1;
  return {
    name,
    ...(namespace === null ? {} : { namespace }),
    uid: `uid-${uids}`,
    resourceVersion: String(uids),
    creationTimestamp: ago(86_400),
    ...more,
  };
}

export function make(
  kind: string,
  name: string,
  parts: { namespace?: string | null; metadata?: More; spec?: More; status?: More } & More = {},
): KubeObject {
  const { namespace = 'shop', metadata = {}, spec, status, ...fields } = parts;
  return {
    kind,
    metadata: meta(name, namespace, metadata),
    ...(spec === undefined ? {} : { spec }),
    ...(status === undefined ? {} : { status }),
    ...fields,
  };
}

export function owner(kind: string, name: string) {
  return { ownerReferences: [{ kind, name, uid: `${kind}-${name}`, controller: true }] };
}

/** A pod that runs and is ready; `status` and so on replace parts of it. */
export function pod(
  name: string,
  parts: Parameters<typeof make>[2] & { node?: string; app?: string } = {},
): KubeObject {
  const { node: nodeName = 'n1', app = 'web', metadata, spec, status, ...more } = parts;
  return make('Pod', name, {
    metadata: {
      labels: { app, 'pod-template-hash': 'abc12' },
      ...owner('ReplicaSet', `${app}-abc12`),
      ...metadata,
    },
    spec: { nodeName, containers: [{ name: 'main' }], ...spec },
    status: {
      phase: 'Running',
      startTime: ago(86_400),
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: ago(86_400) },
        { type: 'Initialized', status: 'True', lastTransitionTime: ago(86_400) },
        { type: 'Ready', status: 'True', lastTransitionTime: ago(86_395) },
      ],
      containerStatuses: [
        {
          name: 'main',
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: ago(86_398) } },
          lastState: {},
        },
      ],
      ...status,
    },
    ...more,
  });
}

export function unready(seconds: number, reason = 'ContainersNotReady') {
  return [
    { type: 'PodScheduled', status: 'True', lastTransitionTime: ago(86_400) },
    { type: 'Initialized', status: 'True', lastTransitionTime: ago(86_400) },
    {
      type: 'Ready',
      status: 'False',
      reason,
      message: 'containers with unready status: [main]',
      lastTransitionTime: ago(seconds),
    },
  ];
}

export function container(state: More, more: More = {}) {
  return { name: 'main', ready: false, restartCount: 0, state, lastState: {}, ...more };
}

export function waiting(reason: string, message = '') {
  return { waiting: { reason, message } };
}

export function ended(reason: string, exitCode: number, seconds: number) {
  return { terminated: { reason, exitCode, finishedAt: ago(seconds) } };
}

/** All pods there and up to date; `available` less of them. */
export function deployment(
  name: string,
  parts: Parameters<typeof make>[2] & { replicas?: number; available?: number; unavailableFor?: number } = {},
): KubeObject {
  const { replicas = 3, available = replicas, unavailableFor = 60, metadata, spec, status, ...more } = parts;
  return make('Deployment', name, {
    metadata: { generation: 2, labels: { app: name }, ...metadata },
    spec: {
      replicas,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } } },
      ...spec,
    },
    status: {
      observedGeneration: 2,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: available,
      availableReplicas: available,
      conditions: [
        {
          type: 'Available',
          status: available > replicas * 0.75 ? 'True' : 'False',
          reason: 'x',
          lastTransitionTime: available > replicas * 0.75 ? ago(86_390) : ago(unavailableFor),
        },
        {
          type: 'Progressing',
          status: 'True',
          reason: 'NewReplicaSetAvailable',
          lastTransitionTime: ago(86_300),
        },
      ],
      ...status,
    },
    ...more,
  });
}

export function replicaSet(name: string, of: string): KubeObject {
  return make('ReplicaSet', name, { metadata: owner('Deployment', of) });
}

export function node(
  name: string,
  parts: Parameters<typeof make>[2] & { ready?: string; since?: number } = {},
): KubeObject {
  const { ready = 'True', since = 86_000, metadata, spec, status, ...more } = parts;
  return make('Node', name, {
    namespace: null,
    metadata: { labels: { 'kubernetes.io/hostname': name }, ...metadata },
    spec: { ...spec },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [
        { type: 'MemoryPressure', status: 'False', lastTransitionTime: ago(86_000) },
        {
          type: 'Ready',
          status: ready,
          reason: ready === 'True' ? 'KubeletReady' : 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: ago(since),
        },
      ],
      nodeInfo: { kubeletVersion: 'v1.36.0' },
      ...status,
    },
    ...more,
  });
}

export function event(
  about: { kind: string; name: string; namespace?: string },
  reason: string,
  parts: { seconds?: number; count?: number; message?: string; type?: string } = {},
): KubeObject {
  const { seconds = 30, count = 1, message = '', type = 'Warning' } = parts;
  uids += 1;
  return {
    kind: 'Event',
    metadata: meta(`${about.name}.${uids}`, about.namespace ?? 'shop', { creationTimestamp: ago(seconds) }),
    type,
    reason,
    message,
    count,
    firstTimestamp: ago(seconds),
    lastTimestamp: ago(seconds),
    involvedObject: { namespace: 'shop', ...about },
  };
}

export const resourceOfKind: Record<string, Resource> = {
  Pod: 'pods',
  Node: 'nodes',
  Deployment: 'deployments.apps',
  ReplicaSet: 'replicasets.apps',
  StatefulSet: 'statefulsets.apps',
  DaemonSet: 'daemonsets.apps',
  Job: 'jobs.batch',
  CronJob: 'cronjobs.batch',
  Service: 'services',
  EndpointSlice: 'endpointslices.discovery.k8s.io',
  Ingress: 'ingresses.networking.k8s.io',
  IngressClass: 'ingressclasses.networking.k8s.io',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  PersistentVolume: 'persistentvolumes',
  StorageClass: 'storageclasses.storage.k8s.io',
  VolumeAttachment: 'volumeattachments.storage.k8s.io',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers.autoscaling',
  PodDisruptionBudget: 'poddisruptionbudgets.policy',
  ResourceQuota: 'resourcequotas',
  APIService: 'apiservices.apiregistration.k8s.io',
  Lease: 'leases.coordination.k8s.io',
  Event: 'events',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  NodeMetrics: 'nodes.metrics.k8s.io',
  PodMetrics: 'pods.metrics.k8s.io',
  ClusterRole: 'clusterroles.rbac.authorization.k8s.io',
  ClusterRoleBinding: 'clusterrolebindings.rbac.authorization.k8s.io',
  Role: 'roles.rbac.authorization.k8s.io',
  RoleBinding: 'rolebindings.rbac.authorization.k8s.io',
};

/** A view on objects in memory; everything streams unless told otherwise. */
export class TestView implements ClusterView {
  readonly #objects = new Map<Resource, Map<string, KubeObject>>();
  readonly states = new Map<Resource, Freshness>();
  serverSkewMs = 0;

  constructor(objects: readonly KubeObject[] = []) {
    for (const object of objects) this.put(object);
  }

  put(object: KubeObject): void {
    const resource = resourceOfKind[object.kind ?? ''];
    if (resource === undefined) throw new Error(`no resource for kind ${object.kind}`);
    const { namespace = '-', name } = object.metadata;
    const all = this.#objects.get(resource) ?? new Map<string, KubeObject>();
    all.set(`${namespace}/${name}`, object);
    this.#objects.set(resource, all);
  }

  remove(object: KubeObject): void {
    const { namespace = '-', name } = object.metadata;
    this.#objects.get(resourceOfKind[object.kind ?? ''] ?? '')?.delete(`${namespace}/${name}`);
  }

  list(resource: Resource, namespace?: string): readonly KubeObject[] {
    const all = [...(this.#objects.get(resource)?.values() ?? [])];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  get(resource: Resource, namespace: string | null, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(`${namespace ?? '-'}/${name}`);
  }

  freshness(resource: Resource): Freshness {
    return this.states.get(resource) ?? { state: 'streaming', heardAt: null };
  }
}
