import { createHash } from 'node:crypto';

/**
 * Alerts as a Grafana or Prometheus of some size sends them: about ten labels,
 * annotations with a sentence or two, every one of them new. One in a hundred is
 * critical, so that the whole service opens incidents as well.
 */

const rules = [
  ['Pod restarts too often', 'KubePodCrashLooping'],
  ['Request latency is high', 'HttpLatencyHigh'],
  ['Volume fills up', 'PersistentVolumeFillingUp'],
  ['Queue is not worked off', 'QueueBacklogGrowing'],
  ['Certificate ends soon', 'CertificateExpiry'],
] as const;

const namespaces = ['shop', 'payments', 'monitoring', 'ingress-nginx', 'identity'];

let made = 0;
const runStartedAt = new Date();

type Alert = {
  number: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  fingerprint: string;
};

function nextAlert(labels: Record<string, string> = {}): Alert {
  made += 1;
  const [summary, alertname] = rules[made % rules.length] ?? rules[0];
  const namespace = namespaces[made % namespaces.length] ?? 'shop';
  const pod = labels['pod'] ?? `${namespace}-worker-${(made * 7_919).toString(36)}`;
  return {
    number: made,
    labels: {
      alertname,
      severity: made % 100 === 0 ? 'critical' : made % 3 === 0 ? 'info' : 'warning',
      cluster: 'eu-central-1a',
      namespace,
      pod,
      container: 'worker',
      instance: `10.${made % 250}.${(made >> 8) % 250}.17:9100`,
      job: 'kubernetes-pods',
      team: `team-${made % 12}`,
      service: `${namespace}-api`,
      ...labels,
    },
    annotations: {
      summary: `${summary}: ${pod} in ${namespace}`,
      description:
        `${summary} on ${pod}. The value has been ${(made % 97) + 3}.4 for more than 15 minutes, ` +
        'which is above the limit of 3. Users notice it as slow or failing requests; the rule looks at ' +
        'the last five minutes and leaves planned maintenance out.',
      runbook_url: `https://runbooks.example.org/${alertname}`,
    },
    fingerprint: createHash('sha256').update(`${runStartedAt.getTime()} ${made}`).digest('hex').slice(0, 16),
  };
}

/** A webhook of Grafana's unified alerting with so many new alerts. */
export function grafanaWebhook(alertCount: number, labels: Record<string, string> = {}): Buffer {
  return grafanaGroup(Array.from({ length: alertCount }, () => grafanaAlert(labels)));
}

export type SentAlert = ReturnType<typeof grafanaAlert>;

/** A new alert that fires, as it stands in Grafana's webhook; it can be sent again. */
export function grafanaAlert(labels: Record<string, string> = {}) {
  const alert = nextAlert(labels);
  return {
    status: 'firing',
    labels: { ...alert.labels, grafana_folder: 'Production' },
    annotations: alert.annotations,
    startsAt: runStartedAt.toISOString(),
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: `https://grafana.example.org/alerting/grafana/rule-${alert.number % 50}/view?orgId=1`,
    fingerprint: alert.fingerprint,
    silenceURL: `https://grafana.example.org/alerting/silence/new?alertmanager=grafana&matcher=pod%3D${alert.labels['pod']}`,
    dashboardURL: 'https://grafana.example.org/d/workloads?orgId=1',
    panelURL: 'https://grafana.example.org/d/workloads?orgId=1&viewPanel=4',
    values: { A: (alert.number % 97) + 3.4, C: 1 },
    valueString: `[ var='A' labels={pod=${alert.labels['pod']}} value=${(alert.number % 97) + 3.4} ], [ var='C' labels={} value=1 ]`,
    orgId: 1,
  };
}

/** The same alert when it has ended. */
export function grafanaResolve(alert: SentAlert): SentAlert {
  return { ...alert, status: 'resolved', endsAt: new Date().toISOString() };
}

export function grafanaGroup(alerts: SentAlert[]): Buffer {
  return json({
    receiver: 'gomon',
    status: 'firing',
    alerts,
    groupLabels: {},
    commonLabels: { cluster: 'eu-central-1a' },
    commonAnnotations: {},
    externalURL: 'https://grafana.example.org/',
    version: '1',
    groupKey: '{}:{}',
    truncatedAlerts: 0,
    orgId: 1,
    title: `[FIRING:${alerts.length}] Production`,
    state: 'alerting',
    message: '',
  });
}

/** One new alert as Prometheus sends it to `/api/v2/alerts`. */
export function prometheusPost(): Buffer {
  const { labels, annotations } = nextAlert();
  return json([
    {
      labels,
      annotations,
      startsAt: runStartedAt.toISOString(),
      endsAt: new Date(Date.now() + 3_600_000).toISOString(),
      generatorURL: 'https://prometheus.example.org/graph?g0.expr=up&g0.tab=1',
    },
  ]);
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
