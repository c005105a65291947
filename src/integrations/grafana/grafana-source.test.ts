import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { AlertSignal } from '../../alerts/source.ts';
import { createGrafanaSource } from './grafana-source.ts';

const source = createGrafanaSource({
  secrets: [],
  signatureHeader: 'X-Grafana-Alerting-Signature',
  timestampHeader: null,
});
const receivedAt = new Date('2026-11-20T08:16:00Z');
const parseBytes = (rawBody: Buffer) => source.parse({ headers: {}, rawBody, receivedAt });
const parseText = (text: string) => parseBytes(Buffer.from(text));

function parse(body: unknown) {
  const result = parseText(JSON.stringify(body));
  if (!result.ok) throw new Error(result.reason);
  return result;
}

const firing = {
  status: 'firing',
  labels: { alertname: 'Disk almost full', grafana_folder: 'Infra', severity: 'warning' },
  annotations: { summary: 'Disk above 90 %', runbook_url: 'https://runbooks.example.test/disk' },
  startsAt: '2026-11-20T08:15:30.123456789+02:00',
  endsAt: '0001-01-01T00:00:00Z',
  generatorURL: 'https://grafana.example.test/alerting/grafana/abc/view?orgId=3',
  fingerprint: '1578591c9307a11b',
  silenceURL: 'https://grafana.example.test/alerting/silence/new?alertmanager=grafana',
  dashboardURL: 'https://grafana.example.test/d/abc',
  panelURL: '',
  imageURL: 'https://images.example.test/1.png',
  values: { A: 91.5, C: 1, D: null, E: '5' },
  valueString: '',
  orgId: 3,
  ruleUID: 'abc',
  enrichments: { any: ['thing'] },
};

const group = (...alerts: unknown[]) => ({
  receiver: '\\[Chat\\] P0',
  status: 'firing',
  state: 'alerting',
  orgId: 1,
  version: '1',
  title: '[FIRING:1] the same for every alert',
  alerts,
});

/** The signal of an alert that differs from `firing` in the given keys. */
function signalOf(changes: Record<string, unknown>, top: Record<string, unknown> = {}): AlertSignal {
  const entry = parse({ ...group({ ...firing, ...changes }), ...top }).entries[0];
  if (entry?.ok !== true) throw new Error(entry?.reason);
  return entry.signal;
}

describe('unified alerting', () => {
  it('is translated whole', () => {
    expect(parse(group(firing))).toEqual({
      ok: true,
      format: 'Grafana unified alerting, version "1"',
      entries: [
        {
          ok: true,
          signal: {
            status: 'firing',
            tenant: '3',
            fingerprint: '1578591c9307a11b',
            labels: firing.labels,
            annotations: firing.annotations,
            links: [
              { rel: 'source', url: firing.generatorURL },
              { rel: 'silence', url: firing.silenceURL },
              { rel: 'dashboard', url: firing.dashboardURL },
              { rel: 'image', url: firing.imageURL },
              { rel: 'runbook', url: 'https://runbooks.example.test/disk' },
            ],
            values: { A: 91.5, C: 1 },
            startsAt: new Date('2026-11-20T06:15:30.123Z'),
            endsAt: null,
            expiresAt: null,
            stateReason: null,
            explicit: {},
          },
        },
      ],
    });
  });

  it('reads the status of each alert, whatever the group says', () => {
    const resolved = { ...firing, status: 'resolved', endsAt: '2026-11-20T08:20:00Z' };
    const { entries } = parse({ ...group(resolved, firing, resolved), status: 'firing' });
    expect(
      entries.map((entry) => entry.ok && [entry.signal.status, entry.signal.endsAt?.toISOString()]),
    ).toEqual([
      ['resolved', '2026-11-20T08:20:00.000Z'],
      ['firing', undefined],
      ['resolved', '2026-11-20T08:20:00.000Z'],
    ]);
  });

  it.each(['0001-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '', null, 'soon', undefined])(
    'a resolve that ended %j has no end',
    (endsAt) => {
      expect(signalOf({ status: 'resolved', endsAt })).toMatchObject({
        status: 'resolved',
        endsAt: null,
        expiresAt: null,
      });
    },
  );

  it.each(['0001-01-01T00:00:00Z', '', 'yesterday', 5, undefined])(
    'a start of %j is no start',
    (startsAt) => {
      expect(signalOf({ startsAt }).startsAt).toBeNull();
    },
  );

  it.each<[unknown, unknown, string]>([
    [3, 1, '3'],
    [undefined, 1, '1'],
    [null, 1, '1'],
    [undefined, null, ''],
    [undefined, undefined, ''],
    ['7', 1, '7'],
    [{}, 1, ''],
  ])('alert orgId %j in group %j is tenant %j', (own, top, tenant) => {
    expect(signalOf({ orgId: own }, { orgId: top }).tenant).toBe(tenant);
  });

  it('drops links that lead nowhere', () => {
    const links = (changes: Record<string, unknown>) =>
      signalOf({ silenceURL: '', dashboardURL: '', imageURL: undefined, ...changes }).links;
    expect(links({ generatorURL: '?orgId=1', annotations: { runbook_url: 'TODO' } })).toEqual([]);
    expect(
      links({ generatorURL: 'javascript:alert(1)', annotations: { runbook: 'https://a.test/' } }),
    ).toEqual([{ rel: 'runbook', url: 'https://a.test/' }]);
    expect(
      links({ generatorURL: '', annotations: { runbook_url: 'TODO', runbook: 'https://a.test/' } }),
    ).toHaveLength(1);
  });

  it.each([null, undefined, {}, [], 'x', { A: 'NaN' }])('values %j are none', (values) => {
    expect(signalOf({ values }).values).toBeNull();
  });

  it('keeps why Grafana changed the state', () => {
    expect(signalOf({ annotations: { grafana_state_reason: 'RuleDeleted' } })).toMatchObject({
      stateReason: 'RuleDeleted',
      annotations: { grafana_state_reason: 'RuleDeleted' },
    });
  });

  it('takes the shape of Grafana 8 (no values) and of Alertmanager-like senders (version 4, more keys)', () => {
    expect(
      parse({ ...group({ ...firing, values: undefined, orgId: undefined }), version: '4', numFiring: 1 }),
    ).toMatchObject({
      format: 'Grafana unified alerting, version "4"',
      entries: [{ ok: true, signal: { tenant: '1', values: null } }],
    });
  });

  it('keeps hostile text as it is', () => {
    const labels = { alertname: '<!channel> `x` \u0000', '名前-x': 'ünïcode' };
    expect(signalOf({ labels }).labels).toEqual(labels);
  });

  it('tolerates missing labels while there is a fingerprint, and a missing fingerprint while there are labels', () => {
    expect(signalOf({ labels: undefined, annotations: null })).toMatchObject({
      labels: {},
      annotations: {},
      fingerprint: firing.fingerprint,
    });
    for (const fingerprint of [undefined, null, '', ' ', {}])
      expect(signalOf({ fingerprint }).fingerprint).toBeNull();
    expect(signalOf({ fingerprint: 'any words' }).fingerprint).toBe('any words');
    expect(signalOf({ fingerprint: 42 }).fingerprint).toBe('42');
  });

  it('refuses a bad alert by itself and says what is wrong with it', () => {
    const { entries } = parse(
      group(
        firing,
        'x',
        { ...firing, status: 'pending' },
        { ...firing, labels: { a: [] } },
        { ...firing, labels: {}, fingerprint: '' },
        { ...firing, annotations: 3 },
        firing,
      ),
    );
    expect(entries.map((entry) => (entry.ok ? 'kept' : entry.reason))).toEqual([
      'kept',
      'alerts[1]: expected an object, found the text "x"',
      'alerts[2].status: expected "firing" or "resolved", found the text "pending"',
      'alerts[3].labels.a: expected a text, found an empty array',
      'alerts[4]: expected labels or a fingerprint to tell it from others, found neither',
      'alerts[5].annotations: expected an object of texts, found the number 3',
      'kept',
    ]);
  });

  it.each([[[]], [null]])('takes %j alerts as none', (alerts) => {
    expect(parse({ ...group(), alerts }).entries).toEqual([]);
  });

  it('limits the number of alerts', () => {
    const alerts = Array.from({ length: 100_001 }, () => 0);
    expect(parseText(JSON.stringify(group(...alerts)))).toEqual({
      ok: false,
      reason: 'alerts: at most 100000 in one request, found 100001.',
    });
  });
});

describe('what is not Grafana', () => {
  it.each([
    ['{"alerts":5}', 'alerts: expected an array, found the number 5.'],
    [
      '{"text":"a","blocks":[]}',
      'the body is a JSON object with the keys text, blocks. If the contact point has a custom payload template, remove it;',
    ],
    [
      '{"schemaId":"azureMonitorCommonAlertSchema","data":{}}',
      'the body is a JSON object with the keys schemaId, data.',
    ],
    ['{}', 'the body is an empty JSON object.'],
    ['[{"labels":{}}]', 'the body is a JSON array of 1.'],
    ['"x"', 'the body is a JSON text "x".'],
    ['null', 'the body is null.'],
    ['', 'the body is empty.'],
    ['Alert: disk full', 'the body is plain text beginning "Alert: disk full".'],
    ['<html>', 'the body is HTML or XML beginning "<html>".'],
    ['payload=%7B%7D', 'the body is form data beginning "payload=%7B%7D".'],
    ['{"alerts":[}', 'the body is broken JSON: unexpected "}" at position 11 (line 1, column 12).'],
  ])('%s is refused', (text, reason) => {
    const result = parseText(text);
    expect(result).toEqual({ ok: false, reason: expect.stringContaining(reason) as string });
    // Grafana keeps the first 1,024 bytes of an answer.
    if (!result.ok) expect(Buffer.byteLength(result.reason)).toBeLessThan(1_000);
  });

  it('never throws, whatever arrives', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => typeof parseBytes(Buffer.from(bytes)).ok === 'boolean'),
    );
    fc.assert(fc.property(fc.json(), (json) => typeof parseText(json).ok === 'boolean'));
    const alert = fc.record(
      Object.fromEntries(
        Object.keys(firing).map((key) => [
          key,
          fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(firing))),
        ]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(alert, fc.jsonValue()), { maxLength: 5 }), (alerts) => {
        expect(parse(group(...alerts)).entries).toHaveLength(alerts.length);
      }),
    );
    const legacy = fc.record({
      state: fc.constantFrom('ok', 'alerting', '__proto__'),
      title: fc.jsonValue(),
      ruleId: fc.jsonValue(),
      evalMatches: fc.jsonValue(),
      tags: fc.jsonValue(),
    });
    fc.assert(fc.property(legacy, (body) => parse(body).entries.length === 1));
  });
});
