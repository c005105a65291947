import type { ClusterView, KubeObject } from './cluster-view.ts';
import type { ConfigMapKnowledge } from './config-map-watch.ts';
import { type EntityRef, refOf, type Subject } from './condition.ts';
import { fields, labelsOf, list, number, statusCondition, text, time } from './fields.ts';
import type { History } from './history.ts';
import { workloadOf } from './owners.ts';
import { type PodFacts, podFacts } from './pod-facts.ts';
import type { Rules } from './rules.ts';

/** What cannot be watched and is asked for instead; each null where nobody asks. */
export type Probes = {
  /** `GET /readyz?verbose`. A managed cluster that refuses it (401, 403, 404) is unknown, hence null. */
  apiServer: {
    /** In a row. */
    failures: number;
    failingSince: Date | null;
    /** Names of the checks that fail, where the server still tells. */
    failing: string[];
    detail: string;
  } | null;
  /** Lookups of kubernetes.default.svc against the DNS service, newest last. */
  dns: { results: boolean[] } | null;
  /** `gitVersion` of `/version`. */
  serverVersion: string | null;
  /** Certificates as TLS handshakes showed them. */
  certificates: readonly CertificateFacts[];
  /** What is known of a ConfigMap beyond its version. */
  configMaps: ConfigMapKnowledge | null;
};

export const noProbes: Probes = {
  apiServer: null,
  dns: null,
  serverVersion: null,
  certificates: [],
  configMaps: null,
};

export type CertificateFacts = {
  namespace: string;
  /** The Secret, or the host that served it. */
  name: string;
  /** Leaf first. */
  chain: {
    subject: string;
    issuer: string;
    notBefore: Date;
    notAfter: Date;
    hosts: string[];
    isCa: boolean;
  }[];
};

/** One look at the cluster: what detectors read. */
export type Scene = {
  view: ClusterView;
  /** By the server's clock (guard G1). */
  now: Date;
  rules: Rules;
  history: History;
  probes: Probes;
  index: SceneIndex;
};

export type ClusterEvent = {
  object: KubeObject;
  type: string;
  reason: string;
  message: string;
  at: Date;
  firstAt: Date;
  count: number;
  about: Subject;
};

export type PodEntry = { pod: KubeObject; facts: PodFacts; workload: Subject; ref: EntityRef };

export type SceneIndex = {
  pods: PodEntry[];
  podsByWorkload: Map<EntityRef, PodEntry[]>;
  podsByNode: Map<string, PodEntry[]>;
  /** Warnings by what they are about, newest last. */
  warnings: Map<EntityRef, ClusterEvent[]>;
  allWarnings: ClusterEvent[];
  nodes: readonly KubeObject[];
  /** Not ready, by name. */
  brokenNodes: Set<string>;
  /** Cordoned, or about to be taken away (guard G5). */
  maintenanceNodes: Set<string>;
};

/** Older events are history: a relist brings an hour of them again (T19). */
const eventsForMs = 3_600_000;

export function setScene(parts: Omit<Scene, 'index'>): Scene {
  const { view, now } = parts;
  const pods: PodEntry[] = [];
  const podsByWorkload = new Map<EntityRef, PodEntry[]>();
  const podsByNode = new Map<string, PodEntry[]>();
  for (const pod of view.list('pods')) {
    const workload = workloadOf(view, pod);
    const entry = { pod, facts: podFacts(pod), workload, ref: refOf(workload) };
    pods.push(entry);
    push(podsByWorkload, entry.ref, entry);
    if (entry.facts.node !== null) push(podsByNode, entry.facts.node, entry);
  }
  const nodes = view.list('nodes');
  const allWarnings = view
    .list('events')
    .filter((object) => object['type'] === 'Warning')
    .map(readEvent)
    .filter((event) => now.getTime() - event.at.getTime() < eventsForMs)
    .toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const warnings = new Map<EntityRef, ClusterEvent[]>();
  for (const event of allWarnings) push(warnings, refOf(event.about), event);
  const index: SceneIndex = {
    pods,
    podsByWorkload,
    podsByNode,
    warnings,
    allWarnings,
    nodes,
    brokenNodes: new Set(nodes.filter(isBroken).map((node) => node.metadata.name)),
    maintenanceNodes: new Set(nodes.filter(inMaintenance).map((node) => node.metadata.name)),
  };
  return { ...parts, index };
}

function push<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

function isBroken(node: KubeObject): boolean {
  const ready = statusCondition(node, 'Ready');
  return ready !== undefined && ready.status !== 'True';
}

const maintenanceTaints = new Set([
  'ToBeDeletedByClusterAutoscaler',
  'cloud.google.com/impending-node-termination',
  'aws-node-termination-handler/spot-itn',
]);

export function inMaintenance(node: KubeObject): boolean {
  const spec = fields(node.spec);
  return (
    spec['unschedulable'] === true ||
    list(spec['taints']).some((taint) => maintenanceTaints.has(text(taint['key']) ?? ''))
  );
}

/** Both event APIs write the same objects under other names. */
export function readEvent(object: KubeObject): ClusterEvent {
  const series = fields(object['series']);
  const about = fields(object['involvedObject'] ?? object['regarding']);
  const created = time(object.metadata.creationTimestamp);
  const first = time(object['firstTimestamp']) ?? time(object['eventTime']) ?? created;
  const at =
    time(series['lastObservedTime']) ?? time(object['lastTimestamp']) ?? time(object['eventTime']) ?? first;
  return {
    object,
    type: text(object['type']) ?? 'Normal',
    reason: text(object['reason']) ?? '',
    message: text(object['message']) ?? text(object['note']) ?? '',
    at: at ?? new Date(0),
    firstAt: first ?? at ?? new Date(0),
    count: number(series['count']) ?? number(object['count']) ?? 1,
    about: {
      kind: text(about['kind']) ?? '',
      namespace: text(about['namespace']),
      name: text(about['name']) ?? '',
    },
  };
}

/** The newest warning about something, of some reasons, not older than `withinMs`. */
export function lastWarning(
  scene: Scene,
  about: Subject,
  reasons: readonly string[],
  withinMs: number,
): ClusterEvent | undefined {
  return scene.index.warnings
    .get(refOf(about))
    ?.findLast(
      (event) => reasons.includes(event.reason) && scene.now.getTime() - event.at.getTime() <= withinMs,
    );
}

/** Whoever is responsible asked for silence. */
export function isIgnored(object: KubeObject | undefined): boolean {
  return object?.metadata.annotations?.['gomon.io/ignore'] === 'true';
}

/** Stands for so many nodes being away that it is told as one. */
export const mostNodes: Subject = { kind: 'Cluster', namespace: null, name: 'nodes' };

/** What all of these pods would fail for: the nodes they are on; or, where no node takes them, that most are away. */
export function underNodes(entries: readonly PodEntry[]): EntityRef[][] {
  const refs = entries.map(({ facts }) =>
    refOf(facts.node === null ? mostNodes : { kind: 'Node', namespace: null, name: facts.node }),
  );
  return refs.length === 0 ? [] : [[...new Set(refs)]];
}

/** The parts without which nothing in the cluster works, by what usual installations call them. */
export function platformPart(object: KubeObject): 'dns' | 'ingress' | 'network' | 'control-plane' | null {
  const labels = labelsOf(object);
  const { name, namespace } = object.metadata;
  if (namespace === 'kube-system') {
    if (labels['k8s-app'] === 'kube-dns' || name === 'coredns') return 'dns';
    if (labels['tier'] === 'control-plane') return 'control-plane';
  }
  if (isNetworkPlugin(name)) return 'network';
  if (
    labels['app.kubernetes.io/component'] === 'controller' &&
    (labels['app.kubernetes.io/name'] === 'ingress-nginx' || namespace === 'ingress-nginx')
  )
    return 'ingress';
  return null;
}

const networkPlugins = [
  'kube-proxy',
  'calico-node',
  'cilium',
  'kube-flannel-ds',
  'kube-flannel',
  'weave-net',
  'aws-node',
  'antrea-agent',
  'ovnkube-node',
  'kindnet',
  'canal',
  'kube-router',
];

export function isNetworkPlugin(daemonSet: string): boolean {
  return networkPlugins.includes(daemonSet);
}
