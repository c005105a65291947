import type { Severity } from '../alerts/alert.ts';

/**
 * What the watcher looks for, as data: each rule's waits, severities and
 * thresholds. Detectors hold the logic; whoever runs the service changes the
 * numbers under `kubernetes.rules`. Where a number comes from is said in
 * docs/kubernetes.md.
 */
export type Rule = {
  /** One line for `gomon rules list`. */
  summary: string;
  enabled: boolean;
  /** Fires with the first when its wait has passed, and grows with the later ones. Never empty. */
  stages: Stage[];
  /** Numbers by name; the unit is part of the name (`…Seconds`, `…Percent`), counts have none. */
  thresholds: Record<string, number>;
};

export type Stage = { afterSeconds: number; severity: Severity };

function rule(summary: string, stages: [number, Severity][], thresholds: Record<string, number> = {}): Rule {
  return {
    summary,
    enabled: true,
    stages: stages.map(([afterSeconds, severity]) => ({ afterSeconds, severity })),
    thresholds,
  };
}

export const defaultRules = {
  'pod.crash-loop': rule('several pods of a workload crash again and again', [[60, 'P2']], {
    restarts: 3,
    windowSeconds: 600,
  }),
  'pod.crash-loop.one': rule('one pod of several crashes again and again; numbers as in pod.crash-loop', [
    [60, 'P3'],
    [300, 'P2'],
  ]),
  'pod.crash-loop.all': rule('every pod of a workload crashes; numbers as in pod.crash-loop', [[60, 'P1']]),
  'pod.image-pull': rule('an image cannot be pulled; the workload still has available pods', [[120, 'P3']]),
  'pod.image-pull.none-available': rule('an image cannot be pulled, and no pod is available', [[120, 'P2']]),
  'pod.invalid-image': rule('an image name that can never be pulled', [[0, 'P2']]),
  'pod.config-error': rule('a container cannot be created: ConfigMap, Secret, command or hook', [[60, 'P2']]),
  'pod.oom-killed': rule('a container was killed for using too much memory', [[0, 'P3']], {
    showSeconds: 900,
  }),
  'pod.oom-killed.often': rule('killed for memory again and again, or in all pods', [[0, 'P2']], {
    times: 3,
    windowSeconds: 3_600,
  }),
  'pod.restarts': rule('restarts of a workload add up without another finding', [[0, 'P3']], {
    restarts: 5,
    windowSeconds: 3_600,
  }),
  'pod.unschedulable': rule(
    'no node takes a pod; the workload has other available pods',
    [
      [120, 'P3'],
      [300, 'P2'],
    ],
    { scaleUpGraceSeconds: 300 },
  ),
  'pod.unschedulable.none-available': rule('no node takes a pod, and no pod is available', [[120, 'P1']]),
  'pod.pending': rule('scheduled, but no container starts', [[300, 'P3']], { pullGraceSeconds: 600 }),
  'pod.start-failure': rule('scheduled, but its sandbox or volumes fail', [[120, 'P2']]),
  'pod.not-ready': rule('running, but not ready', [[300, 'P3']], { startupGraceSeconds: 120 }),
  'pod.evicted': rule('a pod was evicted', [[0, 'P4']], { showSeconds: 900 }),
  'pod.evictions': rule('many pods of a node were evicted', [[0, 'P2']], { pods: 5, windowSeconds: 600 }),
  'pod.failed': rule('a pod without a controller failed', [[60, 'P3']]),
  'pod.stuck-terminating': rule('a pod does not end', [[300, 'P3']], { graceSeconds: 120 }),
  'pod.unknown': rule('nothing is known of a pod', [[300, 'P3']]),
  'node.not-ready': rule('a node is not ready; others take the load', [[30, 'P2']]),
  'node.not-ready.grave': rule(
    'a control-plane node, the only node, more than a quarter of the nodes, or all pods of a workload',
    [[30, 'P1']],
    { percent: 25 },
  ),
  'node.not-ready.most': rule('half of the nodes or more are not ready', [[30, 'P0']], { percent: 50 }),
  'node.pressure': rule('memory, disk or processes of a node run out', [[120, 'P2']]),
  'node.network-unavailable': rule('the network of a node is not set up', [[30, 'P1']]),
  'node.cordoned': rule('a node is kept from scheduling for long', [[86_400, 'P3']]),
  'node.flapping': rule('a node goes in and out of readiness', [[0, 'P2']], {
    changes: 2,
    windowSeconds: 900,
  }),
  'node.pods': rule('a node runs nearly as many pods as it may', [[900, 'P3']], { percent: 95 }),
  'node.cpu': rule(
    'CPU of a node, of what is allocatable',
    [
      [0, 'P3'],
      [900, 'P2'],
    ],
    { percent: 80, meanSeconds: 300 },
  ),
  'node.memory': rule('memory of a node, of what is allocatable', [[180, 'P2']], { percent: 90 }),
  'node.version-skew': rule('kubelet and API server are too many versions apart', [[900, 'P4']], {
    minors: 3,
  }),
  'workload.none-available': rule('a Deployment or StatefulSet without an available pod', [[30, 'P1']]),
  'workload.platform-down': rule('cluster DNS or the ingress controller has no available pod', [[20, 'P0']]),
  'workload.below-minimum': rule('fewer pods available than the workload allows', [[300, 'P2']]),
  'workload.partial': rule('some pods are not available', [[900, 'P3']]),
  'deployment.stuck': rule('a rollout passed its deadline', [[0, 'P2']]),
  'workload.replica-failure': rule('pods cannot be created: quota, admission, policy', [[60, 'P2']]),
  'stateful-set.partial': rule('some pods of a StatefulSet are not ready', [[300, 'P2']], {
    perOrdinalSeconds: 60,
  }),
  'stateful-set.rollout-stuck': rule('a rollout of a StatefulSet stands still', [[900, 'P3']]),
  'daemon-set.partial': rule('a DaemonSet misses pods', [[300, 'P3']]),
  'daemon-set.misscheduled': rule('pods of a DaemonSet run where they should not', [[900, 'P4']]),
  'network-plugin.partial': rule('pods of the network plugin or kube-proxy are missing', [[120, 'P2']]),
  'network-plugin.most': rule('most pods of the network plugin or kube-proxy are missing', [[30, 'P1']], {
    percent: 50,
  }),
  'network-plugin.sandbox': rule('pods get no network on several nodes or workloads', [[0, 'P2']], {
    events: 3,
    windowSeconds: 300,
  }),
  'job.failed': rule('a Job failed', [[0, 'P3']], { showSeconds: 86_400 }),
  'job.failed.critical': rule('a Job with the label gomon.io/critical failed', [[0, 'P2']]),
  'job.not-completed': rule('a Job runs for very long', [[43_200, 'P3']]),
  'cron-job.missed': rule('a CronJob was not started in time', [[0, 'P3']], { graceSeconds: 300 }),
  'cron-job.suspended': rule('a CronJob has been suspended for long', [[604_800, 'P4']]),
  'hpa.maxed': rule('an autoscaler wants more than its maximum', [[900, 'P3']]),
  'hpa.maxed.over-target': rule('an autoscaler is at its maximum, and that is too little', [[900, 'P2']]),
  'hpa.broken': rule('an autoscaler cannot scale', [[600, 'P3']]),
  'pdb.unhealthy': rule('fewer healthy pods than a disruption budget demands', [[900, 'P3']]),
  'quota.nearly-full': rule('a quota is nearly used up', [[300, 'P4']], { percent: 90 }),
  'quota.full': rule('a quota is used up', [[300, 'P3']]),
  'service.no-endpoints': rule('a Service has no ready endpoint', [[30, 'P2']], { ageSeconds: 120 }),
  'service.no-endpoints.used': rule('a Service that an Ingress or an API uses has no ready endpoint', [
    [30, 'P1'],
  ]),
  'service.few-endpoints': rule('half of the endpoints of a Service are gone', [[300, 'P2']], {
    percent: 50,
  }),
  'service.load-balancer-pending': rule('a load balancer gets no address', [[600, 'P2']]),
  'ingress.backend-missing': rule('an Ingress leads to a Service or port that does not exist', [[60, 'P2']]),
  'ingress.backend-missing.all': rule('every path of a host leads nowhere', [[30, 'P1']]),
  'ingress.no-class': rule('the class of an Ingress does not exist', [[600, 'P3']]),
  'ingress.no-address': rule('an Ingress gets no address', [[600, 'P3']]),
  'ingress.controller-down': rule('no pod of an ingress controller is ready', [[30, 'P0']]),
  'ingress.controller-partial': rule('less than half of an ingress controller is ready', [[60, 'P2']], {
    percent: 50,
  }),
  'dns.down': rule('cluster DNS has no ready endpoint', [[20, 'P0']]),
  'dns.partial': rule('less than half of cluster DNS is ready', [[60, 'P2']], { percent: 50 }),
  'dns.probe': rule('the probe of cluster DNS fails', [[0, 'P1']], { failures: 2, of: 3 }),
  'volume.claim-pending': rule('a claim gets no volume', [[300, 'P2']]),
  'volume.claim-lost': rule('the volume of a claim is gone', [[0, 'P1']]),
  'volume.failed': rule('a volume failed', [[300, 'P2']]),
  'volume.released': rule('a volume is kept without a claim', [[604_800, 'P4']]),
  'volume.mount-failed': rule('a volume cannot be attached or mounted', [[120, 'P2']], { events: 3 }),
  'control-plane.unreachable': rule('the API server does not answer, or is not ready', [[20, 'P0']], {
    failures: 2,
  }),
  'control-plane.lease': rule('scheduler or controller manager stopped renewing its lease', [[0, 'P1']], {
    ageSeconds: 60,
  }),
  'control-plane.pod': rule('a static pod of the control plane is not ready', [[60, 'P2']]),
  'control-plane.etcd-quorum': rule('etcd has lost its quorum', [[20, 'P0']]),
  'control-plane.api-service': rule('an aggregated API is not available', [[300, 'P2']]),
  'control-plane.metrics-api': rule('the metrics API is not available', [[300, 'P3']]),
  'control-plane.metrics-missing': rule('there is no metrics-server: usage rules are off', [[600, 'P4']]),
  'control-plane.webhook': rule('an admission webhook does not answer', [[60, 'P2']], { windowSeconds: 600 }),
  'event.system-oom': rule('a node ran out of memory', [[0, 'P2']], { showSeconds: 900 }),
  'certificate.expired': rule('an expired certificate that no Ingress uses', [[0, 'P3']]),
  'certificate.expired.used': rule('an expired certificate of an Ingress', [[0, 'P1']]),
  'certificate.expires.soon': rule('a certificate expires within days', [[0, 'P1']], { days: 2, percent: 5 }),
  'certificate.expires.week': rule('a certificate expires within a week', [[0, 'P2']], {
    days: 7,
    percent: 10,
  }),
  'certificate.expires.weeks': rule('a certificate expires within weeks', [[0, 'P3']], {
    days: 21,
    percent: 20,
  }),
  'certificate.not-yet-valid': rule('a certificate of the future', [[300, 'P3']]),
  'certificate.host': rule('a certificate for other hosts', [[60, 'P2']]),
  'certificate.secret': rule('the Secret of a certificate is missing or no certificate', [[600, 'P2']]),
  'certificate.self-signed': rule('a self-signed certificate', [[600, 'P3']]),
  'container.cpu': rule('CPU of a container, of its limit', [[0, 'P3']], { percent: 80, meanSeconds: 300 }),
  'container.memory': rule('memory of a container, of its limit', [[180, 'P2']], { percent: 90 }),
  'container.memory.growing': rule('memory of a container, of its limit, for long', [[900, 'P4']], {
    percent: 80,
  }),
  'capacity.requests': rule('what pods request would not fit without the largest node', [[600, 'P3']]),
  'capacity.trend': rule('at this pace memory is full within hours', [[600, 'P3']], {
    withinSeconds: 14_400,
    samples: 20,
    leastPercent: 50,
  }),
  'config.changed': rule('a ConfigMap changed', [[0, 'P4']], { showSeconds: 900 }),
  'config.changed.platform': rule('a ConfigMap of the platform changed', [[0, 'P3']]),
  'secret.rotated': rule('a Secret was rotated', [[0, 'P4']], { showSeconds: 900 }),
  'secret.overdue': rule('a Secret with the label gomon.io/rotate was not rotated for long', [[0, 'P3']], {
    days: 90,
  }),
  'rbac.risky': rule('rights that are wider than they should be', [[0, 'P3']]),
  'rbac.default-account': rule(
    'rights of the default ServiceAccount of a namespace, whose token pods there mount',
    [[0, 'P3']],
  ),
  'rbac.grave': rule('anonymous users or a default account with wide rights', [[0, 'P2']]),
  'rbac.missing-role': rule('a binding to a role that does not exist', [[600, 'P3']]),
  'watcher.stale': rule('the watcher does not hear from the cluster', [[60, 'P2']]),
  'watcher.digest': rule('what was wrong for long when the watcher first started, in one', [[30, 'P3']], {
    ageSeconds: 86_400,
    showSeconds: 86_400,
  }),
  'watcher.forbidden': rule('the watcher may not read what it needs', [[300, 'P4']]),
} satisfies Record<string, Rule>;

export type RuleName = keyof typeof defaultRules;
export type Rules = Readonly<Record<RuleName, Rule>>;
export const ruleNames = Object.keys(defaultRules) as RuleName[];

/** What settings may say of a rule. */
export type RuleChange = {
  enabled?: boolean | undefined;
  /** Of the first stage; later stages are never before it. */
  waitSeconds?: number | undefined;
  /** Instead of the severities of all stages. */
  severity?: Severity | undefined;
  thresholds?: Record<string, number> | undefined;
};

/** The built-in rules with the operator's changes; what is not a threshold of a rule is named. */
export function activeRules(changes: Partial<Record<RuleName, RuleChange | undefined>>): Rules {
  return Object.fromEntries(
    ruleNames.map((name) => [name, changedRule(defaultRules[name], changes[name] ?? {})]),
  ) as Record<RuleName, Rule>;
}

/** Thresholds of settings that their rule does not have, as paths. */
export function unknownThresholds(changes: Partial<Record<RuleName, RuleChange | undefined>>): string[] {
  return ruleNames.flatMap((name) =>
    Object.keys(changes[name]?.thresholds ?? {})
      .filter((threshold) => !Object.hasOwn(defaultRules[name].thresholds, threshold))
      .map((threshold) => `${name}.thresholds.${threshold}`),
  );
}

function changedRule(base: Rule, change: RuleChange): Rule {
  const wait = change.waitSeconds ?? base.stages[0]?.afterSeconds ?? 0;
  const stages = base.stages.map(({ afterSeconds, severity }, index) => ({
    afterSeconds: index === 0 ? wait : Math.max(wait, afterSeconds),
    severity: change.severity ?? severity,
  }));
  return {
    summary: base.summary,
    enabled: change.enabled ?? base.enabled,
    stages: change.severity === undefined ? stages : stages.slice(0, 1),
    thresholds: { ...base.thresholds, ...change.thresholds },
  };
}
