import type { Resource } from '../../cluster/cluster-view.ts';

/** What is watched, where it is found, and what is off without it. */
export type ResourceType = {
  resource: Resource;
  kind: string;
  /** Empty: core. */
  group: string;
  version: string;
  plural: string;
  /** In the watched namespaces, or over the whole cluster. */
  scope: 'namespaces' | 'cluster';
  /** Only names, labels, times: values never reach our memory. */
  metadataOnly?: true;
  /** Not everyone may read it or has it, and the rest works without. */
  optional?: true;
  /**
   * A kube-apiserver keeps no watch cache of events (`--watch-cache-sizes`), and without one it sends no
   * bookmarks but at the end of a watch.
   */
  hasBookmarks?: false;
  /** What is off without it, for people. */
  serves: string;
};

function type(
  resource: Resource,
  kind: string,
  version: string,
  scope: ResourceType['scope'],
  serves: string,
  more: Pick<ResourceType, 'metadataOnly' | 'optional' | 'hasBookmarks'> = {},
): ResourceType {
  const [plural = '', ...group] = resource.split('.');
  return { resource, kind, group: group.join('.'), version, plural, scope, serves, ...more };
}

const optional = { optional: true } as const;
const metadataOnly = { metadataOnly: true, optional: true } as const;

export const watchedTypes: readonly ResourceType[] = [
  type('pods', 'Pod', 'v1', 'namespaces', 'pods: crashes, images, scheduling, readiness, evictions'),
  type('nodes', 'Node', 'v1', 'cluster', 'nodes: readiness, pressure, network, capacity'),
  type('events', 'Event', 'v1', 'namespaces', 'events: mounts, sandboxes, and the context of every alert', {
    hasBookmarks: false,
  }),
  type('services', 'Service', 'v1', 'namespaces', 'services without endpoints, load balancers, DNS'),
  type(
    'endpointslices.discovery.k8s.io',
    'EndpointSlice',
    'v1',
    'namespaces',
    'services without endpoints, DNS',
  ),
  type('persistentvolumeclaims', 'PersistentVolumeClaim', 'v1', 'namespaces', 'volume claims'),
  type('deployments.apps', 'Deployment', 'v1', 'namespaces', 'Deployments, ingress controller, DNS'),
  type('replicasets.apps', 'ReplicaSet', 'v1', 'namespaces', 'the Deployment of a pod, rollouts'),
  type('statefulsets.apps', 'StatefulSet', 'v1', 'namespaces', 'StatefulSets'),
  type('daemonsets.apps', 'DaemonSet', 'v1', 'namespaces', 'DaemonSets, network plugin'),
  type('jobs.batch', 'Job', 'v1', 'namespaces', 'Jobs'),
  type('cronjobs.batch', 'CronJob', 'v1', 'namespaces', 'CronJobs'),
  type('ingresses.networking.k8s.io', 'Ingress', 'v1', 'namespaces', 'Ingresses, their backends and TLS'),
  type('horizontalpodautoscalers.autoscaling', 'HorizontalPodAutoscaler', 'v2', 'namespaces', 'autoscalers'),
  type(
    'poddisruptionbudgets.policy',
    'PodDisruptionBudget',
    'v1',
    'namespaces',
    'disruption budgets',
    optional,
  ),
  type('resourcequotas', 'ResourceQuota', 'v1', 'namespaces', 'quotas', optional),
  type('serviceaccounts', 'ServiceAccount', 'v1', 'namespaces', 'RBAC: default accounts', optional),
  type(
    'roles.rbac.authorization.k8s.io',
    'Role',
    'v1',
    'namespaces',
    'RBAC compliance in namespaces',
    optional,
  ),
  type(
    'rolebindings.rbac.authorization.k8s.io',
    'RoleBinding',
    'v1',
    'namespaces',
    'RBAC compliance in namespaces',
    optional,
  ),
  type('configmaps', 'ConfigMap', 'v1', 'namespaces', 'changes of ConfigMaps', metadataOnly),
  type('secrets', 'Secret', 'v1', 'namespaces', 'rotation of Secrets', metadataOnly),
  type('persistentvolumes', 'PersistentVolume', 'v1', 'cluster', 'volumes', optional),
  type(
    'storageclasses.storage.k8s.io',
    'StorageClass',
    'v1',
    'cluster',
    'claims that wait by design',
    optional,
  ),
  type('volumeattachments.storage.k8s.io', 'VolumeAttachment', 'v1', 'cluster', 'attach errors', optional),
  type('ingressclasses.networking.k8s.io', 'IngressClass', 'v1', 'cluster', 'Ingress classes', optional),
  type('apiservices.apiregistration.k8s.io', 'APIService', 'v1', 'cluster', 'aggregated APIs', optional),
  type(
    'clusterroles.rbac.authorization.k8s.io',
    'ClusterRole',
    'v1',
    'cluster',
    'RBAC compliance of the cluster',
    optional,
  ),
  type(
    'clusterrolebindings.rbac.authorization.k8s.io',
    'ClusterRoleBinding',
    'v1',
    'cluster',
    'RBAC compliance of the cluster',
    optional,
  ),
];

export const podMetrics = type(
  'pods.metrics.k8s.io',
  'PodMetrics',
  'v1beta1',
  'namespaces',
  'CPU and memory of containers',
  optional,
);
export const nodeMetrics = type(
  'nodes.metrics.k8s.io',
  'NodeMetrics',
  'v1beta1',
  'cluster',
  'CPU and memory of nodes',
  optional,
);
export const leases = type(
  'leases.coordination.k8s.io',
  'Lease',
  'v1',
  'namespaces',
  'scheduler and controller manager; heartbeats of nodes',
  optional,
);

/** Leases of the control plane: renewed every 2 s, so they are read by name and never watched. */
export const controlPlaneLeases = ['kube-scheduler', 'kube-controller-manager'] as const;

/** A collection's path; in `namespace`, or over the whole cluster where that is null. */
export function collectionPath(
  { group, version, plural }: Pick<ResourceType, 'group' | 'version' | 'plural'>,
  namespace: string | null,
): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const inside = namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${inside}/${plural}`;
}

/** `metadata.k8s.io` in the terms of content negotiation; without `application/json` beside it, a server that cannot refuses. */
export const metadataAccept = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  object: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
} as const;
