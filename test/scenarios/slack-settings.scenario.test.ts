import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from '../support/world.ts';

const template = `
text: "CUSTOM {{ severity }} {{ title }}"
blocks:
  - type: section
    text: {type: mrkdwn, text: "our own layout: {{ title }}"}
`;

describe('a workspace set up by its operator', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      env: { JAEGER_UI_URL: 'https://jaeger.example.org/ui/' },
      settings: {
        slack: {
          unlinkedUsers: 'read',
          routes: [
            { labels: { team: 'pay*' }, channel: '#team-pay' },
            { namespace: ['shop', 'basket'], severity: ['P2', 'P3'], channel: 'team-shop' },
            { source: 'grafana', channel: '#team-shop' },
          ],
          channels: { default: '#everything-else' },
          pace: {
            burstPerChannel: 1_000,
            postsPerSecondPerChannel: 100,
            editBurst: 10_000,
            editsPerMinute: 100_000,
          },
        },
      },
      // The bot may not read e-mail addresses: nobody can be linked.
      slackScopes: [
        'channels:history',
        'channels:join',
        'channels:read',
        'chat:write',
        'chat:write.public',
        'commands',
        'users:read',
      ],
    });
    for (const name of ['team-pay', 'team-shop', 'everything-else']) world.slack.addChannel({ name });
  });
  afterAll(() => world.stop());

  async function fire(title: string, severity: string, more: Record<string, unknown> = {}): Promise<string> {
    const answer = await world.call('POST', '/api/v1/alerts', { title, severity, ...more });
    await world.drain();
    return answer.body.results[0].id;
  }
  const told = (channel: string): string[] => world.slack.messages(channel).map((one) => one.text);

  it('is told where slack.routes says, the first line that fits, else by the channels', async () => {
    await fire('Pay now', 'P1', { labels: { team: 'payments', environment: 'staging' } });
    await fire('Shop slow', 'P3', { namespace: 'basket' });
    await fire('Shop down', 'P0', { namespace: 'shop' });
    await fire('Stray', 'P4');
    expect(told('#team-pay')).toEqual([expect.stringContaining('Pay now')]);
    expect(told('#team-shop')).toEqual([expect.stringContaining('Shop slow')]);
    expect(told('#alert-critical')).toEqual([expect.stringContaining('Shop down')]);
    expect(told('#everything-else')).toEqual([expect.stringContaining('Stray')]);
    expect(world.slack.calls('chat.postMessage')).toHaveLength(4);
    const { decisions } = await world.alert('q=shop%20slow');
    expect(decisions.find((one: { stage: string }) => one.stage === 'routing')).toMatchObject({
      outcome: '#team-shop',
      reason: expect.stringContaining('line 2'),
    });
  });

  it('lets people whose account is not linked look, not act', async () => {
    const id = await fire('Hands off', 'P3');
    const [message] = world.slack
      .messages('#everything-else')
      .filter((one) => one.text.includes('Hands off'));
    for (const actionId of [
      'alert_acknowledge',
      'alert_escalate',
      'alert_create_incident',
      'alert_resolve',
      'alert_add_note',
    ]) {
      expect(
        (
          await world.slack.click({
            channel: '#everything-else',
            ts: message?.ts ?? '',
            actionId,
            user: 'ana',
          })
        ).status,
      ).toBe(200);
    }
    await world.drain();
    const alert = (await world.call('GET', `/api/v1/alerts/${id}`)).body;
    expect(alert).toMatchObject({ status: 'firing', severity: 'P3', incidentId: null });
    expect(alert.actions.map((one: { action: string }) => one.action)).toEqual(['create']);
    const quiet = world.slack.ephemerals().filter((one) => one.userId === world.slack.user('ana').id);
    expect(quiet).toHaveLength(5);
    for (const one of quiet) expect(one.text).toContain('look, but not act');
    expect(world.slack.calls('views.open')).toEqual([]);
  });

  it('links the trace where a viewer is configured', async () => {
    const id = await fire('Traced', 'P4', { traceId: '4bf92f3577b34da6a3ce929d0e0e4736' });
    const url = 'https://jaeger.example.org/ui/trace/4bf92f3577b34da6a3ce929d0e0e4736';
    expect((await world.call('GET', `/api/v1/alerts/${id}`)).body.traceUrl).toBe(url);
    const [message] = world.slack.messages('#everything-else').filter((one) => one.text.includes('Traced'));
    const shown = JSON.stringify(message?.blocks);
    expect(shown).toContain('"action_id":"alert_trace"');
    expect(shown).toContain(url);
    const delivery = await world.slack.click({
      channel: '#everything-else',
      ts: message?.ts ?? '',
      actionId: 'alert_trace',
    });
    expect(delivery.status).toBe(200);
    await world.drain();
    expect((await world.call('GET', `/api/v1/alerts/${id}`)).body.actions).toHaveLength(1);
  });

  it('asks whoever cannot be looked up to click again, before they have given up waiting', async () => {
    await fire('Who is it', 'P3');
    const [card] = world.slack.messages('#everything-else').filter((one) => one.text.includes('Who is it'));
    world.slack.fault({ method: 'users.info', kind: 'timeout-before' });
    const click = await world.slack.click({
      channel: '#everything-else',
      ts: card?.ts ?? '',
      actionId: 'alert_acknowledge',
      user: 'priya',
    });
    const said = 'could not be looked up just now (timeout)';
    await world.slack.waitFor(() => world.slack.ephemerals().some((one) => one.text.includes(said)));
    const answered = world.slack.calls('chat.postEphemeral').at(-1);
    expect((answered?.at ?? 0) - click.at).toBeLessThan(3_500);
  });
});

describe('a template of the operator', () => {
  it('replaces wording and layout of every card', async () => {
    const world = await startWorld({
      settings: { slack: { templateFile: 'card.yaml' } },
      files: { 'card.yaml': template },
    });
    try {
      const answer = await world.call('POST', '/api/v1/alerts', {
        title: 'Own words <!channel>',
        severity: 'P3',
      });
      await world.drain();
      const [message] = world.slack.messages('#k8s-healthchecks');
      expect(message?.text).toContain('CUSTOM');
      expect(JSON.stringify(message?.blocks)).toContain('our own layout');
      expect(JSON.stringify([message?.text, message?.blocks])).not.toContain('<!channel>');
      await world.call('PUT', `/api/v1/alerts/${answer.body.results[0].id}/acknowledge`);
      await world.drain();
      expect(world.slack.messages('#k8s-healthchecks')).toHaveLength(1);
      expect(world.slack.errors()).toEqual([]);
    } finally {
      await world.stop();
    }
  });

  it('stops the start when it is wrong, naming what is', async () => {
    const wrong = startWorld({
      settings: { slack: { templateFile: 'card.yaml' } },
      files: { 'card.yaml': template.replaceAll('title }}', 'titel }}') },
    });
    await expect(wrong).rejects.toThrow(/titel/);
    const withoutSlack = startWorld({
      settings: { slack: { templateFile: 'card.yaml' } },
      files: { 'card.yaml': template.replaceAll('title }}', 'titel }}') },
      env: { SLACK_BOT_TOKEN: undefined, SLACK_SIGNING_SECRET: undefined },
    });
    await expect(withoutSlack).rejects.toThrow(/titel/);
  });
});

describe('without Slack', () => {
  it('everything else works, and it is said once that Slack is off', async () => {
    const world = await startWorld({
      env: { SLACK_BOT_TOKEN: undefined, SLACK_SIGNING_SECRET: undefined },
      opsgenieStatusAsks: 0,
    });
    try {
      await world.call('POST', '/api/v1/alerts', { title: 'Silent', severity: 'P1' });
      await world.drain();
      expect(world.slack.calls()).toEqual([]);
      expect(world.opsgenie.alerts()).toHaveLength(1);
      const ready = await world.call('GET', '/readyz', undefined, { authorization: '' });
      expect(ready).toMatchObject({
        status: 200,
        body: {
          state: 'ready',
          dependencies: {
            database: { state: 'ok' },
            slack: { state: 'off' },
            opsgenie: { state: 'ok' },
            jaeger: { state: 'off' },
          },
        },
      });
      expect(
        world
          .log()
          .split('\n')
          .filter((line) => line.includes('"integration":"slack"')),
      ).toHaveLength(1);
      expect(
        (await world.call('POST', '/api/v1/slack/webhooks/commands', 'ssl_check=1', { authorization: '' }))
          .status,
      ).toBe(401);
    } finally {
      await world.stop();
    }
  });
});
