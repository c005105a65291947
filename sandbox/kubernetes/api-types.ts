/** A kind of object the sandbox serves. */
export type ApiType = {
  group: string;
  version: string;
  plural: string;
  kind: string;
  isNamespaced: boolean;
  /** Beside metadata.name and metadata.namespace, which every kind has. */
  fields: readonly string[];
  /** Metrics are computed: they have no version and cannot be watched. */
  isComputed: boolean;
  hasGeneration: boolean;
};

function type(
  path: string,
  plural: string,
  kind: string,
  scope: 'namespaced' | 'cluster' = 'namespaced',
  more: Partial<Pick<ApiType, 'fields' | 'isComputed' | 'hasGeneration'>> = {},
): ApiType {
  const [version = '', group = ''] = path.split('/').toReversed();
  return {
    group,
    version,
    plural,
    kind,
    isNamespaced: scope === 'namespaced',
    fields: more.fields ?? [],
    isComputed: more.isComputed ?? false,
    hasGeneration: more.hasGeneration ?? ['apps', 'policy', 'networking.k8s.io', 'batch'].includes(group),
  };
}

const involved = ['kind', 'name', 'namespace', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
  (name) => `involvedObject.${name}`,
);

/** https://kubernetes.io/docs/reference/kubernetes-api/ */
export const apiTypes: readonly ApiType[] = [
  type('v1', 'namespaces', 'Namespace', 'cluster', { fields: ['status.phase'] }),
  type('v1', 'pods', 'Pod', 'namespaced', {
    fields: ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'status.phase', 'status.podIP'],
    hasGeneration: true,
  }),
  type('v1', 'nodes', 'Node', 'cluster', { fields: ['spec.unschedulable'] }),
  type('v1', 'services', 'Service', 'namespaced', { fields: ['spec.clusterIP', 'spec.type'] }),
  type('v1', 'events', 'Event', 'namespaced', {
    fields: [...involved, 'reason', 'type', 'source', 'reportingComponent'],
  }),
  type('v1', 'configmaps', 'ConfigMap'),
  type('v1', 'secrets', 'Secret', 'namespaced', { fields: ['type'] }),
  type('v1', 'serviceaccounts', 'ServiceAccount'),
  type('v1', 'resourcequotas', 'ResourceQuota'),
  type('v1', 'replicationcontrollers', 'ReplicationController'),
  type('v1', 'persistentvolumeclaims', 'PersistentVolumeClaim'),
  type('v1', 'persistentvolumes', 'PersistentVolume', 'cluster'),
  type('discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice'),
  type('apps/v1', 'deployments', 'Deployment'),
  type('apps/v1', 'replicasets', 'ReplicaSet'),
  type('apps/v1', 'statefulsets', 'StatefulSet'),
  type('apps/v1', 'daemonsets', 'DaemonSet'),
  type('batch/v1', 'jobs', 'Job', 'namespaced', { fields: ['status.successful'] }),
  type('batch/v1', 'cronjobs', 'CronJob'),
  type('autoscaling/v2', 'horizontalpodautoscalers', 'HorizontalPodAutoscaler'),
  type('policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget'),
  type('networking.k8s.io/v1', 'ingresses', 'Ingress'),
  type('networking.k8s.io/v1', 'ingressclasses', 'IngressClass', 'cluster'),
  type('storage.k8s.io/v1', 'storageclasses', 'StorageClass', 'cluster'),
  type('storage.k8s.io/v1', 'volumeattachments', 'VolumeAttachment', 'cluster'),
  type('apiregistration.k8s.io/v1', 'apiservices', 'APIService', 'cluster'),
  type('rbac.authorization.k8s.io/v1', 'roles', 'Role'),
  type('rbac.authorization.k8s.io/v1', 'rolebindings', 'RoleBinding'),
  type('rbac.authorization.k8s.io/v1', 'clusterroles', 'ClusterRole', 'cluster'),
  type('rbac.authorization.k8s.io/v1', 'clusterrolebindings', 'ClusterRoleBinding', 'cluster'),
  type('coordination.k8s.io/v1', 'leases', 'Lease'),
  type('metrics.k8s.io/v1beta1', 'pods', 'PodMetrics', 'namespaced', { isComputed: true }),
  type('metrics.k8s.io/v1beta1', 'nodes', 'NodeMetrics', 'cluster', { isComputed: true }),
];

/** "pods", "deployments.apps". */
export function resourceName({ plural, group }: Pick<ApiType, 'plural' | 'group'>): string {
  return group === '' ? plural : `${plural}.${group}`;
}

export function groupVersion({ group, version }: Pick<ApiType, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}
