import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

import type { AlertSource, ParsedDelivery, SourceRequest } from '../../src/alerts/source.ts';
import type { DescribedSignal } from '../../src/alerts/describe.ts';
import { createAlertmanagerApiSource } from '../../src/integrations/alertmanager/api-source.ts';
import { createAlertmanagerSource } from '../../src/integrations/alertmanager/webhook-source.ts';
import { createGrafanaSource } from '../../src/integrations/grafana/grafana-source.ts';
import { defaultSourceRules } from '../../src/alerts/source-rules.ts';
import { describeSignal } from '../../src/alerts/describe.ts';
import { labelsFingerprint } from '../../src/alerts/fingerprint.ts';

/**
 * Real payloads of the vendors, kept outside the repository: the folder is
 * named by GOMON_REFERENCE_DATA. Every file is expected exactly, and a file
 * without an expectation fails, so that none is passed over.
 */
const dataDirectory = process.env['GOMON_REFERENCE_DATA'];
const payloads = dataDirectory === undefined ? '' : resolve(dataDirectory, 'payloads');

const grafana = createGrafanaSource({
  secrets: [],
  signatureHeader: 'X-Grafana-Alerting-Signature',
  timestampHeader: null,
});
const alertmanager = createAlertmanagerSource();
const api = createAlertmanagerApiSource({ resolveTimeoutSeconds: 300 });

function request(file: string, receivedAt = '2026-11-20T08:16:00Z'): SourceRequest {
  return { headers: {}, rawBody: readFileSync(join(payloads, file)), receivedAt: new Date(receivedAt) };
}

function parsed(source: AlertSource, file: string, receivedAt?: string): ParsedDelivery {
  const result = source.parse(request(file, receivedAt));
  if (!result.ok) throw new Error(`${file} was refused: ${result.reason}`);
  return result;
}

function described(source: AlertSource, file: string, receivedAt?: string): DescribedSignal[] {
  return parsed(source, file, receivedAt).entries.map((entry) => {
    if (!entry.ok) throw new Error(`${file}: ${entry.reason}`);
    return describeSignal(entry.signal, defaultSourceRules, source.name);
  });
}

/** Identity, status, severity and title of every alert; the rest where the file is about it. */
type Expected = Partial<DescribedSignal> &
  Pick<DescribedSignal, 'status' | 'tenant' | 'fingerprint' | 'severity' | 'title'>;

const checkout = {
  tenant: '1',
  severity: 'P1',
  title: 'p99 latency above 2s',
  namespace: 'ingress-nginx',
  mute: null,
  foldKey: null,
} satisfies Partial<DescribedSignal>;
const instanceDown = { status: 'firing', severity: 'P1', endsAt: null } satisfies Partial<DescribedSignal>;
const crashLoop = {
  severity: 'P3',
  title: 'Pod is crash looping.',
  namespace: 'monitoring',
} satisfies Partial<DescribedSignal>;
const diskFull = {
  status: 'firing',
  tenant: '',
  startsAt: null,
  endsAt: null,
  expiresAt: new Date('2026-11-20T08:21:00Z'),
} satisfies Partial<DescribedSignal>;

const grafanaFiles: Record<string, Expected[]> = {
  'docs_two_firing.json': [
    {
      status: 'firing',
      tenant: '1',
      fingerprint: 'c6eadffa33fcdf37',
      severity: 'P3',
      unknownSeverity: true,
      title: 'This alert was triggered for zone us-1',
      startsAt: new Date('2021-10-12T07:51:03.157Z'),
    },
    {
      status: 'firing',
      tenant: '1',
      fingerprint: 'bc97ff14869b13e3',
      severity: 'P3',
      unknownSeverity: true,
      title: 'This alert was triggered for zone eu-1',
      values: { B: 44.23943737541908, C: 1 },
    },
  ],
  'contact_point_test_button.json': [
    {
      status: 'firing',
      tenant: '1',
      fingerprint: '57c6d9296de2ad39',
      severity: 'P3',
      unknownSeverity: true,
      title: 'Notification test',
      values: null,
      foldKey: null,
      mute: null,
    },
  ],
  'nodata_direct_contact_point.json': [
    {
      status: 'firing',
      tenant: '1',
      fingerprint: 'c50ae7bba42b3626',
      severity: 'P3',
      unknownSeverity: true,
      title: 'viable/strict is broken: no data',
      foldKey: 'grafanacloud-prom',
      description: 'TEST MODE: You should have a description Fix HUD',
    },
  ],
  'webhook_alert_v10_docs.json': [
    {
      status: 'firing',
      tenant: '1',
      fingerprint: '929467973978d053',
      severity: 'P3',
      title: 'WebhookAlert',
      values: null,
    },
  ],
  'max_alerts_truncated.json': [
    { status: 'firing', tenant: '1', fingerprint: 'fac0861a85de433a', severity: 'P3', title: 'alert1' },
    { status: 'firing', tenant: '1', fingerprint: 'fab6861a85d5eeb5', severity: 'P3', title: 'alert1' },
  ],
  'custom_payload_default_template.json': [
    { status: 'firing', tenant: '1', fingerprint: 'fac0861a85de433a', severity: 'P3', title: 'alert1' },
  ],
  'mixed_firing_and_resolved.json': [
    {
      ...checkout,
      status: 'firing',
      fingerprint: '1578591c9307a11b',
      endsAt: null,
      values: { A: 3.1, C: 1 },
    },
    {
      ...checkout,
      status: 'resolved',
      fingerprint: '1a67c55ee055cbc8',
      endsAt: new Date('2026-11-20T08:20:00Z'),
    },
  ],
  'resolved.json': [
    {
      ...checkout,
      status: 'resolved',
      fingerprint: '1578591c9307a11b',
      endsAt: new Date('2026-11-20T09:01:30Z'),
    },
  ],
  'legacy_alerting.json': [
    {
      status: 'firing',
      tenant: '',
      fingerprint: 'legacy-rule-7',
      severity: 'P3',
      title: 'Zeta CPU alert',
      description: 'boom!',
      values: { user: 97.007606 },
    },
  ],
  'legacy_ok.json': [
    {
      status: 'resolved',
      tenant: '',
      fingerprint: 'legacy-rule-7',
      severity: 'P3',
      title: 'Zeta CPU alert',
      values: null,
    },
  ],
  'oncall_three_firing_version4.json': [
    { ...instanceDown, tenant: '', fingerprint: 'f404ecabc8dd5cd7', title: 'InstanceDown (localhost:8081)' },
    { ...instanceDown, tenant: '', fingerprint: 'f8f08d4e32c61a9d', title: 'InstanceDown (localhost:8082)' },
    { ...instanceDown, tenant: '', fingerprint: '39f38c0611ee7abd', title: 'InstanceDown (localhost:8083)' },
  ],
};

const alertmanagerFiles: Record<string, Expected[]> = {
  'goalert_two_firing.json': [
    { ...instanceDown, tenant: '', fingerprint: '791cec13fcba0368', title: 'Instance 127.0.0.1:9090 down' },
    { ...instanceDown, tenant: '', fingerprint: '8df98227bdd81384', title: 'Instance localhost:9090 down' },
  ],
  'oncall_two_firing.json': [
    { ...instanceDown, tenant: '', fingerprint: 'f404ecabc8dd5cd7', title: 'InstanceDown (localhost:8081)' },
    { ...instanceDown, tenant: '', fingerprint: 'f8f08d4e32c61a9d', title: 'InstanceDown (localhost:8082)' },
  ],
  'alerta_v4_no_fingerprint.json': [
    {
      status: 'firing',
      tenant: '',
      fingerprint: labelsFingerprint({ alertname: 'thing_dead', severity: 'critical' }),
      severity: 'P1',
      title: 'No things for over 10 minutes',
      startsAt: new Date('2017-08-03T19:17:37.804Z'),
    },
  ],
  'v034_notification_reason.json': [
    { ...crashLoop, status: 'firing', tenant: '', fingerprint: 'bde8fd662aa6653e' },
  ],
  'partially_resolved_group.json': [
    { ...crashLoop, status: 'firing', tenant: '', fingerprint: 'bde8fd662aa6653e', endsAt: null },
    {
      ...crashLoop,
      status: 'resolved',
      tenant: '',
      fingerprint: '5793b447c481c3a1',
      endsAt: new Date('2026-11-20T08:19:30.327Z'),
    },
  ],
  'watchdog.json': [
    {
      status: 'firing',
      tenant: '',
      fingerprint: 'e1749c6acab64267',
      severity: 'P4',
      title: 'An alert that should always be firing to certify that Alertmanager is working properly.',
      mute: 'heartbeat',
    },
  ],
  'coralogix_firing.json': [
    {
      status: 'firing',
      tenant: '',
      fingerprint: '7f3c-payments-5xx',
      severity: 'P2',
      title: 'payments 5xx',
      description: 'Error ratio above 5%',
      endsAt: null,
      expiresAt: null,
    },
  ],
};

const apiFiles: Record<string, { receivedAt: string; alerts: Expected[] }> = {
  'ha_example_six_alerts.json': {
    receivedAt: '2026-11-20T08:16:00Z',
    alerts: [
      ...['sda1', 'sda2'].map((dev) => ({ dev, instance: 'example1' })),
      ...['sda1', 'sdb2'].map((dev) => ({ dev, instance: 'example2' })),
    ]
      .map((labels): Expected => {
        const fingerprint = labelsFingerprint({ alertname: 'DiskRunningFull', ...labels });
        return {
          ...diskFull,
          fingerprint,
          severity: 'P3',
          title: `please check the instance ${labels.instance}`,
        };
      })
      .concat(
        ['critical', 'warning'].map((severity): Expected => {
          const fingerprint = labelsFingerprint({
            alertname: 'DiskRunningFull',
            dev: 'sda1',
            instance: 'example3',
            severity,
          });
          return {
            ...diskFull,
            fingerprint,
            severity: severity === 'critical' ? 'P1' : 'P3',
            title: 'DiskRunningFull (example3)',
          };
        }),
      ),
  },
  'prometheus_firing_future_endsat.json': {
    receivedAt: '2026-11-20T08:15:31Z',
    alerts: [
      {
        ...crashLoop,
        status: 'firing',
        tenant: '',
        fingerprint: 'bde8fd662aa6653e',
        endsAt: null,
        expiresAt: new Date('2026-11-20T08:19:30.327Z'),
      },
    ],
  },
  'prometheus_resolved.json': {
    receivedAt: '2026-11-20T08:31:31Z',
    alerts: [
      {
        ...crashLoop,
        status: 'resolved',
        tenant: '',
        fingerprint: 'bde8fd662aa6653e',
        endsAt: new Date('2026-11-20T08:31:30.327Z'),
        expiresAt: null,
      },
    ],
  },
};

/** What the other vendors send does not come in through these doors. */
const foreign = ['azure-monitor', 'cloudwatch-sns', 'gcp-monitoring', 'other'];

type Vector = {
  body_utf8?: string;
  body_file?: string;
  secret: string;
  timestamp: string | null;
  signature_header: string;
  timestamp_header: string | null;
  signature_hex: string;
};

describe.skipIf(dataDirectory === undefined)('reference payloads', () => {
  const jsonFiles = (folder: string) =>
    readdirSync(join(payloads, folder)).filter((file) => file.endsWith('.json'));

  it('are all expected', () => {
    expect(jsonFiles('grafana').toSorted()).toEqual(Object.keys(grafanaFiles).toSorted());
    expect(jsonFiles('alertmanager').toSorted()).toEqual(Object.keys(alertmanagerFiles).toSorted());
    expect(jsonFiles('alertmanager-api-v2').toSorted()).toEqual(Object.keys(apiFiles).toSorted());
  });

  it.each(Object.entries(grafanaFiles))('grafana/%s', (file, alerts) => {
    const result = described(grafana, `grafana/${file}`);
    expect(result).toHaveLength(alerts.length);
    expect(result).toMatchObject(alerts);
  });

  it.each(Object.entries(alertmanagerFiles))('alertmanager/%s', (file, alerts) => {
    const result = described(alertmanager, `alertmanager/${file}`);
    expect(result).toHaveLength(alerts.length);
    expect(result).toMatchObject(alerts);
    // Alertmanager's fingerprints can be computed again; Coralogix sends words of its own.
    if (file === 'coralogix_firing.json') return;
    for (const alert of result) expect(labelsFingerprint(alert.labels)).toBe(alert.fingerprint);
  });

  it.each(Object.entries(apiFiles))('alertmanager-api-v2/%s', (file, { receivedAt, alerts }) => {
    const result = described(api, `alertmanager-api-v2/${file}`, receivedAt);
    expect(result).toHaveLength(alerts.length);
    expect(result).toMatchObject(alerts);
  });

  it('leave a firing alert of Prometheus over once its end has passed', () => {
    expect(
      described(api, 'alertmanager-api-v2/prometheus_firing_future_endsat.json', '2026-11-20T08:19:31Z'),
    ).toMatchObject([{ status: 'resolved' }]);
  });

  it('of a resolve meet the alert they end', () => {
    const [open] = described(grafana, 'grafana/mixed_firing_and_resolved.json');
    const [end] = described(grafana, 'grafana/resolved.json');
    expect([end?.tenant, end?.fingerprint, end?.startsAt]).toEqual([
      open?.tenant,
      open?.fingerprint,
      open?.startsAt,
    ]);
  });

  it('say what they are', () => {
    const format = (file: string) => parsed(grafana, `grafana/${file}`).format;
    expect(format('resolved.json')).toBe('Grafana unified alerting, version "1"');
    expect(format('oncall_three_firing_version4.json')).toBe('Grafana unified alerting, version "4"');
    expect(format('legacy_ok.json')).toBe('Grafana legacy dashboard alerting');
  });

  const foreignFiles =
    dataDirectory === undefined
      ? []
      : foreign.flatMap((folder) => jsonFiles(folder).map((file) => `${folder}/${file}`));
  // Skipped with its suite, but a table must not be empty.
  it.each(foreignFiles.length === 0 ? ['none'] : foreignFiles)(
    '%s is refused at every door, with what was seen',
    (file) => {
      const keys = Object.keys(JSON.parse(readFileSync(join(payloads, file), 'utf8')) as object);
      for (const source of [grafana, alertmanager, api]) {
        const result = source.parse(request(file));
        expect(result).toMatchObject({
          ok: false,
          reason: expect.stringContaining('the body is a JSON object with the keys') as string,
        });
        if (!result.ok) expect(result.reason).toContain(`keys ${keys[0]}`);
      }
    },
  );

  it('carry signatures that verify', () => {
    const vectors = JSON.parse(readFileSync(join(payloads, 'hmac_vectors.json'), 'utf8')) as Vector[];
    expect(vectors).toHaveLength(3);
    for (const vector of vectors) {
      const source = createGrafanaSource({
        secrets: ['another', vector.secret],
        signatureHeader: vector.signature_header,
        timestampHeader: vector.timestamp_header,
      });
      const rawBody =
        vector.body_file === undefined
          ? Buffer.from(vector.body_utf8 ?? '')
          : readFileSync(join(payloads, vector.body_file));
      const headers = {
        [vector.signature_header.toLowerCase()]: vector.signature_hex,
        ...(vector.timestamp_header === null
          ? {}
          : { [vector.timestamp_header.toLowerCase()]: vector.timestamp ?? undefined }),
      };
      const receivedAt = new Date(Number(vector.timestamp ?? 0) * 1_000);
      expect(source.verify?.({ headers, rawBody, receivedAt })).toEqual({ ok: true });
      expect(
        source.verify?.({ headers, rawBody: Buffer.concat([rawBody, Buffer.from(' ')]), receivedAt }),
      ).toMatchObject({ ok: false });
      if (vector.timestamp !== null) {
        expect(
          source.verify?.({ headers, rawBody, receivedAt: new Date(receivedAt.getTime() + 301_000) }),
        ).toMatchObject({ ok: false });
      }
    }
  });
});
