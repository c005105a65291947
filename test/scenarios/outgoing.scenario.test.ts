import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setTrap, type Trap } from '../support/trap.ts';
import { slackSigningSecret, startWorld, type World } from '../support/world.ts';

/** Nothing that came in with a request is called, whatever it claims to be. */
let world: World;
let trap: Trap;
beforeAll(async () => {
  [world, trap] = await Promise.all([startWorld({ opsgenieStatusAsks: 0 }), setTrap()]);
});
afterAll(async () => {
  await Promise.all([world.stop(), trap.close()]);
});

async function clickWith(alertId: string, responseUrl: string, clickNumber: number): Promise<number> {
  const [message] = world.slack.messages('#k8s-healthchecks');
  const payload = {
    type: 'block_actions',
    user: { id: world.slack.user('ana').id, username: 'ana' },
    trigger_id: `t.${clickNumber}`,
    response_url: responseUrl,
    channel: { id: 'C000000000' },
    container: { channel_id: 'C000000000', message_ts: message?.ts ?? '1.1' },
    actions: [{ action_id: 'alert_acknowledge', value: alertId, action_ts: String(clickNumber) }],
  };
  const body = `payload=${encodeURIComponent(JSON.stringify(payload))}`;
  const timestamp = String(Math.floor(world.clock.now().getTime() / 1_000));
  const signature = createHmac('sha256', slackSigningSecret).update(`v0:${timestamp}:${body}`).digest('hex');
  const answer = await world.call('POST', '/api/v1/slack/webhooks/interactions', body, {
    authorization: '',
    'content-type': 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': timestamp,
    'x-slack-signature': `v0=${signature}`,
  });
  await world.drain();
  return answer.status;
}

describe('an address that came with a click', () => {
  it('is called only where Slack is, also when it is the only way left to tell the person', async () => {
    const created = await world.call('POST', '/api/v1/alerts', { title: 'Clicked', severity: 'P3' });
    await world.drain();
    const alertId: string = created.body.results[0].id;
    await world.call('PUT', `/api/v1/alerts/${alertId}/acknowledge`);
    await world.drain();
    const hostile = [
      trap.url,
      `${trap.url}/hooks.slack.com/actions/T1/1/x`,
      trap.url.replace('127.0.0.1', 'localhost'),
      `${trap.url.replace('http://', 'http://hooks.slack.com@')}/x`,
      'http://169.254.169.254/latest/meta-data/',
      'file:///etc/passwd',
      'not an address',
    ];
    let clicks = 0;
    for (const url of hostile) {
      world.slack.fault({ method: 'chat.postEphemeral', kind: 'ok-false', error: 'channel_not_found' });
      clicks += 1;
      expect(await clickWith(alertId, url, clicks), url).toBe(200);
    }
    expect(world.slack.calls('chat.postEphemeral')).toHaveLength(hostile.length);
    expect(trap.asked).toEqual([]);
    const outcomes = await world.rows<{ outcome: string }>(
      "SELECT outcome FROM inbound_events WHERE kind = 'slack.interaction'",
    );
    expect(outcomes).toHaveLength(hostile.length);
    for (const { outcome } of outcomes) expect(outcome).toContain('already acknowledged');
  });
});

describe('addresses in an alert', () => {
  it('are shown to people and never called', async () => {
    const url = `${trap.url}/hook`;
    const fields = {
      generatorURL: url,
      silenceURL: url,
      dashboardURL: url,
      panelURL: url,
      imageURL: `${url}.png`,
    };
    const alert = {
      status: 'firing',
      labels: { alertname: 'Links', severity: 'critical', url },
      annotations: { summary: url, runbook_url: url, description: `see ${url}` },
      startsAt: '2026-11-20T08:15:30Z',
      endsAt: '0001-01-01T00:00:00Z',
      fingerprint: 'links',
      ...fields,
    };
    const answer = await world.call('POST', '/api/v1/webhooks/grafana', {
      version: '1',
      status: 'firing',
      externalURL: url,
      alerts: [alert],
    });
    expect(answer.body).toMatchObject({ created: 1 });
    await world.drain();
    expect(world.slack.messages('#alert-critical')).toHaveLength(1);
    const change = { action: 'Acknowledge', alert: { alertId: 'x', alias: 'y' }, source: { name: url }, url };
    await world.call('POST', '/api/v1/webhooks/opsgenie', change, {
      'x-gomon-webhook-secret': 'test-webhook-secret',
    });
    await world.drain();
    expect(trap.asked).toEqual([]);
  });
});
