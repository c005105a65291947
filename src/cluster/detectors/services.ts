import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, layers, refOf, subjectOf, type Subject } from '../condition.ts';
import { ageMs, createdAt, fields, isTerminating, labelsOf, list, number, selects, text } from '../fields.ts';
import { isIgnored, type PodEntry, type Scene, underNodes } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';
import { nameOf } from './pod-findings.ts';

export type Endpoints = { ready: number; total: number };

/** Ready endpoints of a Service over all its slices; a pod with two addresses counts once, `ready: null` is ready. */
export function endpointsOf(scene: Scene, service: Subject): Endpoints {
  const ready = new Set<string>();
  const all = new Set<string>();
  for (const slice of slicesByService(scene).get(refOf(service)) ?? []) {
    for (const endpoint of list(slice['endpoints'])) {
      const target = fields(endpoint['targetRef']);
      const key = text(target['uid']) ?? text(target['name']) ?? JSON.stringify(endpoint['addresses']);
      all.add(key);
      if (fields(endpoint['conditions'])['ready'] !== false) ready.add(key);
    }
  }
  return { ready: ready.size, total: all.size };
}

const sliceCache = new WeakMap<Scene, Map<string, KubeObject[]>>();

function slicesByService(scene: Scene): Map<string, KubeObject[]> {
  const known = sliceCache.get(scene);
  if (known !== undefined) return known;
  const slices = new Map<string, KubeObject[]>();
  for (const slice of scene.view.list('endpointslices.discovery.k8s.io')) {
    const name = labelsOf(slice)['kubernetes.io/service-name'];
    if (name === undefined) continue;
    const ref = refOf({ kind: 'Service', namespace: slice.metadata.namespace ?? null, name });
    slices.set(ref, [...(slices.get(ref) ?? []), slice]);
  }
  sliceCache.set(scene, slices);
  return slices;
}

/** Services (specification §2.5, T21). */
export function detectServices(scene: Scene): Condition[] {
  const used = usedServices(scene);
  return scene.view.list('services').flatMap((service) => {
    if (isTerminating(service) || isIgnored(service)) return [];
    const spec = fields(service.spec);
    const type = text(spec['type']) ?? 'ClusterIP';
    return [
      ...(type === 'ExternalName' ? [] : endpointConditions(scene, service, used)),
      ...(type === 'LoadBalancer' ? pendingLoadBalancer(scene, service) : []),
    ];
  });
}

function endpointConditions(scene: Scene, service: KubeObject, used: ReadonlySet<string>): Condition[] {
  const { rules, history, now } = scene;
  const { selector } = fields(service.spec);
  const { ageSeconds = 120 } = rules['service.no-endpoints'].thresholds;
  // Without a selector somebody else writes the endpoints; of several leaders one is ready at most.
  if (Object.keys(fields(selector)).length === 0) return [];
  if (service.metadata.annotations?.['gomon.io/leader-only'] === 'true') return [];
  if (ageMs(service, now) < ageSeconds * 1_000) return [];
  const subject = subjectOf('Service', service);
  // The row of cluster DNS speaks of it.
  if (service.metadata.namespace === 'kube-system' && service.metadata.name === 'kube-dns') return [];
  const behind = selected(scene, service, selector);
  const endpoints = endpointsOf(scene, subject);
  if (behind.desired === 0 || behind.grace) return [];
  const common = { subject, layer: layers.service, pods: behind.pods, explainedBy: behind.explainedBy };
  const isUsed = used.has(refOf(subject));
  if (endpoints.ready === 0) {
    return condition(rules, {
      ...common,
      rule: isUsed ? 'service.no-endpoints.used' : 'service.no-endpoints',
      reason: 'NoEndpoints',
      since: history.seen(`endpoints/${refOf(subject)}`, now),
      title: `${nameOf(subject)} has no ready endpoint`,
      description: `${behind.desired} pods should stand behind it; none is ready.${isUsed ? ' An Ingress or an API leads to it.' : ''}`,
    });
  }
  const { percent = 50 } = rules['service.few-endpoints'].thresholds;
  if ((endpoints.ready / behind.desired) * 100 >= percent) return [];
  return condition(rules, {
    ...common,
    rule: 'service.few-endpoints',
    reason: 'FewEndpoints',
    since: history.seen(`few-endpoints/${refOf(subject)}`, now),
    title: `${nameOf(subject)}: ${endpoints.ready} of ${behind.desired} endpoints are ready`,
    description: '',
  });
}

/** The pods a Service stands for, as their workloads want them. */
function selected(scene: Scene, service: KubeObject, selector: unknown) {
  const namespace = service.metadata.namespace ?? null;
  const workloads = new Map<string, Subject>();
  const pods: PodEntry[] = [];
  for (const entry of podsOf(scene, namespace)) {
    if (!selects(selector, labelsOf(entry.pod)) || entry.facts.finished) continue;
    if (!entry.facts.terminating) pods.push(entry);
    workloads.set(entry.ref, entry.workload);
  }
  // A workload may have no pod at all now.
  for (const [kind, resource] of [
    ['Deployment', 'deployments.apps'],
    ['StatefulSet', 'statefulsets.apps'],
    ['DaemonSet', 'daemonsets.apps'],
  ] as const) {
    for (const object of scene.view.list(resource, namespace ?? undefined)) {
      const template = fields(fields(fields(object.spec)['template'])['metadata']);
      const labels = fields(template['labels']) as Record<string, string>;
      if (selects(selector, labels)) workloads.set(refOf(subjectOf(kind, object)), subjectOf(kind, object));
    }
  }
  const states = [...workloads.values()].map((workload) => workloadStatus(scene, workload));
  const unready = pods.filter(({ facts }) => !facts.isReady);
  const explainedBy = [...(workloads.size > 0 ? [[...workloads.keys()]] : []), ...underNodes(unready)];
  return {
    desired: states.reduce((sum, { desired }) => sum + desired, 0),
    grace:
      states.length > 0 &&
      states.every(
        ({ grace, desired, available, rolling, failing }) =>
          grace || desired === 0 || (rolling && available === 0 && failing.length === 0),
      ),
    pods: unready.map(({ pod }) => pod.metadata.name).toSorted(),
    explainedBy,
  };
}

const namespaceCache = new WeakMap<Scene, Map<string | null, PodEntry[]>>();

function podsOf(scene: Scene, namespace: string | null): PodEntry[] {
  let byNamespace = namespaceCache.get(scene);
  if (byNamespace === undefined) {
    byNamespace = Map.groupBy(scene.index.pods, ({ pod }) => pod.metadata.namespace ?? null);
    namespaceCache.set(scene, byNamespace);
  }
  return byNamespace.get(namespace) ?? [];
}

/** Services an Ingress or an aggregated API leads to. */
function usedServices(scene: Scene): Set<string> {
  const used = new Set<string>();
  for (const ingress of scene.view.list('ingresses.networking.k8s.io')) {
    for (const { service } of backendsOf(ingress))
      used.add(refOf({ kind: 'Service', namespace: ingress.metadata.namespace ?? null, name: service }));
  }
  for (const api of scene.view.list('apiservices.apiregistration.k8s.io')) {
    const service = fields(fields(api.spec)['service']);
    const name = text(service['name']);
    if (name !== null) used.add(refOf({ kind: 'Service', namespace: text(service['namespace']), name }));
  }
  return used;
}

export type Backend = { host: string; path: string; service: string; port: number | string | null };

/** Where an Ingress leads, in either generation of its API; resource backends are nobody's Service. */
export function backendsOf(ingress: KubeObject): Backend[] {
  const spec = fields(ingress.spec);
  const read = (value: unknown, host: string, path: string): Backend[] => {
    const backend = fields(value);
    const service = fields(backend['service']);
    const name = text(service['name']) ?? text(backend['serviceName']);
    if (name === null) return [];
    const port = fields(service['port']);
    const old = backend['servicePort'];
    const oldPort = typeof old === 'number' || typeof old === 'string' ? old : null;
    return [{ host, path, service: name, port: number(port['number']) ?? text(port['name']) ?? oldPort }];
  };
  return [
    ...read(spec['defaultBackend'] ?? spec['backend'], '', ''),
    ...list(spec['rules']).flatMap((rule) =>
      list(fields(rule['http'])['paths']).flatMap((path) =>
        read(path['backend'], text(rule['host']) ?? '*', text(path['path']) ?? '/'),
      ),
    ),
  ];
}

function pendingLoadBalancer(scene: Scene, service: KubeObject): Condition[] {
  if (list(fields(fields(service.status)['loadBalancer'])['ingress']).length > 0) return [];
  const subject = subjectOf('Service', service);
  return condition(scene.rules, {
    rule: 'service.load-balancer-pending',
    reason: 'LoadBalancerPending',
    subject,
    since: createdAt(service),
    title: `${nameOf(subject)} gets no load balancer address`,
    description: '',
  });
}
