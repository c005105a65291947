import { type Condition, condition, layers, subjectOf } from '../condition.ts';
import { fields, isTerminating, labelsOf, statusCondition, text, time } from '../fields.ts';
import type { Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/** API server, scheduler, controller manager, etcd and aggregated APIs (specification §2.5). */

/** Reads probes only, which are not watched: it also runs while nothing else is fresh. */
export function detectApiServer(scene: Scene): Condition[] {
  const { apiServer } = scene.probes;
  const { failures = 2 } = scene.rules['control-plane.unreachable'].thresholds;
  const isAnswering = apiServer === null || apiServer.failures === 0;
  scene.history.recordChange(apiServerAnswers, scene.now, isAnswering ? 1 : 0, 600_000);
  if (apiServer === null || apiServer.failures < failures) return [];
  const names = apiServer.failing.length > 0 ? ` (${apiServer.failing.join(', ')})` : '';
  return condition(scene.rules, {
    rule: 'control-plane.unreachable',
    reason: 'ApiServerUnavailable',
    subject: { kind: 'Cluster', namespace: null, name: 'api-server' },
    since: apiServer.failingSince,
    title: `The API server is unreachable or not ready${names}`,
    description: apiServer.detail,
    layer: layers.controlPlane,
  });
}

/** Series: 1 while the API server answers, 0 while it does not. */
const apiServerAnswers = 'control-plane/api-server';

export function detectLeases(scene: Scene): Condition[] {
  const { ageSeconds = 60 } = scene.rules['control-plane.lease'].thresholds;
  // Nobody can renew a lease while the API server is away: its age counts from when it came back.
  const answers = scene.history.points(apiServerAnswers);
  const last = answers.at(-1);
  if (last?.value === 0) return [];
  const answersSince = answers.length > 1 ? (last?.at ?? 0) : 0;
  return ['kube-scheduler', 'kube-controller-manager'].flatMap((name) => {
    const lease = scene.view.get('leases.coordination.k8s.io', 'kube-system', name);
    // Managed clusters do not show theirs.
    const renewed = time(fields(lease?.spec)['renewTime']);
    if (renewed === null) return [];
    const staleAt = Math.max(renewed.getTime(), answersSince) + ageSeconds * 1_000;
    if (scene.now.getTime() < staleAt) return [];
    return condition(scene.rules, {
      rule: 'control-plane.lease',
      reason: 'LeaseNotRenewed',
      subject: { kind: 'Lease', namespace: 'kube-system', name },
      since: new Date(staleAt),
      title: `${name} has not renewed its lease since ${renewed.toISOString()}`,
      description: 'Nobody does its work: pods are not scheduled, or controllers stand still.',
      layer: layers.controlPlane,
    });
  });
}

export function detectStaticPods(scene: Scene): Condition[] {
  const statics = scene.index.pods.filter(
    ({ workload, pod, facts }) =>
      pod.metadata.namespace === 'kube-system' &&
      labelsOf(pod)['tier'] === 'control-plane' &&
      !facts.terminating &&
      (workload.kind === 'StaticPod' || labelsOf(pod)['component'] !== undefined),
  );
  const components = Map.groupBy(statics, ({ pod, workload }) => labelsOf(pod)['component'] ?? workload.name);
  return [...components].flatMap(([component, pods]) => {
    const unready = pods.filter(({ facts }) => !facts.isReady);
    if (unready.length === 0) return [];
    const isQuorumLost =
      component === 'etcd' && pods.length - unready.length <= pods.length / 2 && pods.length > 1;
    const nodes = unready.flatMap(({ facts }) => facts.node ?? []).toSorted();
    const since = unready.map(({ facts }) => facts.ready?.since ?? null).find((at) => at !== null) ?? null;
    return condition(scene.rules, {
      rule: isQuorumLost ? 'control-plane.etcd-quorum' : 'control-plane.pod',
      reason: isQuorumLost ? 'EtcdQuorumLost' : 'ControlPlanePodNotReady',
      subject: { kind: 'StaticPod', namespace: 'kube-system', name: component },
      since,
      title: isQuorumLost
        ? `etcd has lost its quorum: ${pods.length - unready.length} of ${pods.length} members are ready`
        : `${component}: ${unready.length} of ${pods.length} control-plane pods are not ready`,
      description: unready.map(({ pod }) => pod.metadata.name).join('\n'),
      pods: unready.map(({ pod }) => pod.metadata.name).toSorted(),
      nodes,
      layer: layers.workload,
      explainedBy: [nodes.map((name) => `Node/-/${name}`), [`StaticPod/kube-system/${component}`]].filter(
        (set) => set.length > 0,
      ),
    });
  });
}

export function detectApiServices(scene: Scene): Condition[] {
  return scene.view.list('apiservices.apiregistration.k8s.io').flatMap((api) => {
    const available = statusCondition(api, 'Available');
    if (available?.status !== 'False' || isTerminating(api)) return [];
    const isMetrics = text(fields(api.spec)['group']) === 'metrics.k8s.io';
    const service = fields(fields(api.spec)['service']);
    const subject = subjectOf('APIService', api);
    const behind = text(service['name']);
    return condition(scene.rules, {
      rule: isMetrics ? 'control-plane.metrics-api' : 'control-plane.api-service',
      reason: 'ApiServiceUnavailable',
      subject,
      since: available.since,
      title: `${nameOf(subject)} is not available (${available.reason})`,
      description: available.message,
      layer: layers.ingress,
      explainedBy: behind === null ? [] : [[`Service/${text(service['namespace']) ?? '-'}/${behind}`]],
    });
  });
}

export function detectMetricsServer(scene: Scene): Condition[] {
  const { state, heardAt } = scene.view.freshness('nodes.metrics.k8s.io');
  if (state !== 'absent') return [];
  return condition(scene.rules, {
    rule: 'control-plane.metrics-missing',
    reason: 'MetricsMissing',
    subject: { kind: 'Cluster', namespace: null, name: 'metrics-server' },
    since: scene.history.seen('metrics-missing', scene.now),
    title: 'There is no metrics-server: use of CPU and memory is unknown',
    description: heardAt === null ? '' : `Last heard of at ${heardAt.toISOString()}.`,
  });
}

/** A webhook that does not answer shows in what others could not do. */
export function detectWebhooks(scene: Scene): Condition[] {
  const { windowSeconds = 600 } = scene.rules['control-plane.webhook'].thresholds;
  const webhooks = new Map<string, { since: Date; message: string }>();
  for (const event of scene.index.allWarnings) {
    const name = /failed calling webhook "([^"]+)"/.exec(event.message)?.[1];
    if (name === undefined || scene.now.getTime() - event.at.getTime() > windowSeconds * 1_000) continue;
    if (!webhooks.has(name)) webhooks.set(name, { since: event.firstAt, message: event.message });
  }
  return [...webhooks].flatMap(([name, { since, message }]) =>
    condition(scene.rules, {
      rule: 'control-plane.webhook',
      reason: 'WebhookFailing',
      subject: { kind: 'Webhook', namespace: null, name },
      since,
      title: `Admission webhook ${name} does not answer`,
      description: message,
    }),
  );
}
