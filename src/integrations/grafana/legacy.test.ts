import { describe, expect, it } from 'vitest';

import { isLegacy, parseLegacy } from './legacy.ts';

const alerting = {
  title: '[Alerting] Queue depth',
  ruleId: 12,
  ruleName: 'Queue depth',
  ruleUrl: 'https://grafana.example.test/d/abc?tab=alert',
  imageUrl: 'https://images.example.test/2.png',
  state: 'alerting',
  message: 'The queue is too long',
  orgId: 2,
  dashboardId: 5,
  panelId: 1,
  tags: { severity: 'critical' },
  evalMatches: [
    {
      value: 120,
      metric: 'orders',
      tags: { __name__: 'queue_depth', queue: 'orders', instance: 'mq-1', 'info.zone': 'a' },
    },
    {
      value: 130.5,
      metric: 'mails',
      tags: { __name__: 'queue_depth', queue: 'mails', instance: 'mq-1', 'info.zone': 'a' },
    },
  ],
};

const entryOf = (changes: Record<string, unknown>) => parseLegacy({ ...alerting, ...changes }).entries[0];
const signalOf = (changes: Record<string, unknown>) => {
  const entry = entryOf(changes);
  if (entry?.ok !== true) throw new Error(entry?.reason);
  return entry.signal;
};

describe('legacy dashboard alerts', () => {
  it('are translated whole', () => {
    expect(parseLegacy(alerting).format).toBe('Grafana legacy dashboard alerting');
    expect(signalOf({})).toEqual({
      status: 'firing',
      tenant: '2',
      fingerprint: 'legacy-rule-12-dashboard-5-panel-1',
      labels: { alertname: 'Queue depth', severity: 'critical', instance: 'mq-1', 'info.zone': 'a' },
      annotations: {},
      links: [
        { rel: 'source', url: alerting.ruleUrl },
        { rel: 'image', url: alerting.imageUrl },
      ],
      values: { orders: 120, mails: 130.5 },
      startsAt: null,
      endsAt: null,
      expiresAt: null,
      stateReason: null,
      explicit: { title: 'Queue depth', description: 'The queue is too long' },
    });
  });

  it.each([
    ['alerting', 'firing', null],
    ['no_data', 'firing', 'NoData'],
    ['ok', 'resolved', null],
  ])('%s is %s', (state, status, stateReason) => {
    expect(signalOf({ state })).toMatchObject({ status, stateReason });
  });

  it.each(['paused', 'pending', 'unknown', '', 5, null, '__proto__', 'constructor'])(
    'the state %j is refused with a reason',
    (state) => {
      const entry = entryOf({ state });
      expect(entry).toMatchObject({
        ok: false,
        reason: expect.stringMatching(/^state: expected one of alerting, no_data, ok, found /) as string,
      });
    },
  );

  it('have the same identity when they resolve', () => {
    expect(signalOf({ state: 'ok', title: '[OK] Queue depth', evalMatches: [] }).fingerprint).toBe(
      signalOf({}).fingerprint,
    );
    expect(signalOf({ state: 'ok', evalMatches: [] })).toMatchObject({
      values: null,
      labels: { alertname: 'Queue depth', severity: 'critical' },
    });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ ruleId: 0 }, 'legacy-rule-0-dashboard-5-panel-1'],
    [{ dashboardId: undefined, panelId: undefined }, 'legacy-rule-12'],
    [{ ruleId: undefined }, 'legacy-dashboard-5-panel-1'],
  ])('with %j are identified by %s', (changes, fingerprint) => {
    expect(signalOf(changes).fingerprint).toBe(fingerprint);
  });

  it('without an id are identified by name and tags of the rule, which an ok repeats', () => {
    const firing = { ruleId: null, dashboardId: undefined, panelId: undefined };
    const over = { ...firing, state: 'ok', title: '[OK] Queue depth', evalMatches: [] };
    expect(signalOf(firing).fingerprint).toMatch(/^legacy-[0-9a-f]{16}$/);
    expect(signalOf(over).fingerprint).toBe(signalOf(firing).fingerprint);
    for (const other of [{ ruleName: 'Queue age' }, { tags: { severity: 'critical', team: 'b' } }])
      expect(signalOf({ ...firing, ...other }).fingerprint).not.toBe(signalOf(firing).fingerprint);
  });

  it('take the title without the state in front where the rule has no name', () => {
    expect(signalOf({ ruleName: undefined }).explicit.title).toBe('Queue depth');
    expect(signalOf({ ruleName: '' }).labels['alertname']).toBe('Queue depth');
  });

  it('without anything to identify the rule are refused', () => {
    const nothing = {
      ruleId: undefined,
      dashboardId: undefined,
      panelId: undefined,
      ruleName: 5,
      title: ' ',
    };
    expect(entryOf(nothing)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ruleId: expected') as string,
    });
  });

  it('tolerate matches without tags', () => {
    expect(
      signalOf({ evalMatches: [{ value: 1, metric: 'a', tags: null }, 'x', { value: 'y', metric: 'b' }] }),
    ).toMatchObject({
      values: { a: 1 },
      labels: { alertname: 'Queue depth', severity: 'critical' },
    });
  });
});

describe('isLegacy', () => {
  it.each<[Record<string, unknown>, boolean]>([
    [alerting, true],
    [{ title: 'x', state: 'ok', ruleId: 0 }, true],
    [{ ...alerting, alerts: [] }, false],
    [{ title: 'x', state: 'ok' }, false],
    [{ state: 'open', incident_id: '1' }, false],
    [{}, false],
  ])('%j: %s', (body, expected) => {
    expect(isLegacy(body)).toBe(expected);
  });
});
