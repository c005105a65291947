import { afterEach, describe, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { startWorld, type World } from '../support/world.ts';

describe('a service that only Socket Mode reaches', () => {
  let world: World;

  afterEach(async () => {
    await world.stop();
  });

  const dependencies = async (): Promise<Record<string, { state: string; detail?: string }>> => {
    const answer = await world.call('GET', '/readyz');
    expect(answer.status).toBe(200);
    return answer.body.dependencies;
  };

  const connected = (): Promise<unknown> => world.slack.waitFor(() => world.slack.sockets.connections === 1);

  /** A firing alert of P2 and its message. */
  const fire = async (): Promise<{ channel: string; ts: string }> => {
    await world.call(
      'POST',
      '/api/v1/webhooks/grafana',
      grafanaWebhook([grafanaAlert({ severity: 'warning' })]),
    );
    await world.drain();
    const [message] = world.slack.messages('#k8s-healthchecks');
    return { channel: '#k8s-healthchecks', ts: message?.ts ?? '' };
  };

  const acknowledgements = async (): Promise<number> => {
    const [alert] = (await world.call('GET', '/api/v1/alerts')).body.items;
    const { actions } = (await world.call('GET', `/api/v1/alerts/${alert.id}`)).body;
    return actions.filter((action: { action: string }) => action.action === 'acknowledge').length;
  };

  it('acknowledges by a click, and once only when the same click comes again', async () => {
    world = await startWorld({ socketMode: true });
    await connected();
    const click = await world.slack.click({ ...(await fire()), actionId: 'alert_acknowledge' });
    expect(click).toMatchObject({ ok: true, via: 'socket', body: '' });
    // Acknowledged after it was stored: nothing may be lost from here on.
    expect(await world.rows('SELECT kind FROM inbound_events')).toEqual([{ kind: 'slack.interaction' }]);
    await world.drain();
    expect(world.slack.messages('#k8s-healthchecks')[0]?.text).toMatch(/acknowledged/i);
    expect(await acknowledgements()).toBe(1);
    const updates = world.slack.calls('chat.update').length;

    expect(await world.slack.repeat(click)).toMatchObject({ ok: true });
    await world.drain();
    expect(await world.rows('SELECT id FROM inbound_events')).toHaveLength(1);
    expect(await acknowledgements()).toBe(1);
    expect(world.slack.calls('chat.update')).toHaveLength(updates);
    expect(world.slack.ephemerals()).toEqual([]);
    expect(world.slack.errors()).toEqual([]);
    expect(await dependencies()).toMatchObject({ slack: { state: 'ok' }, 'slack-socket': { state: 'ok' } });
  });

  it('takes a note from a dialog, answers a command, and keeps an event once', async () => {
    world = await startWorld({ socketMode: true });
    await connected();
    await world.slack.click({ ...(await fire()), actionId: 'alert_add_note' });
    const view = await world.slack.waitFor(() => world.slack.views()[0]);
    // Slack's own check lets blanks pass; the answer over the socket holds the dialog open.
    const refused = await world.slack.submitView({ viewId: view.id, values: { note: '   ' } });
    expect(refused.errors).toEqual({ note: 'Please write something.' });
    const taken = await world.slack.submitView({ viewId: view.id, values: { note: 'It is the cache.' } });
    expect(taken.errors).toEqual({});
    await world.drain();
    const [alert] = (await world.call('GET', '/api/v1/alerts')).body.items;
    expect((await world.call('GET', `/api/v1/alerts/${alert.id}`)).text).toContain('It is the cache.');

    await world.slack.command({ command: '/gomon', text: 'help', channel: '#k8s-healthchecks' });
    expect(world.slack.ephemerals()).toMatchObject([
      { origin: 'command', text: expect.stringContaining('/gomon help') },
    ]);

    const event = await world.slack.event({ type: 'channel_rename', channel: { id: 'C1', name: 'new' } });
    await world.slack.repeat(event);
    expect(await world.rows(`SELECT id FROM inbound_events WHERE kind = 'slack.event'`)).toHaveLength(1);
    expect(world.slack.errors()).toEqual([]);
  });

  it('starts while Slack is down, says so, and hears Slack when it is back', async () => {
    world = await startWorld({ socketMode: true });
    await connected();
    world.slack.fault({ method: '*', kind: 'reset', times: 1_000 });
    await world.restart();
    await world.slack.waitFor(() => world.slack.calls('apps.connections.open').length >= 2);
    expect(await dependencies()).toMatchObject({ 'slack-socket': { state: 'failing' } });
    expect(world.slack.sockets.connections).toBe(0);

    world.slack.clearFaults();
    await world.slack.waitFor(() => world.slack.sockets.connections === 1, 10_000);
    const click = await world.slack.click({ ...(await fire()), actionId: 'alert_acknowledge' });
    expect(click).toMatchObject({ ok: true });
    await world.drain();
    expect(await acknowledgements()).toBe(1);
    expect(await dependencies()).toMatchObject({ 'slack-socket': { state: 'ok' } });
    expect(world.log()).not.toContain('xapp-test');
  });

  it('is off without an app token, and with one that has no bot token beside it', async () => {
    world = await startWorld();
    expect(await dependencies()).toMatchObject({ 'slack-socket': { state: 'off' } });
    await world.stop();
    world = await startWorld({ socketMode: true, env: { SLACK_BOT_TOKEN: undefined } });
    expect(await dependencies()).toMatchObject({ slack: { state: 'off' }, 'slack-socket': { state: 'off' } });
    expect(world.slack.calls('apps.connections.open')).toEqual([]);
  });
});
