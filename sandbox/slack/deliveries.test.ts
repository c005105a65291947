import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import type { SlackSandbox, SlackSandboxOptions } from './server.ts';
import {
  api,
  button,
  marked,
  noteModal,
  plain,
  signingSecret,
  startService,
  startTestSandbox,
} from './testing.ts';
import type { Received, Reply, Service } from './testing.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function start(
  answer?: Parameters<typeof startService>[0],
  options: Partial<SlackSandboxOptions> = {},
): Promise<{ sandbox: SlackSandbox; service: Service }> {
  const service = await startService(answer);
  const sandbox = await startTestSandbox(options);
  sandbox.deliverTo(service.url);
  open.push(sandbox, service);
  return { sandbox, service };
}

async function postCard(
  sandbox: SlackSandbox,
  more: JsonObject = {},
): Promise<{ channel: string; ts: string }> {
  const metadata = { event_type: 'gomon_alert', event_payload: { alert_id: 'a1' } };
  const blocks = [
    {
      type: 'actions',
      block_id: 'row',
      elements: [button('alert_acknowledge'), button('alert_trace', { url: 'https://example.com/t/1' })],
    },
    {
      type: 'actions',
      block_id: 'row2',
      elements: [
        { type: 'overflow', action_id: 'more', options: [{ text: plain('Escalate'), value: 'escalate' }] },
      ],
    },
  ];
  const answer = await api(sandbox, 'chat.postMessage', {
    channel: 'alert-critical',
    text: 'P1 firing',
    blocks,
    metadata,
    ...more,
  });
  return { channel: String(answer['channel']), ts: String(answer['ts']) };
}

async function openNote(
  sandbox: SlackSandbox,
  service: Service,
  view: JsonObject = noteModal,
): Promise<string> {
  await sandbox.click({ ...(await postCard(sandbox)), actionId: 'alert_acknowledge' });
  const opened = await api(sandbox, 'views.open', { trigger_id: service.lastPayload()['trigger_id'], view });
  return (opened['view'] as { id: string }).id;
}

function signatureIsRight(request: Received | undefined): boolean {
  const timestamp = String(request?.headers['x-slack-request-timestamp']);
  const digest = createHmac('sha256', signingSecret).update(`v0:${timestamp}:${request?.body}`).digest('hex');
  return (
    request?.headers['x-slack-signature'] === `v0=${digest}` &&
    Math.abs(Date.now() / 1000 - Number(timestamp)) < 5
  );
}

describe('a click', () => {
  it('arrives signed, as a form with one field, in the shape of block_actions', async () => {
    const { sandbox, service } = await start();
    const at = await postCard(sandbox);
    const delivery = await sandbox.click({ ...at, actionId: 'alert_acknowledge', user: 'priya@example.com' });
    expect(delivery).toMatchObject({ ok: true, status: 200, failure: null, latencyMs: expect.any(Number) });
    const [request] = service.received;
    expect(request?.path).toBe('/api/v1/slack/webhooks/interactions');
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(signatureIsRight(request)).toBe(true);
    expect([...new URLSearchParams(request?.body).keys()]).toEqual(['payload']);
    const { id } = sandbox.user('priya');
    expect(service.lastPayload()).toMatchObject({
      type: 'block_actions',
      team: { id: sandbox.teamId, domain: 'example' },
      user: { id, username: 'priya', name: 'priya', team_id: sandbox.teamId },
      api_app_id: expect.stringMatching(/^A/),
      container: { type: 'message', message_ts: at.ts, channel_id: at.channel, is_ephemeral: false },
      trigger_id: expect.any(String),
      channel: { id: at.channel, name: 'alert-critical' },
      message: {
        ts: at.ts,
        text: 'P1 firing',
        blocks: [{ block_id: 'row' }, {}],
        metadata: { event_payload: { alert_id: 'a1' } },
      },
      response_url: expect.stringContaining('/hooks/actions/'),
      actions: [
        {
          type: 'button',
          action_id: 'alert_acknowledge',
          block_id: 'row',
          value: 'v1',
          action_ts: expect.stringMatching(/^\d+\.\d{6}$/),
        },
      ],
    });
  });
  it('on a button with an address is delivered too', async () => {
    const { sandbox, service } = await start();
    await sandbox.click({ ...(await postCard(sandbox)), actionId: 'alert_trace' });
    expect(service.lastPayload()).toMatchObject({ actions: [{ action_id: 'alert_trace' }] });
  });
  it('on a menu carries the chosen option', async () => {
    const { sandbox, service } = await start();
    await sandbox.click({ ...(await postCard(sandbox)), actionId: 'more', value: 'escalate' });
    expect(service.lastPayload()).toMatchObject({
      actions: [{ type: 'overflow', selected_option: { value: 'escalate' } }],
    });
  });
  it('in an attachment names the attachment', async () => {
    const { sandbox, service } = await start();
    const attachments = [{ color: '#ff0000', blocks: [{ type: 'actions', elements: [button('inside')] }] }];
    await sandbox.click({ ...(await postCard(sandbox, { attachments })), actionId: 'inside' });
    expect(service.lastPayload()).toMatchObject({
      container: { type: 'message_attachment', attachment_id: 1 },
    });
  });
  it('on what is not there is an error of the test, not of the service', async () => {
    const { sandbox } = await start();
    const at = await postCard(sandbox);
    await expect(sandbox.click({ ...at, actionId: 'nothing' })).rejects.toThrow('no nothing to click');
    await expect(sandbox.click({ ...at, ts: '1.000000', actionId: 'more' })).rejects.toThrow('no message');
  });
  it.each<[string, Reply | 'silence' | 'break', string, number]>([
    ['answered 500', { status: 500, body: 'oops' }, 'http_error', 500],
    ['answered 201', { status: 201 }, 'http_error', 201],
    ['answered too late', 'silence', 'http_timeout', 0],
    ['cut off', 'break', 'connection_failed', 0],
  ])('%s is a failed click, and not repeated', async (_name, reply, failure, status) => {
    const { sandbox, service } = await start(() => reply, { answerLimitMs: 500 });
    const delivery = await sandbox.click({ ...(await postCard(sandbox)), actionId: 'alert_acknowledge' });
    expect(delivery).toMatchObject({ ok: false, failure, status });
    expect(sandbox.messages('alert-critical')[0]?.failedClick).toBe(failure);
    expect(sandbox.errors()).toMatchObject([{ where: 'block_actions', error: failure }]);
    expect(service.received).toHaveLength(1);
  });
});

describe('a modal', () => {
  it('is submitted with what was entered', async () => {
    const { sandbox, service } = await start();
    const viewId = await openNote(sandbox, service);
    const result = await sandbox.submitView({ viewId, values: { note: 'disk full' } });
    expect(result).toMatchObject({ ok: true, errors: {} });
    expect(service.lastPayload()).toMatchObject({
      type: 'view_submission',
      trigger_id: expect.any(String),
      view: {
        id: viewId,
        callback_id: 'note',
        private_metadata: '{"alertId":"a1"}',
        hash: expect.any(String),
        state: { values: { note: { text: { type: 'plain_text_input', value: 'disk full' } } } },
      },
      response_urls: [],
    });
    expect(sandbox.views()).toEqual([]);
  });
  it('is not sent while a required input is empty', async () => {
    const { sandbox, service } = await start();
    const viewId = await openNote(sandbox, service);
    await expect(sandbox.submitView({ viewId, values: { note: '' } })).rejects.toThrow(
      'complete this required field',
    );
    expect(service.received).toHaveLength(1);
  });
  const answers: [string, Reply, Record<string, string>, number, string | null][] = [
    [
      'errors by block_id keep it open',
      { json: { response_action: 'errors', errors: { note: 'too short' } } },
      { note: 'too short' },
      1,
      null,
    ],
    [
      'errors for an unknown block are trouble',
      { json: { response_action: 'errors', errors: { other: 'a' } } },
      { '': expect.stringContaining('trouble') as string },
      1,
      'invalid_errors',
    ],
    ['clear closes it', { json: { response_action: 'clear' } }, {}, 0, null],
    ['push opens another above it', { json: { response_action: 'push', view: noteModal } }, {}, 2, null],
    [
      'update with a wrong view is trouble',
      { json: { response_action: 'update', view: { type: 'modal' } } },
      { '': expect.stringContaining('trouble') as string },
      1,
      'invalid_arguments',
    ],
    [
      'an unknown action is trouble',
      { json: { response_action: 'explode' } },
      { '': expect.stringContaining('trouble') as string },
      1,
      'invalid_response',
    ],
    [
      'text is trouble',
      { body: 'ok' },
      { '': expect.stringContaining('trouble') as string },
      1,
      'invalid_response',
    ],
    [
      '500 is trouble',
      { status: 500 },
      { '': expect.stringContaining('trouble') as string },
      1,
      'http_error',
    ],
  ];
  it.each(answers)('answered with %s', async (_name, reply, errors, openViews, error) => {
    const { sandbox, service } = await start((_request, count) => (count === 2 ? reply : {}));
    const viewId = await openNote(sandbox, service);
    const result = await sandbox.submitView({ viewId, values: { note: 'a' } });
    expect(result.errors).toEqual(errors);
    expect(sandbox.views()).toHaveLength(openViews);
    expect(sandbox.errors().map((each) => each.error)).toEqual(error ? [error] : []);
  });
  it('is updated in place by the answer', async () => {
    const view = { ...noteModal, title: plain('Saved') };
    const { sandbox, service } = await start((_request, count) =>
      count === 2 ? { json: { response_action: 'update', view } } : {},
    );
    await sandbox.submitView({ viewId: await openNote(sandbox, service), values: { note: 'a' } });
    expect(sandbox.views()).toMatchObject([{ definition: { title: { text: 'Saved' } } }]);
  });
  it('tells that it was closed only when asked to', async () => {
    const { sandbox, service } = await start();
    expect(await sandbox.closeView(await openNote(sandbox, service))).toBeNull();
    const told = await sandbox.closeView(
      await openNote(sandbox, service, { ...noteModal, notify_on_close: true }),
    );
    expect(told).toMatchObject({ ok: true, type: 'view_closed' });
  });
  it('sends choices in Slack’s shapes', async () => {
    const option = (value: string): JsonObject => ({ text: plain(value.toUpperCase()), value });
    const field = (id: string, element: JsonObject): JsonObject => ({
      type: 'input',
      block_id: id,
      optional: true,
      label: plain(id),
      element: { action_id: 'x', ...element },
    });
    const { sandbox, service } = await start();
    const viewId = await openNote(sandbox, service, {
      ...noteModal,
      blocks: [
        field('one', { type: 'static_select', options: [option('a'), option('b')] }),
        field('many', { type: 'checkboxes', options: [option('a'), option('b')] }),
        field('who', { type: 'users_select' }),
        field('none', { type: 'plain_text_input' }),
        field('preset', { type: 'radio_buttons', options: [option('a')], initial_option: option('a') }),
      ],
    });
    await sandbox.submitView({ viewId, values: { one: 'b', many: ['a', 'b'], who: 'U1' } });
    expect((service.lastPayload()['view'] as { state: unknown }).state).toMatchObject({
      values: {
        one: { x: { type: 'static_select', selected_option: { text: { text: 'B' }, value: 'b' } } },
        many: { x: { selected_options: [{ value: 'a' }, { value: 'b' }] } },
        who: { x: { type: 'users_select', selected_user: 'U1' } },
        none: { x: { type: 'plain_text_input', value: null } },
        preset: { x: { selected_option: { value: 'a' } } },
      },
    });
  });
});

describe('a slash command', () => {
  const help = { command: '/gomon', text: 'help @ana #alert-critical', channel: 'alert-critical' };
  it('arrives as a flat signed form with names turned into ids', async () => {
    const { sandbox, service } = await start(() => ({ body: 'Try `list`' }));
    await sandbox.command({ ...help, user: 'jonas' });
    const [request] = service.received;
    expect(request?.path).toBe('/api/v1/slack/webhooks/commands');
    expect(signatureIsRight(request)).toBe(true);
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toMatchObject({
      command: '/gomon',
      text: `help <@${sandbox.user('ana').id}|ana> <#${sandbox.channel('alert-critical').id}|alert-critical>`,
      user_id: sandbox.user('jonas').id,
      channel_name: 'alert-critical',
      is_enterprise_install: 'false',
      response_url: expect.stringContaining('/hooks/commands/'),
      trigger_id: expect.any(String),
    });
    expect(sandbox.ephemerals()).toMatchObject([
      { text: 'Try `list`', userId: sandbox.user('jonas').id, origin: 'command' },
    ]);
  });
  it.each<[string, Reply, number, number]>([
    ['nothing shows nothing', {}, 0, 0],
    [
      'JSON shows blocks to the person',
      { json: { text: 'a', blocks: [{ type: 'section', text: marked('a') }] } },
      1,
      0,
    ],
    ['in_channel is for everybody', { json: { response_type: 'in_channel', text: 'a' } }, 0, 1],
  ])('answered with %s', async (_name, reply, ephemerals, messages) => {
    const { sandbox } = await start(() => reply);
    await sandbox.command(help);
    expect(sandbox.ephemerals()).toHaveLength(ephemerals);
    expect(sandbox.messages('alert-critical')).toHaveLength(messages);
    expect(sandbox.errors()).toEqual([]);
  });
  it.each<[string, Reply | 'silence', string]>([
    ['500', { status: 500 }, 'dispatch_failed'],
    ['nothing in time', 'silence', 'operation_timeout'],
    ['wrong blocks', { json: { blocks: [{ type: 'banana' }] } }, 'invalid_blocks'],
  ])('answered with %s tells the person that it failed', async (_name, reply, error) => {
    const { sandbox } = await start(() => reply, { answerLimitMs: 500 });
    await sandbox.command(help);
    expect(sandbox.ephemerals()).toMatchObject([{ origin: 'client', text: expect.stringContaining(error) }]);
    expect(sandbox.errors()).toMatchObject([{ where: 'command', error }]);
  });
});

describe('an event', () => {
  it('arrives as a signed JSON envelope', async () => {
    const { sandbox, service } = await start();
    await sandbox.event({ type: 'app_mention', text: 'hi' });
    const [request] = service.received;
    expect(signatureIsRight(request)).toBe(true);
    expect(request?.headers['x-slack-retry-num']).toBeUndefined();
    expect(JSON.parse(request?.body ?? '')).toMatchObject({
      type: 'event_callback',
      team_id: sandbox.teamId,
      event_id: expect.stringMatching(/^Ev/),
      event_time: expect.any(Number),
      event: { type: 'app_mention', event_ts: expect.any(String) },
    });
  });
  it('is sent up to three times more, with the reason and the same id', async () => {
    const replies: (Reply | 'break')[] = [{ status: 503 }, 'break', { status: 500 }, { status: 500 }];
    const { sandbox, service } = await start((_request, count) => replies[count - 1] ?? {}, {
      eventRetryDelaysMs: [0, 1, 2],
    });
    expect(await sandbox.event({ type: 'app_mention' })).toMatchObject({ ok: false, status: 503 });
    await sandbox.waitFor(() => sandbox.deliveries().length === 4);
    expect(
      service.received.map((each) => [
        each.headers['x-slack-retry-num'],
        each.headers['x-slack-retry-reason'],
      ]),
    ).toEqual([
      [undefined, undefined],
      ['1', 'http_error'],
      ['2', 'connection_failed'],
      ['3', 'http_error'],
    ]);
    expect(
      new Set(service.received.map((each) => (JSON.parse(each.body) as { event_id: string }).event_id)).size,
    ).toBe(1);
  });
  it('is not repeated when the service asks not to', async () => {
    const { sandbox } = await start(
      (_request, count) => ({ status: 500, headers: count === 1 ? { 'x-slack-no-retry': '1' } : {} }),
      { eventRetryDelaysMs: [0] },
    );
    expect(await sandbox.event({ type: 'app_mention' })).toMatchObject({ ok: false, noRetry: true });
    await sandbox.event({ type: 'link_shared' });
    // The repetition of the first, were there one, would come before that of the second.
    await sandbox.waitFor(() => sandbox.deliveries().find((each) => each.retry === 1));
    expect(sandbox.deliveries().map((each) => each.type)).toEqual([
      'event_callback:app_mention',
      'event_callback:link_shared',
      'event_callback:link_shared',
    ]);
  });
  it('tells of archived channels, removal, mentions and direct messages', async () => {
    const { sandbox } = await start();
    sandbox.archive('monitoring-dev');
    sandbox.unarchive('monitoring-dev');
    sandbox.removeBot('alert-critical');
    sandbox.say({ channel: 'k8s-healthchecks', text: `<@${sandbox.botUserId}> list` });
    sandbox.say({ channel: 'k8s-healthchecks', text: 'just talking' });
    await sandbox.openHome('ana');
    await sandbox.waitFor(() => sandbox.deliveries().length === 5);
    expect(
      sandbox
        .deliveries()
        .map((each) => each.type)
        .toSorted(),
    ).toEqual(
      ['channel_archive', 'channel_unarchive', 'member_left_channel', 'app_mention', 'app_home_opened']
        .map((type) => `event_callback:${type}`)
        .toSorted(),
    );
  });
});

describe('url_verification', () => {
  const challenge = (body: string): string => (JSON.parse(body) as { challenge: string }).challenge;
  it.each<[string, (body: string) => Reply, boolean]>([
    ['text', (body) => ({ body: challenge(body) }), true],
    ['a form', (body) => ({ body: `challenge=${challenge(body)}` }), true],
    ['JSON', (body) => ({ json: { challenge: challenge(body) } }), true],
    ['something else', () => ({ body: 'ok' }), false],
  ])('takes the challenge back as %s: %#', async (_name, reply, matched) => {
    const { sandbox } = await start((request) => reply(request.body));
    expect(await sandbox.urlVerification()).toMatchObject({ challengeMatched: matched });
    expect(sandbox.errors()).toHaveLength(matched ? 0 : 1);
  });
});

it('says that it does not know where to deliver to', async () => {
  const sandbox = await startTestSandbox();
  open.push(sandbox);
  await expect(sandbox.event({ type: 'app_mention' })).rejects.toThrow('deliverTo');
});
