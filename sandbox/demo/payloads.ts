/** What the senders of the story post: the shapes of their documentation, with a shop's life in them. */

type Labels = Record<string, string>;

const notEnded = '0001-01-01T00:00:00Z';
const grafana = 'https://grafana.example.com';
const alertmanager = 'https://alertmanager.example.com';

export type GrafanaAlert = {
  labels: Labels;
  annotations: Labels;
  fingerprint: string;
  startsAt: Date;
  endsAt?: Date;
  values?: Record<string, number>;
  ruleUid: string;
};

/** Grafana 12, the default payload of a webhook contact point. */
export function grafanaWebhook(alerts: GrafanaAlert[]): unknown {
  const firing = alerts.filter((alert) => alert.endsAt === undefined).length;
  const name = alerts[0]?.labels['alertname'] ?? '';
  return {
    receiver: 'gomon',
    status: firing > 0 ? 'firing' : 'resolved',
    alerts: alerts.map((alert) => ({
      status: alert.endsAt === undefined ? 'firing' : 'resolved',
      labels: alert.labels,
      annotations: alert.annotations,
      startsAt: alert.startsAt.toISOString(),
      endsAt: alert.endsAt?.toISOString() ?? notEnded,
      generatorURL: `${grafana}/alerting/grafana/${alert.ruleUid}/view?orgId=1`,
      fingerprint: alert.fingerprint,
      silenceURL: `${grafana}/alerting/silence/new?alertmanager=grafana&matcher=__alert_rule_uid__%3D${alert.ruleUid}&orgId=1`,
      dashboardURL: `${grafana}/d/node-overview?orgId=1`,
      panelURL: `${grafana}/d/node-overview?orgId=1&viewPanel=3`,
      values: alert.values ?? null,
      valueString: '',
      orgId: 1,
    })),
    groupLabels: { alertname: name },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: `${grafana}/`,
    version: '1',
    groupKey: `{}/{}:{alertname="${name}"}`,
    truncatedAlerts: 0,
    orgId: 1,
    title: `[${firing > 0 ? `FIRING:${firing}` : 'RESOLVED'}] ${name}`,
    state: firing > 0 ? 'alerting' : 'ok',
    message: '',
  };
}

export type AlertmanagerAlert = {
  labels: Labels;
  annotations: Labels;
  fingerprint: string;
  startsAt: Date;
  endsAt?: Date;
};

/** Alertmanager's webhook_config, version 4. */
export function alertmanagerWebhook(alerts: AlertmanagerAlert[]): unknown {
  const name = alerts[0]?.labels['alertname'] ?? '';
  return {
    version: '4',
    groupKey: `{}:{alertname="${name}"}`,
    truncatedAlerts: 0,
    status: alerts.some((alert) => alert.endsAt === undefined) ? 'firing' : 'resolved',
    receiver: 'gomon',
    groupLabels: { alertname: name },
    commonLabels: alerts[0]?.labels ?? {},
    commonAnnotations: alerts[0]?.annotations ?? {},
    externalURL: alertmanager,
    alerts: alerts.map((alert) => ({
      status: alert.endsAt === undefined ? 'firing' : 'resolved',
      labels: alert.labels,
      annotations: alert.annotations,
      startsAt: alert.startsAt.toISOString(),
      endsAt: alert.endsAt?.toISOString() ?? notEnded,
      generatorURL: 'https://prometheus.example.com/graph?g0.expr=up&g0.tab=1',
      fingerprint: alert.fingerprint,
    })),
  };
}

/**
 * What Prometheus posts to an Alertmanager. It names an end a few minutes ahead and
 * moves it with each repeat; here nothing repeats, so it is further away.
 */
export function prometheusAlerts(alerts: { labels: Labels; annotations: Labels; startsAt: Date }[]): unknown {
  return alerts.map((alert) => ({
    labels: alert.labels,
    annotations: alert.annotations,
    startsAt: alert.startsAt.toISOString(),
    endsAt: new Date(Date.now() + 3_600_000).toISOString(),
    generatorURL: 'https://prometheus.example.com/graph?g0.expr=vector%281%29&g0.tab=1',
  }));
}

const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1_000);

export function watchdog(): unknown {
  return prometheusAlerts([
    {
      labels: { alertname: 'Watchdog', severity: 'none', prometheus: 'monitoring/k8s' },
      annotations: { summary: 'This alert always fires: it shows that alerting works.' },
      startsAt: ago(86_400),
    },
  ]);
}

export function crashLoop(): unknown {
  return prometheusAlerts([
    {
      labels: {
        alertname: 'KubePodCrashLooping',
        severity: 'warning',
        namespace: 'ingress-nginx',
        pod: 'ingress-nginx-controller-6d5f-x2k9p',
        container: 'controller',
        prometheus: 'monitoring/k8s',
      },
      annotations: {
        summary: 'Pod ingress-nginx-controller-6d5f-x2k9p is crash looping',
        description: 'Container controller restarted 6 times in the last 10 minutes.',
        runbook_url: 'https://runbooks.example.com/kubepodcrashlooping',
      },
      startsAt: ago(600),
    },
  ]);
}

export function diskAlmostFull(): GrafanaAlert {
  return {
    labels: {
      alertname: 'Disk almost full',
      grafana_folder: 'Nodes',
      severity: 'high',
      namespace: 'monitoring',
      instance: 'node-3:9100',
      cluster: 'prod-eu',
    },
    annotations: {
      summary: 'Disk of node-3 is 91 % full',
      description: 'At the present rate it is full in 5 hours. Prometheus writes its data there.',
      runbook_url: 'https://runbooks.example.com/disk-full',
    },
    fingerprint: 'c0ffee0000000003',
    startsAt: ago(300),
    values: { A: 91.2, B: 91.2, C: 1 },
    ruleUid: 'disk-full',
  };
}

export function paymentsLatency(startsAt: Date, endsAt?: Date): AlertmanagerAlert {
  return {
    labels: {
      alertname: 'PaymentsLatencyHigh',
      severity: 'critical',
      namespace: 'payments',
      service: 'payments-api',
      cluster: 'prod-eu',
      team: 'payments',
    },
    annotations: {
      summary: 'Payments take longer than 2 seconds',
      description:
        'The 99th percentile of payments-api has been 3.4 s for 5 minutes. Customers see time-outs at the checkout.',
      runbook_url: 'https://runbooks.example.com/payments-latency',
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    },
    fingerprint: 'fa57000000000001',
    startsAt,
    ...(endsAt === undefined ? {} : { endsAt }),
  };
}

const rules = ['Orders per minute', 'Checkout error rate', 'Warehouse queue length'];

/** One data source is away: Grafana raises a DatasourceError for each rule that asks it. */
export function brokenDataSource(startsAt: Date, endsAt?: Date): GrafanaAlert[] {
  return rules.map((rulename, index) => ({
    labels: {
      alertname: 'DatasourceError',
      rulename,
      datasource_uid: 'prometheus-prod-eu',
      grafana_folder: 'Shop',
      severity: 'critical',
    },
    annotations: {
      Error: 'failed to query data: Post "http://prometheus:9090/api/v1/query": connection refused',
    },
    fingerprint: `da7a00000000000${index + 1}`,
    startsAt,
    ...(endsAt === undefined ? {} : { endsAt }),
    ruleUid: `rule-${index + 1}`,
  }));
}

export const stagingAlert = {
  title: 'Nightly load test fails on staging',
  severity: 'critical',
  source: 'load-tests',
  namespace: 'shop-staging',
  labels: { environment: 'staging', job: 'load-test' },
  description: '14 of 200 scenarios failed.',
};

export const hostileAlert = {
  title: '<!channel> *URGENT* <https://evil.example|click here> & <@U12345678>',
  severity: 'warning',
  source: 'somebody',
  namespace: 'shop',
  description:
    '</pre><script>alert(1)</script>\n<!here> _free_ `money`\u0000 \u202Egnp.exe {{ severity }} {% raw %}',
  labels: { 'we"ird': '"><img src=x onerror=alert(1)>' },
};
