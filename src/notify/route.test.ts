import { describe, expect, it } from 'vitest';
import { knownAlert } from '../../test/support/alerts.ts';
import { type Mute, severities } from '../alerts/alert.ts';
import { notificationPriority, routeAlert, type Routing, subjectOf, suppression } from './route.ts';

const channels = {
  critical: '#alert-critical',
  default: '#k8s-healthchecks',
  development: '#monitoring-dev',
};
const byDefault: Routing = { routes: [], channels };
const routed: Routing = {
  routes: [
    { labels: { team: ['shop'] }, severity: ['P0', 'P1'], channel: '#shop-urgent' },
    { labels: { team: ['shop'] }, channel: '#shop' },
    { namespace: ['kube-*'], channel: '#platform' },
  ],
  channels,
};

describe('where an alert is told', () => {
  it('is decided by its severity', () => {
    const where = severities.map((severity) => routeAlert(knownAlert({ severity }), byDefault).channel);
    expect(where).toEqual([
      '#alert-critical',
      '#alert-critical',
      '#k8s-healthchecks',
      '#k8s-healthchecks',
      '#k8s-healthchecks',
    ]);
  });

  it('is the development channel for whatever is no production, whatever its severity', () => {
    for (const severity of severities) {
      for (const environment of ['dev', 'development', 'test', 'staging']) {
        const alert = knownAlert({ severity, labels: { environment } });
        expect(routeAlert(alert, byDefault)).toEqual({
          channel: '#monitoring-dev',
          reason: `label environment is ${environment}`,
        });
      }
    }
  });

  it('is the first line that fits', () => {
    const shop = { team: 'shop' };
    expect(routeAlert(knownAlert({ severity: 'P1', labels: shop }), routed)).toEqual({
      channel: '#shop-urgent',
      reason: 'line 1 of slack.routes fits',
    });
    expect(
      routeAlert(knownAlert({ severity: 'P3', labels: shop, namespace: 'kube-system' }), routed),
    ).toEqual({
      channel: '#shop',
      reason: 'line 2 of slack.routes fits',
    });
    expect(routeAlert(knownAlert({ namespace: 'kube-system' }), routed).channel).toBe('#platform');
  });

  it('is a line before development, because lines replace the defaults', () => {
    const alert = knownAlert({ severity: 'P0', labels: { team: 'shop', environment: 'dev' } });
    expect(routeAlert(alert, routed).channel).toBe('#shop-urgent');
  });

  it('falls back to the defaults and says so', () => {
    expect(routeAlert(knownAlert({ severity: 'P1' }), routed)).toEqual({
      channel: '#alert-critical',
      reason: 'severity is P1 (no line of slack.routes fits)',
    });
  });
});

describe('what is not told', () => {
  it('has a reason each, and everything else is told', () => {
    expect(suppression(knownAlert())).toBeNull();
    const mutes: Mute[] = ['severity-none', 'heartbeat', 'inhibitor'];
    const reasons = mutes.map((mute) => suppression({ mute }));
    for (const reason of reasons) expect(reason).toMatch(/.{10,}/);
    expect(new Set(reasons).size).toBe(3);
  });
});

describe('the subject of a message', () => {
  it('is the alert itself', () => {
    expect(subjectOf(knownAlert({ id: 'a1' }))).toBe('alert:a1');
  });

  it('is shared by the alerts of one data source, and by no others', () => {
    const one = subjectOf(knownAlert({ id: 'a1', foldKey: 'ds' }));
    expect(subjectOf(knownAlert({ id: 'a2', foldKey: 'ds' }))).toBe(one);
    const others = [
      knownAlert({ foldKey: 'ds2' }),
      knownAlert({ foldKey: 'ds', tenant: '2' }),
      knownAlert({ foldKey: 'ds', source: 'alertmanager' }),
      knownAlert({ foldKey: '' }),
    ].map(subjectOf);
    expect(new Set([one, ...others]).size).toBe(5);
  });

  it('cannot be forged by what a sender writes into its names', () => {
    const a = knownAlert({ tenant: 'x","y', foldKey: 'z' });
    const b = knownAlert({ tenant: 'x', foldKey: 'y","z' });
    expect(subjectOf(a)).not.toBe(subjectOf(b));
  });
});

describe('priority', () => {
  it('puts the gravest first', () => {
    expect(severities.map((severity) => notificationPriority({ severity }))).toEqual([0, 1, 2, 3, 4]);
  });
});
