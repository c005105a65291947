import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

describe('how long an alert without an end is believed', () => {
  let world: World;

  beforeAll(async () => {
    world = await startWorld({
      settings: {
        sources: { grafana: { resolveTimeoutSeconds: 600 }, alertmanager: { resolveTimeoutSeconds: 60 } },
      },
    });
  });

  afterAll(async () => {
    await world.stop();
  });

  const statusOf = async (source: string): Promise<string> => {
    const list = await world.call('GET', `/api/v1/alerts?source=${source}`);
    return (list.body as { items: { status: string }[] }).items[0]?.status ?? 'none';
  };

  it('is what its source says, for the sources that say so', async () => {
    await world.call(
      'POST',
      '/api/v1/webhooks/grafana',
      grafanaWebhook([grafanaAlert({ severity: 'warning' })]),
    );
    await world.call('POST', '/api/v1/alerts', { title: 'No end in sight' });
    const alertmanager = {
      version: '4',
      status: 'firing',
      alerts: [grafanaAlert({ severity: 'warning', fingerprint: 'feedfeedfeedfeed' })],
    };
    await world.call('POST', '/api/v1/webhooks/alertmanager', alertmanager);

    world.clock.advance(570_000);
    await world.app.tick();
    expect(await statusOf('grafana')).toBe('firing');

    world.clock.advance(40_000);
    await world.app.tick();
    expect(await statusOf('grafana')).toBe('resolved');
    expect(await statusOf('api')).toBe('firing');
    // Its webhook repeats every few hours: the setting is for POST /api/v2/alerts.
    expect(await statusOf('alertmanager')).toBe('firing');
    await world.drain();
    expect(
      world.slack.messages('#k8s-healthchecks').map((message) => /resolved/i.test(message.text)),
    ).toContain(true);
  });
});
