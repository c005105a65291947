import type { ClusterView, KubeObject } from './cluster-view.ts';
import type { Subject } from './condition.ts';
import { fields, labelsOf, text } from './fields.ts';

type Owner = { kind: string; name: string };

function controllerOf(object: KubeObject): Owner | undefined {
  const owners = object.metadata.ownerReferences ?? [];
  return owners.find((owner) => owner.controller === true) ?? (owners.length === 1 ? owners[0] : undefined);
}

/**
 * The workload a pod belongs to: ReplicaSet and Job are stations on the way to
 * Deployment and CronJob. A pod of the kubelet's own (static, shown as a mirror
 * pod owned by its Node) belongs to its component, whatever the node.
 */
export function workloadOf(view: ClusterView, pod: KubeObject): Subject {
  return ownerChain(view, pod).at(-1) ?? podItself(pod);
}

/** From the pod's controller upwards; empty for a pod that stands alone. */
export function ownerChain(view: ClusterView, pod: KubeObject): Subject[] {
  const namespace = pod.metadata.namespace ?? null;
  const owner = controllerOf(pod);
  if (owner === undefined) return [];
  if (owner.kind === 'Node') return [{ kind: 'StaticPod', namespace, name: componentName(pod) }];
  const first: Subject = { kind: owner.kind, namespace, name: owner.name };
  const above = parentOf(view, first, pod);
  return above === null ? [first] : [first, above];
}

/** The workload of a ReplicaSet or Job. */
export function parentOf(view: ClusterView, subject: Subject, pod?: KubeObject): Subject | null {
  if (subject.kind !== 'ReplicaSet' && subject.kind !== 'Job') return null;
  const resource = subject.kind === 'ReplicaSet' ? 'replicasets.apps' : 'jobs.batch';
  const object = view.get(resource, subject.namespace, subject.name);
  if (object !== undefined) {
    const owner = controllerOf(object);
    return owner === undefined ? null : { kind: owner.kind, namespace: subject.namespace, name: owner.name };
  }
  // It may be gone, or unreadable: names tell, too.
  if (subject.kind === 'ReplicaSet') {
    const hash = pod === undefined ? undefined : labelsOf(pod)['pod-template-hash'];
    return hash !== undefined && subject.name.endsWith(`-${hash}`)
      ? { kind: 'Deployment', namespace: subject.namespace, name: subject.name.slice(0, -hash.length - 1) }
      : null;
  }
  const scheduled = /^(.+)-\d{8}$/.exec(subject.name)?.[1];
  return scheduled === undefined ? null : { kind: 'CronJob', namespace: subject.namespace, name: scheduled };
}

export function podItself(pod: KubeObject): Subject {
  return { kind: 'Pod', namespace: pod.metadata.namespace ?? null, name: pod.metadata.name };
}

function componentName(pod: KubeObject): string {
  const node = text(fields(pod.spec)['nodeName']);
  const { name } = pod.metadata;
  return node !== null && name.endsWith(`-${node}`) ? name.slice(0, -node.length - 1) : name;
}

const workloadResources: Record<string, string> = {
  Deployment: 'deployments.apps',
  ReplicaSet: 'replicasets.apps',
  StatefulSet: 'statefulsets.apps',
  DaemonSet: 'daemonsets.apps',
  Job: 'jobs.batch',
  CronJob: 'cronjobs.batch',
  Pod: 'pods',
};

/** The object of a workload, where it is watched and known. */
export function workloadObject(view: ClusterView, workload: Subject): KubeObject | undefined {
  const resource = workloadResources[workload.kind];
  return resource === undefined ? undefined : view.get(resource, workload.namespace, workload.name);
}
