import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createAlertmanagerApiSource } from './api-source.ts';

const receivedAt = new Date('2026-11-20T08:16:00.000Z');
const source = createAlertmanagerApiSource({ resolveTimeoutSeconds: 300 });
const parseBytes = (rawBody: Buffer) => source.parse({ headers: {}, rawBody, receivedAt });
const parseText = (text: string) => parseBytes(Buffer.from(text));

/** What becomes of one posted alert. */
function posted(alert: unknown) {
  const result = parseText(JSON.stringify([alert]));
  if (!result.ok) throw new Error(result.reason);
  const entry = result.entries[0];
  return entry?.ok === true ? entry.signal : entry?.reason;
}

const labels = { alertname: 'NodeDown', instance: 'n1:9100' };
const at = (iso: string | null) => (iso === null ? null : new Date(iso));

describe('POST /api/v2/alerts', () => {
  it('translates what Prometheus posts', () => {
    const alert = {
      labels,
      annotations: { summary: 'n1 is down', runbook_url: 'https://runbooks.example.test/node' },
      startsAt: '2026-11-20T08:15:30.327Z',
      endsAt: '2026-11-20T08:19:30.327Z',
      generatorURL: 'http://prometheus:9090/graph?g0.expr=up',
    };
    expect(parseText(JSON.stringify([alert]))).toMatchObject({ ok: true, format: 'Alertmanager API v2' });
    expect(posted(alert)).toEqual({
      status: 'firing',
      tenant: '',
      fingerprint: null,
      labels,
      annotations: alert.annotations,
      links: [
        { rel: 'source', url: alert.generatorURL },
        { rel: 'runbook', url: 'https://runbooks.example.test/node' },
      ],
      values: null,
      startsAt: at('2026-11-20T08:15:30.327Z'),
      endsAt: null,
      expiresAt: at('2026-11-20T08:19:30.327Z'),
      stateReason: null,
      explicit: {},
    });
  });

  const start = '2026-11-20T08:00:00Z';
  it.each<[string, object, string, string | null, string | null, string | null]>([
    ['no times: believed for resolve_timeout', {}, 'firing', null, null, '2026-11-20T08:21:00Z'],
    ['a start only', { startsAt: start }, 'firing', start, null, '2026-11-20T08:21:00Z'],
    [
      'a future end',
      { startsAt: start, endsAt: '2026-11-20T08:16:00.001Z' },
      'firing',
      start,
      null,
      '2026-11-20T08:16:00.001Z',
    ],
    [
      'an end at the moment of receipt',
      { startsAt: start, endsAt: '2026-11-20T08:16:00Z' },
      'resolved',
      start,
      '2026-11-20T08:16:00Z',
      null,
    ],
    [
      'a past end',
      { startsAt: start, endsAt: '2026-11-20T08:10:00Z' },
      'resolved',
      start,
      '2026-11-20T08:10:00Z',
      null,
    ],
    ['an end only', { endsAt: '2026-11-20T08:10:00Z' }, 'resolved', null, '2026-11-20T08:10:00Z', null],
    ['an end equal to the start', { startsAt: start, endsAt: start }, 'resolved', start, start, null],
    [
      'zero times, which count as missing',
      { startsAt: '0001-01-01T00:00:00Z', endsAt: '0001-01-01T00:00:00Z' },
      'firing',
      null,
      null,
      '2026-11-20T08:21:00Z',
    ],
    ['empty times', { startsAt: '', endsAt: null }, 'firing', null, null, '2026-11-20T08:21:00Z'],
  ])('%s', (_name, times, status, startsAt, endsAt, expiresAt) => {
    expect(posted({ labels, ...times })).toMatchObject({
      status,
      startsAt: at(startsAt),
      endsAt: at(endsAt),
      expiresAt: at(expiresAt),
    });
  });

  it('says which end it guessed', () => {
    expect(posted({ labels })).toMatchObject({ expiryGuessed: true });
    expect(posted({ labels, endsAt: '2026-11-20T09:00:00Z' })).not.toHaveProperty('expiryGuessed');
  });

  it('removes empty label values, and keeps UTF-8 and private names', () => {
    const odd = { '名前 x': '1', __alert_rule_uid__: 'abc' };
    expect(
      posted({ labels: { ...labels, empty: '', ...odd }, annotations: { empty: '', __dashboardUid__: 'd' } }),
    ).toMatchObject({
      labels: { ...labels, ...odd },
      annotations: { empty: '', __dashboardUid__: 'd' },
    });
    expect(posted({ labels: { ...labels, empty: '' } })).not.toHaveProperty('labels.empty');
  });

  it.each<[unknown, string]>([
    [{}, '[0].labels: expected at least one label with a value, found none'],
    [{ labels: { a: '' } }, '[0].labels: expected at least one label with a value, found none'],
    [{ labels: { '': 'x', a: 'b' } }, '[0].labels: a label name is empty'],
    [{ labels: [] }, '[0].labels: expected an object of texts, found an empty array'],
    [{ labels: { a: {} } }, '[0].labels.a: expected a text, found an empty object'],
    [{ labels, annotations: 'x' }, '[0].annotations: expected an object of texts, found the text "x"'],
    [{ labels, startsAt: 'now' }, '[0].startsAt: expected an RFC 3339 time, found the text "now"'],
    [{ labels, endsAt: 5 }, '[0].endsAt: expected an RFC 3339 time, found the number 5'],
    [
      { labels, startsAt: '2026-11-20T09:00:00Z', endsAt: '2026-11-20T08:59:59Z' },
      '[0].endsAt: 2026-11-20T08:59:59.000Z is before startsAt 2026-11-20T09:00:00.000Z',
    ],
    ['x', '[0]: expected an object, found the text "x"'],
    [null, '[0]: expected an object, found null'],
  ])('refuses %j', (alert, reason) => {
    expect(posted(alert)).toBe(reason);
  });

  it('keeps the valid ones beside the bad, in their places', () => {
    const result = parseText(JSON.stringify([{ labels }, {}, { labels }]));
    expect(result.ok && result.entries.map((entry) => entry.ok)).toEqual([true, false, true]);
    expect(parseText('[]')).toMatchObject({ ok: true, entries: [] });
  });

  it.each([
    [
      '{"alerts":[]}',
      'a JSON object with the keys alerts, as a webhook_config sends it to /api/v1/webhooks/alertmanager',
    ],
    ['{"labels":{}}', 'a JSON object with the keys labels'],
    ['[{]', 'broken JSON: unexpected "]" at position 2 (line 1, column 3)'],
    [
      JSON.stringify(Array.from({ length: 100_001 }, () => 0)),
      'an array of 100001, where at most 100000 are taken',
    ],
  ])('refuses another body %#', (text, reason) => {
    expect(parseText(text)).toEqual({ ok: false, reason: expect.stringContaining(reason) as string });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => typeof parseBytes(Buffer.from(bytes)).ok === 'boolean'),
    );
    const alert = fc.record(
      {
        labels: fc.jsonValue(),
        annotations: fc.jsonValue(),
        startsAt: fc.jsonValue(),
        endsAt: fc.date({ noInvalidDate: true }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(alert, fc.jsonValue())),
        (alerts) => parseText(JSON.stringify(alerts)).ok,
      ),
    );
  });
});
