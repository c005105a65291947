import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slackSigningSecret, startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ opsgenieStatusAsks: 0 });
});
afterAll(() => world.stop());

const channel = '#k8s-healthchecks';
const message = (title: string, where = channel) => {
  const found = world.slack.messages(where).filter((one) => one.text.includes(title));
  expect(found, title).toHaveLength(1);
  return found[0] ?? { ts: '', text: '', blocks: [] };
};
const buttons = (title: string, where = channel): string[] =>
  [...JSON.stringify(message(title, where).blocks).matchAll(/"action_id":"(alert_\w+)"/g)].map(
    (match) => match[1] ?? '',
  );

async function fire(title: string, severity = 'P3', more: Record<string, unknown> = {}): Promise<string> {
  const answer = await world.call('POST', '/api/v1/alerts', { title, severity, dedupKey: title, ...more });
  await world.drain();
  return answer.body.results[0].id;
}
async function click(title: string, actionId: string, user = 'ana', where = channel) {
  const delivery = await world.slack.click({ channel: where, ts: message(title, where).ts, actionId, user });
  await world.drain();
  return delivery;
}
const alertOf = async (id: string) => (await world.call('GET', `/api/v1/alerts/${id}`)).body;
const actionsOf = async (id: string): Promise<string[]> =>
  (await alertOf(id)).actions.map((one: { action: string }) => one.action);
const told = (user: string) =>
  world.slack
    .ephemerals()
    .filter((one) => one.userId === world.slack.user(user).id)
    .map((one) => one.text);

describe('the buttons', () => {
  it('are those of the contract, with the alert as their value', async () => {
    const id = await fire('Buttons', 'P3', { traceId: '4bf92f3577b34da6a3ce929d0e0e4736' });
    expect(buttons('Buttons')).toEqual([
      'alert_acknowledge',
      'alert_escalate',
      'alert_create_incident',
      'alert_resolve',
      'alert_add_note',
    ]);
    const values = [
      ...JSON.stringify(message('Buttons').blocks).matchAll(/"value":"((?:[^"\\]|\\.)*)"/g),
    ].map((match) => JSON.parse(`"${match[1]}"`) as string);
    expect(values.length).toBeGreaterThanOrEqual(5);
    for (const value of values)
      expect(value.startsWith('{') ? (JSON.parse(value) as { alertId: string }).alertId : value).toBe(id);
  });

  it('acknowledge: answered at once, done once, by name, on the same message', async () => {
    const id = await fire('Click acknowledge');
    const { ts } = message('Click acknowledge');
    const delivery = await click('Click acknowledge', 'alert_acknowledge');
    expect(delivery).toMatchObject({ status: 200, body: '', ok: true });
    expect(delivery.latencyMs).toBeLessThan(3_000);
    expect(await alertOf(id)).toMatchObject({ status: 'acknowledged', acknowledgedBy: 'ana@example.com' });
    expect((await alertOf(id)).actions.at(-1)).toMatchObject({
      action: 'acknowledge',
      userId: 'ana@example.com',
      source: 'slack',
      details: { name: 'ana', slackUserId: world.slack.user('ana').id, messageTs: ts },
    });
    expect(message('Click acknowledge').ts).toBe(ts);
    expect(JSON.stringify(message('Click acknowledge').blocks)).toContain('by ana');
    expect(buttons('Click acknowledge')).not.toContain('alert_acknowledge');
    expect(told('ana')).toEqual([]);
  });

  it('escalate: one level, told in the channel of the graver ones too', async () => {
    const id = await fire('Click escalate', 'P2');
    await click('Click escalate', 'alert_escalate');
    expect(await alertOf(id)).toMatchObject({ status: 'escalated', severity: 'P1' });
    expect(message('Click escalate', '#alert-critical').text).toContain('P1');
    expect(buttons('Click escalate')).toContain('alert_acknowledge');
    expect(world.opsgenie.alerts().filter((one) => one.message.includes('Click escalate'))).toHaveLength(1);
  });

  it('create incident: once, and the message then shows it', async () => {
    const id = await fire('Click incident');
    await click('Click incident', 'alert_create_incident', 'jonas');
    const { incidentId } = await alertOf(id);
    const incident = (await world.call('GET', `/api/v1/incidents/${incidentId}`)).body;
    expect(incident).toMatchObject({ status: 'open', severity: 'P3' });
    expect(JSON.stringify(message('Click incident').blocks)).toContain(incident.externalUrl);
    expect(buttons('Click incident')).not.toContain('alert_create_incident');
    expect(world.opsgenie.alerts().filter((one) => one.message.includes('Click incident'))).toHaveLength(1);
    expect(
      incident.actions.find((one: { action: string }) => one.action === 'create_incident'),
    ).toMatchObject({ userId: 'jonas@example.com', source: 'slack' });
  });

  it('resolve: the message ends without buttons', async () => {
    const id = await fire('Click resolve');
    await click('Click resolve', 'alert_resolve', 'priya');
    expect(await alertOf(id)).toMatchObject({ status: 'resolved' });
    expect(message('Click resolve').text).toMatch(/resolved/i);
    expect(buttons('Click resolve')).toEqual([]);
    expect(JSON.stringify(message('Click resolve').blocks)).toContain('by priya');
  });

  it('add note: a dialog within the life of its trigger, whose text lands on the alert and the message', async () => {
    const id = await fire('Click note');
    const delivery = await click('Click note', 'alert_add_note');
    expect(delivery.status).toBe(200);
    const [view] = world.slack.views().filter((one) => one.type === 'modal');
    expect(view?.userId).toBe(world.slack.user('ana').id);
    const opened = world.slack.calls('views.open').at(-1);
    expect((opened?.at ?? 0) - delivery.at).toBeLessThan(3_000);
    const answer = await world.slack.submitView({
      viewId: view?.id ?? '',
      values: { note: 'cable <!channel> pulled' },
    });
    expect(answer).toMatchObject({ status: 200, errors: {} });
    await world.drain();
    expect(world.slack.views().filter((one) => one.type === 'modal')).toEqual([]);
    expect((await alertOf(id)).actions.at(-1)).toMatchObject({
      action: 'note',
      userId: 'ana@example.com',
      details: { text: 'cable <!channel> pulled' },
    });
    const shown = JSON.stringify(message('Click note').blocks);
    expect(shown).toContain('pulled');
    expect(shown).not.toContain('<!channel>');
    expect(await actionsOf(id)).toEqual(['create', 'note']);
  });
});

describe('twice', () => {
  it('a double click changes nothing twice, and the second person is told quietly who was first', async () => {
    const id = await fire('Double');
    const { ts } = message('Double');
    const before = world.slack.calls('chat.update').length;
    const clicks = await Promise.all(
      ['jonas', 'priya'].map((user) =>
        world.slack.click({ channel, ts, actionId: 'alert_acknowledge', user }),
      ),
    );
    expect(clicks.map((one) => one.status)).toEqual([200, 200]);
    await world.drain();
    expect(await actionsOf(id)).toEqual(['create', 'acknowledge']);
    expect(world.slack.calls('chat.update')).toHaveLength(before + 1);
    const quiet = [...told('jonas'), ...told('priya')].filter((text) =>
      text.includes('already acknowledged'),
    );
    expect(quiet).toHaveLength(1);
    expect(quiet[0]).toMatch(/by (jonas|priya) at .* UTC/);
    expect(world.slack.messages(channel).filter((one) => one.text.includes('already'))).toEqual([]);
  });

  it('a delivery that is repeated is done once', async () => {
    const id = await fire('Repeated');
    const first = await click('Repeated', 'alert_escalate');
    const body = new URLSearchParams({ payload: JSON.stringify(first.payload) }).toString();
    for (let i = 0; i < 2; i += 1) expect((await signed('interactions', body)).status).toBe(200);
    await world.drain();
    expect(await actionsOf(id)).toEqual(['create', 'escalate']);
    expect((await alertOf(id)).severity).toBe('P2');
    const rows = await world.rows(
      "SELECT id FROM inbound_events WHERE kind = 'slack.interaction' AND payload->>'alertId' = $1",
      [id],
    );
    expect(rows).toHaveLength(1);
  });

  it('a click on what is over is explained to the person alone', async () => {
    const id = await fire('Over already');
    const stale = message('Over already').ts;
    const payload = (
      await world.slack.click({ channel, ts: stale, actionId: 'alert_add_note', user: 'priya' })
    ).payload;
    await world.drain();
    await world.call('DELETE', `/api/v1/alerts/${id}`);
    await world.drain();
    const calls = world.slack.calls('chat.update').length;
    // The client of somebody still showed the old buttons.
    const old = JSON.stringify(payload)
      .replaceAll('alert_add_note', 'alert_acknowledge')
      .replace(/"action_ts":"[^"]*"/, '"action_ts":"1795000000.000100"')
      .replace(/"trigger_id":"[^"]*"/, '"trigger_id":"1.2.other"');
    expect((await signed('interactions', new URLSearchParams({ payload: old }).toString())).status).toBe(200);
    await world.drain();
    expect(told('priya').some((text) => text.includes('archived'))).toBe(true);
    expect(world.slack.calls('chat.update')).toHaveLength(calls);
    expect(await actionsOf(id)).toEqual(['create', 'resolve', 'archive']);
  });
});

const noToken = { authorization: '' };

function signature(timestamp: number, body: string, secret = slackSigningSecret): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
}

function signed(
  door: string,
  body: string,
  options: { at?: number; secret?: string; contentType?: string } = {},
) {
  const timestamp = options.at ?? Math.floor(Date.now() / 1_000);
  return world.call('POST', `/api/v1/slack/webhooks/${door}`, body, {
    ...noToken,
    'content-type': options.contentType ?? 'application/x-www-form-urlencoded',
    'x-slack-request-timestamp': String(timestamp),
    'x-slack-signature': signature(timestamp, body, options.secret),
  });
}

describe('the doors for Slack', () => {
  it('refuse wrong, missing, stale and future signatures, and store nothing', async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    const body = new URLSearchParams({
      payload: '{"type":"block_actions"}',
      command: '/gomon',
      text: 'help',
      user_id: 'U1',
      channel_id: 'C1',
    }).toString();
    const count = async () => world.rows('SELECT id FROM inbound_events');
    const before = (await count()).length;
    for (const door of ['interactions', 'commands', 'events']) {
      const refused = [
        await signed(door, body, { secret: 'wrong' }),
        await signed(door, body, { at: nowS - 310 }),
        await signed(door, body, { at: nowS + 310 }),
        await world.call('POST', `/api/v1/slack/webhooks/${door}`, body, noToken),
        // An API token is no substitute for Slack's signature.
        await world.call('POST', `/api/v1/slack/webhooks/${door}`, body),
        await world.call('POST', `/api/v1/slack/webhooks/${door}`, `${body}&x=1`, {
          ...noToken,
          'x-slack-request-timestamp': String(nowS),
          'x-slack-signature': signature(nowS, body),
        }),
      ];
      for (const answer of refused) {
        expect(answer.status).toBe(401);
        expect(answer.headers.get('content-type')).toContain('application/problem+json');
        expect(answer.text).not.toContain(slackSigningSecret);
      }
    }
    expect(await count()).toHaveLength(before);
  });

  it('answer help and ssl_check, signed', async () => {
    const delivery = await world.slack.command({ command: '/gomon', text: 'help', channel });
    expect(delivery).toMatchObject({ status: 200, ok: true });
    expect(JSON.parse(delivery.body)).toMatchObject({
      response_type: 'ephemeral',
      text: expect.stringContaining('/gomon help'),
    });
    const odd = await world.slack.command({ command: '/gomon', text: 'dance <!here>', channel });
    expect(odd.body).not.toContain('<!here>');
    expect(await signed('commands', 'ssl_check=1&token=x')).toMatchObject({ status: 200, text: '' });
    expect(
      (await world.call('POST', '/api/v1/slack/webhooks/commands', 'ssl_check=1&token=x', noToken)).status,
    ).toBe(401);
  });

  it('answer url_verification, signed', async () => {
    expect(await world.slack.urlVerification()).toMatchObject({ status: 200, challengeMatched: true });
    const body = JSON.stringify({ type: 'url_verification', challenge: 'abc' });
    const unsigned = await world.call('POST', '/api/v1/slack/webhooks/events', body, noToken);
    expect(unsigned.status).toBe(401);
    expect(unsigned.text).not.toContain('abc');
  });

  it('answer what they do not know without a warning triangle', async () => {
    const delivery = await world.slack.event({
      type: 'app_mention',
      user: world.slack.user('ana').id,
      text: 'hi',
      ts: '1.2',
      channel: world.slack.channel(channel).id,
      event_ts: '1.2',
    });
    expect(delivery.status).toBe(200);
    const unknown = {
      type: 'shortcut',
      callback_id: 'x',
      trigger_id: 't',
      user: { id: 'U1' },
      team: { id: 'T1' },
    };
    expect(
      (await signed('interactions', new URLSearchParams({ payload: JSON.stringify(unknown) }).toString()))
        .status,
    ).toBe(200);
  });
});

describe('a click that comes from elsewhere than a message', () => {
  const from = (alertId: string | null, actionTs: string, userId = world.slack.user('priya').id) => {
    const payload = {
      type: 'block_actions',
      user: { id: userId, username: 'priya', team_id: 'T1' },
      container: { type: 'view', view_id: 'V1' },
      channel: null,
      message: null,
      trigger_id: '1.2.x',
      actions: [
        {
          type: 'button',
          action_id: 'alert_acknowledge',
          action_ts: actionTs,
          ...(alertId !== null && { value: alertId }),
        },
      ],
    };
    return signed('interactions', new URLSearchParams({ payload: JSON.stringify(payload) }).toString());
  };

  it('does what it says, also twice, and is answered 200 also where it names no alert', async () => {
    const id = await fire('From our page');
    expect((await from(id, '1795000001.000100')).status).toBe(200);
    await world.drain();
    expect(await alertOf(id)).toMatchObject({ status: 'acknowledged', acknowledgedBy: 'priya@example.com' });
    expect((await from(id, '1795000002.000100')).status).toBe(200);
    await world.drain();
    expect(await actionsOf(id)).toEqual(['create', 'acknowledge']);
    expect((await from(null, '1795000003.000100')).status).toBe(200);
  });

  it('by somebody whose profile cannot be read: Slack shows their name, not their id', async () => {
    const id = await fire('Click of a stranger');
    expect((await from(id, '1795000004.000100', 'USTRANGE1')).status).toBe(200);
    await world.drain();
    const shown = JSON.stringify(message('Click of a stranger').blocks);
    expect(shown).toContain('*Acknowledged* by <@USTRANGE1>');
  });
});

describe('the look of a message', () => {
  it('says severity in words, has UTC in its fallback, and links the trace where there is a viewer', async () => {
    await fire('Looks', 'P2', {
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      startsAt: '2026-11-20T08:15:30Z',
    });
    const { text } = message('Looks');
    expect(text).toContain('P2');
    expect(text).toContain('UTC');
    expect(text.length).toBeLessThan(4_000);
    expect(JSON.stringify(message('Looks').blocks)).toContain('4bf92f3577b34da6a3ce929d0e0e4736');
  });
});

it('leaves nothing that Slack refused or took with a frown', () => {
  // But for the stranger above.
  expect(world.slack.errors().filter((one) => one.error !== 'user_not_found')).toEqual([]);
});
