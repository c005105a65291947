import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

describe('the main job', () => {
  let world: World;

  beforeEach(async () => {
    world = await startWorld();
  });

  afterEach(async () => {
    await world.stop();
  });

  it('turns a Grafana alert into a stored alert, an incident and a live Slack message', async () => {
    const posted = await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook([grafanaAlert()]));
    expect(posted.status).toBe(200);
    expect(posted.body).toMatchObject({
      received: 1,
      created: 1,
      updated: 0,
      resolved: 0,
      ignored: 0,
      rejected: [],
    });
    await world.drain();

    const list = await world.call('GET', '/api/v1/alerts');
    const [alert] = list.body.items;
    expect(alert).toMatchObject({
      severity: 'P1',
      status: 'firing',
      title: 'Basket latency is too high',
      source: 'grafana',
    });
    expect(list.body.nextCursor).toBeNull();

    const incident = await world.call('GET', `/api/v1/incidents/${alert.incidentId}`);
    expect(incident.body).toMatchObject({
      status: 'open',
      severity: 'P1',
      alertCount: 1,
      provider: 'opsgenie',
    });
    expect(world.opsgenie.alerts()).toHaveLength(1);
    expect(world.opsgenie.alerts()[0]).toMatchObject({
      alias: `gomon-${alert.incidentId}`,
      priority: 'P2',
      status: 'open',
    });
    expect(incident.body.externalId).toBe(world.opsgenie.alerts()[0]?.id);

    const messages = world.slack.messages('#alert-critical');
    expect(messages).toHaveLength(1);
    expect(messages[0]?.text).toContain('Basket latency is too high');
    expect(world.slack.calls('chat.postMessage')).toHaveLength(1);
    expect(world.slack.errors()).toEqual([]);
  });

  it('acknowledges by a click, shows it in the same message, and tells a second clicker quietly', async () => {
    await world.call(
      'POST',
      '/api/v1/webhooks/grafana',
      grafanaWebhook([grafanaAlert({ severity: 'warning' })]),
    );
    await world.drain();
    const [message] = world.slack.messages('#k8s-healthchecks');
    const ts = message?.ts ?? '';

    const answer = await world.slack.click({
      channel: '#k8s-healthchecks',
      ts,
      actionId: 'alert_acknowledge',
    });
    expect(answer.status).toBe(200);
    await world.drain();

    const [alert] = (await world.call('GET', '/api/v1/alerts')).body.items;
    expect(alert.status).toBe('acknowledged');
    // The card, and a line in its thread.
    expect(world.slack.calls('chat.postMessage')).toHaveLength(2);
    expect(world.slack.messages('#k8s-healthchecks')).toHaveLength(1);
    expect(world.slack.messages('#k8s-healthchecks')[0]?.replies.map((one) => one.text)).toEqual([
      expect.stringMatching(/^Acknowledged by /),
    ]);
    expect(world.slack.messages('#k8s-healthchecks')[0]?.text).toMatch(/acknowledged/i);
    const updates = world.slack.calls('chat.update').length;

    const detail = await world.call('GET', `/api/v1/alerts/${alert.id}`);
    expect(
      detail.body.actions.filter((action: { action: string }) => action.action === 'acknowledge'),
    ).toHaveLength(1);

    const again = await world.call('PUT', `/api/v1/alerts/${alert.id}/acknowledge`);
    expect(again.status).toBe(200);
    await world.drain();
    expect(world.slack.calls('chat.update')).toHaveLength(updates);
  });

  it('edits the message to its end when the source resolves the alert, and closes the incident', async () => {
    await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook([grafanaAlert()]));
    await world.drain();
    const resolved = grafanaAlert({ status: 'resolved', endsAt: '2026-11-20T09:00:00Z' });
    const answer = await world.call('POST', '/api/v1/webhooks/grafana', grafanaWebhook([resolved]));
    expect(answer.body).toMatchObject({ resolved: 1 });
    await world.drain();

    const [message] = world.slack.messages('#alert-critical');
    expect(message?.text).toMatch(/resolved/i);
    expect(JSON.stringify(message?.blocks)).not.toContain('alert_acknowledge');
    expect(world.opsgenie.alerts()[0]).toMatchObject({ status: 'closed' });
    const [incident] = (await world.call('GET', '/api/v1/incidents')).body.items;
    expect(incident.status).toBe('resolved');
  });
});
