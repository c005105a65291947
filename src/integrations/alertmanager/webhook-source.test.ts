import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createAlertmanagerSource } from './webhook-source.ts';

const source = createAlertmanagerSource();
const parseBytes = (rawBody: Buffer) =>
  source.parse({ headers: {}, rawBody, receivedAt: new Date('2026-11-20T08:16:00Z') });
const parseText = (text: string) => parseBytes(Buffer.from(text));
const parse = (body: unknown) => parseText(JSON.stringify(body));

const alert = {
  status: 'firing',
  labels: { alertname: 'NodeDown', instance: 'n1:9100', severity: 'critical' },
  annotations: { summary: 'n1 is down', runbook: 'https://runbooks.example.test/node' },
  startsAt: '2026-11-20T08:15:30.327Z',
  endsAt: '0001-01-01T00:00:00Z',
  generatorURL: 'http://prometheus:9090/graph?g0.expr=up',
  fingerprint: 'bde8fd662aa6653e',
};
const group = {
  receiver: 'gomon',
  status: 'firing',
  version: '4',
  groupKey: '{}:{}',
  groupLabels: {},
  commonLabels: {},
  externalURL: '',
  truncatedAlerts: 0,
};

describe('createAlertmanagerSource', () => {
  it('has no signature to verify', () => {
    expect(source.name).toBe('alertmanager');
    expect(source).not.toHaveProperty('verify');
  });

  it('translates version 4', () => {
    expect(
      parse({ ...group, alerts: [alert], notification_reason: 'first notification', routeLabels: {} }),
    ).toEqual({
      ok: true,
      format: 'Alertmanager webhook, version "4"',
      entries: [
        {
          ok: true,
          signal: {
            status: 'firing',
            tenant: '',
            fingerprint: 'bde8fd662aa6653e',
            labels: alert.labels,
            annotations: alert.annotations,
            links: [
              { rel: 'source', url: alert.generatorURL },
              { rel: 'runbook', url: 'https://runbooks.example.test/node' },
            ],
            values: null,
            startsAt: new Date('2026-11-20T08:15:30.327Z'),
            endsAt: null,
            expiresAt: null,
            stateReason: null,
            explicit: {},
          },
        },
      ],
    });
  });

  it('translates version 3: a group key beyond 2^53 and no fingerprint', () => {
    const { fingerprint: _, ...old } = alert;
    const text = JSON.stringify({ ...group, version: '3', groupKey: 'KEY', alerts: [old] }).replace(
      '"KEY"',
      '12345678901234567890',
    );
    expect(parseText(text)).toMatchObject({
      format: 'Alertmanager webhook, version "3"',
      entries: [{ ok: true, signal: { fingerprint: null } }],
    });
  });

  it('takes imitators: version 1, an end in 1970, words as fingerprint, a description beside the annotations', () => {
    const imitation = {
      ...alert,
      endsAt: '1970-01-01T00:00:00Z',
      fingerprint: '7f3c-payments',
      description: 'Error ratio above 5%',
      annotations: {},
    };
    expect(parse({ ...group, version: '1', alerts: [imitation] })).toMatchObject({
      entries: [
        {
          signal: {
            status: 'firing',
            endsAt: null,
            fingerprint: '7f3c-payments',
            explicit: { description: 'Error ratio above 5%' },
          },
        },
      ],
    });
  });

  it('reads the status of each alert and refuses a bad one by itself', () => {
    const resolved = { ...alert, status: 'resolved', endsAt: '2026-11-20T08:19:30.327Z' };
    const result = parse({ ...group, alerts: [alert, { ...alert, status: undefined }, resolved] });
    expect(
      result.ok && result.entries.map((entry) => (entry.ok ? entry.signal.status : entry.reason)),
    ).toEqual(['firing', 'alerts[1].status: expected "firing" or "resolved", found nothing', 'resolved']);
  });

  it.each([
    [3, 3],
    [0, undefined],
    ['3', undefined],
    [-1, undefined],
    [null, undefined],
  ])('knows of truncatedAlerts %j that %j never come', (truncatedAlerts, count) => {
    const result = parse({ ...group, alerts: [alert], truncatedAlerts });
    expect(result.ok && result.truncatedAlerts).toBe(count);
  });

  it.each([
    ['[]', 'an empty JSON array, as Prometheus posts it to /api/v2/alerts'],
    ['{"text":"x"}', 'a JSON object with the keys text'],
    ['{"alerts":{}}', 'alerts: expected an array, found an empty object.'],
    ['FIRING', 'plain text beginning "FIRING"'],
  ])('refuses %s', (text, reason) => {
    expect(parseText(text)).toEqual({ ok: false, reason: expect.stringContaining(reason) as string });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => typeof parseBytes(Buffer.from(bytes)).ok === 'boolean'),
    );
    fc.assert(fc.property(fc.array(fc.jsonValue()), (alerts) => parse({ alerts }).ok));
  });
});
