import type { KubeObject, Resource } from './cluster-view.ts';
import { type Condition, condition, earliest, layers } from './condition.ts';
import { labelsOf } from './fields.ts';
import { workloadObject } from './owners.ts';
import type { Stage } from './rules.ts';
import type { Scene } from './scene.ts';
import { detectAutoscalers } from './detectors/autoscalers.ts';
import { detectCapacity } from './detectors/capacity.ts';
import { detectCertificates } from './detectors/certificates.ts';
import { detectConfigChanges } from './detectors/config-changes.ts';
import { detectContainers } from './detectors/containers.ts';
import {
  detectApiServer,
  detectApiServices,
  detectLeases,
  detectMetricsServer,
  detectStaticPods,
  detectWebhooks,
} from './detectors/control-plane.ts';
import { detectCronJobs } from './detectors/cron-jobs.ts';
import { detectDaemonSets } from './detectors/daemon-sets.ts';
import { detectDeployments } from './detectors/deployments.ts';
import { detectDisruptionBudgets } from './detectors/disruption-budgets.ts';
import { detectDns, detectDnsProbe } from './detectors/dns.ts';
import { detectEvents } from './detectors/events.ts';
import { detectIngresses } from './detectors/ingresses.ts';
import { detectJobs } from './detectors/jobs.ts';
import { detectNetworkPlugin } from './detectors/network-plugin.ts';
import { detectNodes } from './detectors/nodes.ts';
import { detectPods } from './detectors/pods.ts';
import { detectQuotas } from './detectors/quotas.ts';
import { detectRbac } from './detectors/rbac.ts';
import { detectSecretRotation } from './detectors/secret-rotation.ts';
import { detectServices } from './detectors/services.ts';
import { detectStatefulSets } from './detectors/stateful-sets.ts';
import { detectUsage } from './detectors/usage.ts';
import { detectVolumes } from './detectors/volumes.ts';

export type Detector = {
  name: string;
  /** Without these being fresh it neither finds nor clears anything (guard G14). */
  needs: readonly Resource[];
  /** All it finds at the first start goes into the digest, however new. */
  baseline?: boolean;
  /** Where what it needs beside objects may not be there yet: until then as if they were not fresh. */
  isReady?: (scene: Scene) => boolean;
  run: (scene: Scene) => Condition[];
};

export const detectors: readonly Detector[] = [
  { name: 'containers', needs: ['pods'], run: detectContainers },
  { name: 'pods', needs: ['pods', 'nodes'], run: detectPods },
  { name: 'nodes', needs: ['nodes', 'pods'], run: detectNodes },
  { name: 'deployments', needs: ['deployments.apps', 'pods'], run: detectDeployments },
  { name: 'stateful-sets', needs: ['statefulsets.apps', 'pods'], run: detectStatefulSets },
  { name: 'daemon-sets', needs: ['daemonsets.apps', 'pods', 'nodes'], run: detectDaemonSets },
  { name: 'jobs', needs: ['jobs.batch'], run: detectJobs },
  { name: 'cron-jobs', needs: ['cronjobs.batch'], run: detectCronJobs },
  {
    name: 'services',
    needs: ['services', 'endpointslices.discovery.k8s.io', 'pods', 'deployments.apps', 'statefulsets.apps'],
    run: detectServices,
  },
  { name: 'ingresses', needs: ['ingresses.networking.k8s.io', 'services'], run: detectIngresses },
  { name: 'certificates', needs: ['ingresses.networking.k8s.io'], run: detectCertificates },
  { name: 'volumes', needs: ['persistentvolumeclaims', 'pods'], run: detectVolumes },
  { name: 'autoscalers', needs: ['horizontalpodautoscalers.autoscaling'], run: detectAutoscalers },
  {
    name: 'disruption-budgets',
    needs: ['poddisruptionbudgets.policy', 'pods'],
    run: detectDisruptionBudgets,
  },
  { name: 'quotas', needs: ['resourcequotas'], run: detectQuotas },
  { name: 'api-server', needs: [], run: detectApiServer },
  { name: 'leases', needs: ['leases.coordination.k8s.io'], run: detectLeases },
  { name: 'static-pods', needs: ['pods'], run: detectStaticPods },
  { name: 'api-services', needs: ['apiservices.apiregistration.k8s.io'], run: detectApiServices },
  { name: 'metrics-server', needs: [], run: detectMetricsServer },
  { name: 'webhooks', needs: ['events'], run: detectWebhooks },
  {
    name: 'dns',
    needs: ['services', 'endpointslices.discovery.k8s.io', 'deployments.apps', 'pods'],
    run: detectDns,
  },
  { name: 'dns-probe', needs: [], run: detectDnsProbe },
  { name: 'network-plugin', needs: ['events', 'pods', 'nodes'], run: detectNetworkPlugin },
  { name: 'events', needs: ['events'], run: detectEvents },
  {
    name: 'node-usage',
    needs: ['nodes.metrics.k8s.io', 'pods.metrics.k8s.io', 'nodes', 'pods'],
    run: detectUsage,
  },
  { name: 'capacity', needs: ['nodes', 'pods'], run: detectCapacity },
  {
    name: 'config-changes',
    needs: ['configmaps'],
    isReady: ({ probes }) => probes.configMaps?.isReady ?? true,
    run: detectConfigChanges,
  },
  { name: 'secret-rotation', needs: ['secrets'], run: detectSecretRotation },
  {
    name: 'rbac',
    needs: [
      'clusterrolebindings.rbac.authorization.k8s.io',
      'clusterroles.rbac.authorization.k8s.io',
      'pods',
    ],
    baseline: true,
    run: detectRbac,
  },
];

export type Detected = Condition & { detector: string };

export type Detection = {
  conditions: Detected[];
  /** What ran: only of these does absence mean health. */
  evaluated: ReadonlySet<string>;
  /** Detectors that are off because something may not be read, with what. */
  forbidden: { detector: string; resources: string[] }[];
  /** Resources nothing was heard of lately. */
  stale: string[];
};

/** Silence on a watch beyond this is death, whatever its state says: bookmarks come about once a minute. */
const staleAfterMs = 150_000;

/**
 * Runs all detectors whose data are fresh. One that throws counts as not run: its
 * findings stay as they are.
 * @param ourNow by our clock, like `heardAt`; the scene's time is the server's
 */
export function detect(
  scene: Scene,
  ourNow: Date,
  onTrouble: (detector: string, error: unknown) => void = () => undefined,
): Detection {
  const conditions: Detected[] = [];
  const evaluated = new Set<string>(['watcher']);
  const forbidden: Detection['forbidden'] = [];
  const stale = new Map<string, Date | null>();
  for (const detector of detectors) {
    const states = detector.needs.map((resource) => ({
      resource,
      health: healthOf(scene, resource, ourNow),
    }));
    for (const { resource, health } of states)
      if (health === 'stale') stale.set(resource, scene.view.freshness(resource).heardAt);
    const refused = states.filter(({ health }) => health === 'forbidden').map(({ resource }) => resource);
    if (refused.length > 0) forbidden.push({ detector: detector.name, resources: refused });
    if (states.some(({ health }) => health === 'stale' || health === 'forbidden')) continue;
    // What does not exist in this cluster has nothing wrong with it.
    if (states.some(({ health }) => health === 'absent')) {
      evaluated.add(detector.name);
      continue;
    }
    if (detector.isReady?.(scene) === false) continue;
    try {
      const found = detector.run(scene);
      for (const one of found) conditions.push({ ...weighed(scene, one), detector: detector.name });
      evaluated.add(detector.name);
    } catch (error) {
      onTrouble(detector.name, error);
    }
  }
  const own = [...staleCondition(scene, stale), ...forbiddenCondition(scene, forbidden)];
  conditions.push(...own.map((one) => ({ ...one, detector: 'watcher' })));
  scene.history.prune(scene.now);
  return { conditions, evaluated, forbidden, stale: [...stale.keys()].toSorted() };
}

function healthOf(
  scene: Scene,
  resource: Resource,
  ourNow: Date,
): 'fresh' | 'stale' | 'forbidden' | 'absent' {
  const { state, heardAt } = scene.view.freshness(resource);
  switch (state) {
    case 'streaming':
      return heardAt !== null && ourNow.getTime() - heardAt.getTime() > staleAfterMs ? 'stale' : 'fresh';
    case 'forbidden':
      return 'forbidden';
    case 'absent':
      return 'absent';
    case 'stopped':
      return heardAt === null ? 'absent' : 'stale';
    case 'listing':
    case 'backoff':
      return 'stale';
    default:
      return state satisfies never;
  }
}

/** What is only a trial weighs one level less; where it belongs to goes with it for the routes. */
function weighed(scene: Scene, one: Condition): Condition {
  const environment = environmentOf(scene, one);
  if (environment === null) return one;
  const labels = { ...one.labels, environment };
  const isTrial = /^(?:dev|development|test|staging)$/i.test(environment);
  return { ...one, labels, stages: isTrial ? one.stages.map(oneDown) : one.stages };
}

function oneDown({ afterSeconds, severity }: Stage): Stage {
  const down = { P0: 'P1', P1: 'P2', P2: 'P3', P3: 'P4', P4: 'P4' } as const;
  return { afterSeconds, severity: down[severity] };
}

function environmentOf(scene: Scene, one: Condition): string | null {
  const { namespace } = one.subject;
  if (namespace === null) return null;
  const [pod] = one.pods;
  const objects: (KubeObject | undefined)[] = [
    workloadObject(scene.view, one.subject),
    pod === undefined ? undefined : scene.view.get('pods', namespace, pod),
  ];
  for (const object of objects) {
    const environment = object === undefined ? undefined : labelsOf(object)['environment'];
    if (environment !== undefined && environment !== '') return environment;
  }
  return null;
}

function staleCondition(scene: Scene, stale: ReadonlyMap<string, Date | null>): Condition[] {
  if (stale.size === 0) return [];
  const heard = earliest([...stale.values()]);
  return condition(scene.rules, {
    rule: 'watcher.stale',
    reason: 'WatchStale',
    subject: { kind: 'Cluster', namespace: null, name: 'watch' },
    // By resource: short gaps in one after the other are no long one.
    since: earliest([...stale.keys()].map((resource) => scene.history.seen(`stale/${resource}`, scene.now))),
    title: `The watcher does not hear from the cluster (${stale.size} ${stale.size === 1 ? 'resource' : 'resources'})`,
    description: [
      `Nothing is fired or resolved from what is stale: ${[...stale.keys()].toSorted().join(', ')}.`,
      ...(heard === null ? [] : [`Last heard at ${heard.toISOString()}.`]),
    ].join('\n'),
    layer: layers.network,
    explainedBy: [['Cluster/-/api-server']],
  });
}

function forbiddenCondition(scene: Scene, forbidden: Detection['forbidden']): Condition[] {
  // Secrets are not read unless somebody grants it: no finding.
  const missing = forbidden.filter(({ resources }) => resources.some((resource) => resource !== 'secrets'));
  if (missing.length === 0) return [];
  return condition(scene.rules, {
    rule: 'watcher.forbidden',
    reason: 'WatchForbidden',
    subject: { kind: 'Cluster', namespace: null, name: 'permissions' },
    since: scene.history.seen('forbidden', scene.now),
    title: `The watcher may not read all it needs: ${missing.length} detectors are off`,
    description: missing.map(({ detector, resources }) => `${detector}: ${resources.join(', ')}`).join('\n'),
  });
}
