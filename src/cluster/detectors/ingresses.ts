import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { createdAt, fields, isTerminating, list, text } from '../fields.ts';
import { isIgnored, platformPart, type Scene, underNodes } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';
import { nameOf } from './pod-findings.ts';
import { type Backend, backendsOf } from './services.ts';

/**
 * Ingresses and their controllers (specification §2.5). A backend that exists but
 * has no ready endpoint is the Service's finding, which says that an Ingress
 * leads to it.
 */
export function detectIngresses(scene: Scene): Condition[] {
  return [
    ...scene.view
      .list('ingresses.networking.k8s.io')
      .flatMap((ingress) =>
        isTerminating(ingress) || isIgnored(ingress)
          ? []
          : [...missingBackends(scene, ingress), ...classAndAddress(scene, ingress)],
      ),
    ...controllers(scene),
  ];
}

function missingBackends(scene: Scene, ingress: KubeObject): Condition[] {
  const backends = backendsOf(ingress);
  const missing = backends.filter((backend) => problemOf(scene, ingress, backend) !== null);
  if (missing.length === 0) return [];
  const hosts = [...new Set(missing.map(({ host }) => host))];
  const isAll = hosts.some((host) =>
    backends.filter((backend) => backend.host === host).every((backend) => missing.includes(backend)),
  );
  const subject = subjectOf('Ingress', ingress);
  return condition(scene.rules, {
    rule: isAll ? 'ingress.backend-missing.all' : 'ingress.backend-missing',
    reason: 'BackendMissing',
    subject,
    since: scene.history.seen(`backend/${refOf(subject)}`, scene.now),
    // Who wrote it first and the Service after it, has just done so.
    onset: createdAt(ingress),
    title: `${nameOf(subject)} leads to a Service that does not exist`,
    description: missing
      .slice(0, 10)
      .map((backend) => `${backend.host}${backend.path}: ${problemOf(scene, ingress, backend) ?? ''}`)
      .join('\n'),
    layer: layers.ingress,
  });
}

function problemOf(scene: Scene, ingress: KubeObject, backend: Backend): string | null {
  const service = scene.view.get('services', ingress.metadata.namespace ?? null, backend.service);
  if (service === undefined) return `Service ${backend.service} does not exist`;
  if (backend.port === null || text(fields(service.spec)['type']) === 'ExternalName') return null;
  const ports = list(fields(service.spec)['ports']);
  const fits = ports.some((port) => port['port'] === backend.port || port['name'] === backend.port);
  return fits ? null : `Service ${backend.service} has no port ${backend.port}`;
}

function classAndAddress(scene: Scene, ingress: KubeObject): Condition[] {
  const subject = subjectOf('Ingress', ingress);
  const className =
    text(fields(ingress.spec)['ingressClassName']) ??
    text(ingress.metadata.annotations?.['kubernetes.io/ingress.class']);
  const { state } = scene.view.freshness('ingressclasses.networking.k8s.io');
  const isKnown = state === 'streaming';
  const exists =
    className === null || scene.view.get('ingressclasses.networking.k8s.io', null, className) !== undefined;
  if (isKnown && !exists && text(fields(ingress.spec)['ingressClassName']) !== null) {
    return condition(scene.rules, {
      rule: 'ingress.no-class',
      reason: 'NoSuchClass',
      subject,
      since: scene.history.seen(`class/${refOf(subject)}`, scene.now),
      onset: createdAt(ingress),
      title: `${nameOf(subject)}: there is no class ${className ?? ''}`,
      description: 'No controller serves it.',
    });
  }
  if (list(fields(fields(ingress.status)['loadBalancer'])['ingress']).length > 0) return [];
  return condition(scene.rules, {
    rule: 'ingress.no-address',
    reason: 'NoAddress',
    subject,
    since: scene.history.seen(`address/${refOf(subject)}`, scene.now),
    onset: createdAt(ingress),
    title: `${nameOf(subject)} has no address`,
    description: 'No controller has taken it on, or none has told where it is reached.',
    layer: layers.ingress,
    explainedBy: controllerRefs(scene).map((ref) => [ref]),
  });
}

const controllerKinds = [
  ['Deployment', 'deployments.apps'],
  ['DaemonSet', 'daemonsets.apps'],
] as const;

function controllerObjects(scene: Scene) {
  return controllerKinds.flatMap(([kind, resource]) =>
    scene.view
      .list(resource)
      .filter((object) => platformPart(object) === 'ingress')
      .map((object) => ({ object, subject: subjectOf(kind, object) })),
  );
}

function controllerRefs(scene: Scene): string[] {
  return controllerObjects(scene).map(({ subject }) => refOf(subject));
}

/** None ready of a Deployment is told by the workload's rule, with P0; a DaemonSet and "less than half" here. */
function controllers(scene: Scene): Condition[] {
  return controllerObjects(scene).flatMap(({ object, subject }) => {
    const status = workloadStatus(scene, subject);
    if (status.desired === 0 || isTerminating(object) || isIgnored(object) || status.grace) return [];
    const common = {
      subject,
      layer: layers.workload,
      pods: status.unready.map(({ pod }) => pod.metadata.name).toSorted(),
      description: `${status.available} of ${status.desired} pods are ready.`,
    };
    if (status.available === 0) {
      if (subject.kind === 'Deployment') return [];
      return condition(scene.rules, {
        ...common,
        rule: 'ingress.controller-down',
        reason: 'NoPodsAvailable',
        since: scene.history.seen(`none/${refOf(subject)}`, scene.now),
        title: `${nameOf(subject)}: no pod of the ingress controller is ready`,
        explainedBy: underNodes(status.unready),
      });
    }
    const { percent = 50 } = scene.rules['ingress.controller-partial'].thresholds;
    if ((status.available / status.desired) * 100 >= percent || status.rolling) return [];
    return condition(scene.rules, {
      ...common,
      rule: 'ingress.controller-partial',
      reason: 'TooFewPods',
      since: scene.history.seen(`half/${refOf(subject)}`, scene.now),
      title: `${nameOf(subject)}: ${status.available} of ${status.desired} pods of the ingress controller are ready`,
      explainedBy: [[refOf(subject)]],
    });
  });
}
