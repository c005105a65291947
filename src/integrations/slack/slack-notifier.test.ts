import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNotifier } from '../../../test/contract/notifier.ts';
import type { NotifierRig, VendorFault } from '../../../test/contract/notifier.ts';
import type { NotifyFailure } from '../../notify/notifier.ts';
import { createCardRenderer } from './card-renderer.ts';
import { fullSampleCard } from './card-samples.ts';
import { createSlackNotifier } from './slack-notifier.ts';
import type { SlackNotifier } from './slack-notifier.ts';

const botToken = 'xoxb-1234-very-secret';
const renderer = createCardRenderer();

type Call = { method: string; args: Record<string, string>; authorization: string | undefined };
type Reply =
  | { status?: number; headers?: Record<string, string>; body: unknown }
  /** Takes the request and never answers. */
  | 'silence'
  | 'reset';

/** A Web API on this machine that answers as it is told, and writes down what it was asked. */
class LoopbackSlack {
  readonly calls: Call[] = [];
  answer: (call: Call) => Reply = () => ({ body: { ok: true } });
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    const call: Call = {
      method: (request.url ?? '').replace('/api/', ''),
      args:
        request.headers['content-type']?.startsWith('application/json') === true
          ? (JSON.parse(body) as Record<string, string>)
          : Object.fromEntries(new URLSearchParams(body)),
      authorization: request.headers.authorization,
    };
    this.calls.push(call);
    const reply = this.answer(call);
    if (reply === 'silence') return;
    if (reply === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    const isText = typeof reply.body === 'string';
    response.writeHead(reply.status ?? 200, {
      'content-type': isText ? 'text/html' : 'application/json',
      ...reply.headers,
    });
    response.end(isText ? reply.body : JSON.stringify(reply.body));
  }
}

const refusal = (error: string, more = {}): Reply => ({ body: { ok: false, error, ...more } });
const faults: Record<VendorFault, Reply> = {
  'rate-limit-7s': {
    status: 429,
    headers: { 'retry-after': '7' },
    body: { ok: false, error: 'ratelimited' },
  },
  'rate-limit-unnamed': { status: 429, body: { ok: false, error: 'ratelimited' } },
  'server-error': { status: 503, body: 'upstream connect error' },
  'applied-then-silent': 'silence',
  'connection-reset': 'reset',
  'not-an-api-answer': { body: `<html>${'Please log in. '.repeat(1_000)}</html>` },
  'channel-gone': refusal('channel_not_found'),
  'missing-permission': refusal('missing_scope', { needed: 'chat:write', provided: `commands,${botToken}` }),
  'bad-token': refusal('invalid_auth', { response_metadata: { messages: [botToken] } }),
  'message-refused': refusal('invalid_blocks'),
  'message-gone': refusal('message_not_found'),
};

async function setUpContract(): Promise<NotifierRig> {
  const slack = new LoopbackSlack();
  const origin = await slack.start();
  const messages: ReturnType<NotifierRig['messages']> = [];
  let fault: VendorFault | undefined;
  let onApplied = (): void => undefined;
  slack.answer = ({ method, args }) => {
    const applies = fault === undefined || fault === 'applied-then-silent';
    const text = args['text'] ?? '';
    const { event_payload } = JSON.parse(args['metadata'] ?? '{}') as {
      event_payload?: { notification_id: string };
    };
    const notificationId = event_payload?.notification_id ?? '';
    const ts = method === 'chat.update' ? (args['ts'] ?? '') : `1772359200.00010${messages.length}`;
    if (applies && method === 'chat.postMessage') {
      messages.push({ channelId: 'C0CRITICAL', messageId: ts, text, notificationId });
      onApplied();
    }
    if (applies && method === 'chat.update') {
      const index = messages.findIndex((message) => message.messageId === ts);
      messages[index] = { channelId: args['channel'] ?? '', messageId: ts, text, notificationId };
    }
    return fault === undefined ? { body: { ok: true, channel: 'C0CRITICAL', ts } } : faults[fault];
  };
  return {
    notifier: createSlackNotifier({ botToken, apiUrl: `${origin}/api/`, renderer }),
    impatient: createSlackNotifier({ botToken, apiUrl: `${origin}/api/`, timeoutMs: 100, renderer }),
    unreachable: createSlackNotifier({ botToken, apiUrl: `${await deserted()}/api/`, renderer }),
    channel: '#alert-critical',
    card: fullSampleCard,
    secrets: [botToken],
    fault: (kind) => {
      fault = kind;
    },
    applied: () =>
      new Promise((resolve) => {
        onApplied = resolve;
      }),
    messages: () => [...messages],
    close: () => slack.stop(),
  };
}

/** An address at which somebody listened a moment ago. */
async function deserted(): Promise<string> {
  const slack = new LoopbackSlack();
  const origin = await slack.start();
  await slack.stop();
  return origin;
}

describeNotifier('Slack', setUpContract);

describe('the Slack notifier', () => {
  const slack = { current: new LoopbackSlack() };
  const stop = new AbortController();
  let origin: string;
  let notifier: SlackNotifier;
  let refused: NotifyFailure[];
  const posted: Reply = { body: { ok: true, channel: 'C1', ts: '1.2' } };
  const post = () =>
    notifier.post({ channel: '#x', card: fullSampleCard, notificationId: 'n-1' }, stop.signal);
  const calls = (): Call[] => slack.current.calls;
  const json = (call: Call | undefined, name: string): unknown => JSON.parse(call?.args[name] ?? 'null');

  beforeEach(async () => {
    slack.current = new LoopbackSlack();
    origin = await slack.current.start();
    refused = [];
    notifier = createSlackNotifier({
      botToken,
      apiUrl: `${origin}/api/`,
      renderer,
      onBlocksRefused: (failure) => refused.push(failure),
    });
  });
  afterEach(() => slack.current.stop());

  it('calls nobody until it is told to', () => {
    expect(calls()).toEqual([]);
  });

  it('posts text, blocks and metadata, with one id for every attempt, and without previews', async () => {
    slack.current.answer = () => posted;
    await post();
    await post();
    const [call, again] = calls();
    expect(call).toMatchObject({
      method: 'chat.postMessage',
      authorization: `Bearer ${botToken}`,
      args: {
        channel: '#x',
        text: renderer.render(fullSampleCard).text,
        unfurl_links: 'false',
        parse: 'none',
      },
    });
    expect(json(call, 'blocks')).toEqual(renderer.render(fullSampleCard).blocks);
    expect(json(call, 'metadata')).toEqual({
      event_type: 'gomon_alert',
      event_payload: { alert_id: fullSampleCard.alertId, notification_id: 'n-1' },
    });
    expect(call?.args['client_msg_id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-/);
    expect(again?.args['client_msg_id']).toBe(call?.args['client_msg_id']);
  });

  it('edits with everything that would otherwise stay or vanish', async () => {
    slack.current.answer = () => posted;
    await notifier.edit(
      { channelId: 'C1', messageId: '1.2', card: fullSampleCard, notificationId: 'n-1' },
      stop.signal,
    );
    const [call] = calls();
    expect(call).toMatchObject({
      method: 'chat.update',
      args: { channel: 'C1', ts: '1.2', attachments: '[]' },
    });
    expect(json(call, 'metadata')).toMatchObject({ event_payload: { notification_id: 'n-1' } });
    expect(call?.args['client_msg_id']).toBeUndefined();
  });

  it.each(['server-error', 'connection-reset', 'rate-limit-7s', 'channel-gone'] as const)(
    'asks once, even when the answer is %s',
    async (fault) => {
      slack.current.answer = () => faults[fault];
      expect(await post()).toMatchObject({ ok: false });
      expect(calls()).toHaveLength(1);
    },
  );

  it.each([true, false])('takes a duplicate for success, said with ok: %s', async (ok) => {
    slack.current.answer = () => ({
      body: { ok, error: ok ? undefined : 'duplicate', is_duplicate: true, channel: 'C1', ts: '1.2' },
    });
    expect(await post()).toEqual({ ok: true, channelId: 'C1', messageId: '1.2' });
  });

  it('posts without its id when the message of that id was deleted', async () => {
    slack.current.answer = ({ args }) =>
      'client_msg_id' in args ? refusal('duplicate_message_not_found') : posted;
    expect(await post()).toMatchObject({ ok: true });
    expect(calls()).toHaveLength(2);
  });

  it('sends the text alone when the blocks are refused, and tells', async () => {
    slack.current.answer = (call) => (call.args['blocks'] === '[]' ? posted : refusal('invalid_blocks'));
    expect(await post()).toMatchObject({ ok: true });
    expect(calls()).toHaveLength(2);
    expect(refused).toEqual([expect.objectContaining({ reason: 'payload', code: 'invalid_blocks' })]);
  });

  it('sends it plainer when Slack does not know all of it, the buttons included', async () => {
    slack.current.answer = ({ args }) => ('client_msg_id' in args ? refusal('invalid_arguments') : posted);
    expect(await post()).toMatchObject({ ok: true });
    expect(calls()).toHaveLength(2);
    expect(Object.keys(calls()[1]?.args ?? {}).toSorted()).toEqual(['blocks', 'channel', 'metadata', 'text']);
    expect(json(calls()[1], 'blocks')).toEqual(renderer.render(fullSampleCard).blocks);
    expect(refused).toEqual([]);
  });

  it('sends the text alone when nothing else will do', async () => {
    slack.current.answer = ({ args }) => ('metadata' in args ? refusal('metadata_too_large') : posted);
    expect(await post()).toMatchObject({ ok: true });
    expect(calls()).toHaveLength(3);
    expect(calls()[2]?.args).toEqual({
      channel: '#x',
      text: renderer.render(fullSampleCard).text,
      blocks: '[]',
    });
    expect(refused).toMatchObject([{ code: 'metadata_too_large' }]);
  });

  it('cannot tell when Slack does not say where the message is', async () => {
    expect(await post()).toMatchObject({ ok: false, reason: 'unknown' });
  });

  it('is not held up for other calls by a rate limit', async () => {
    slack.current.answer = ({ method }) =>
      method === 'chat.postMessage' ? faults['rate-limit-7s'] : { body: { ok: true } };
    expect(await post()).toMatchObject({ reason: 'rate-limited', retryAfterMs: 7_000 });
    const view = { triggerId: 't', alertId: 'a', title: 'T', channelId: 'C1', messageTs: '1.2' };
    expect(await notifier.openNoteModal(view)).toEqual({ ok: true });
    expect(json(calls()[1], 'view')).toMatchObject({
      callback_id: 'alert_note',
      private_metadata: expect.stringContaining('"1.2"'),
    });
  });

  it('says that a dialog came too late', async () => {
    slack.current.answer = () => refusal('expired_trigger_id');
    const view = { triggerId: 't', alertId: 'a', title: 'T', channelId: 'C1', messageTs: '1.2' };
    expect(await notifier.openNoteModal(view)).toMatchObject({ reason: 'gone', code: 'expired_trigger_id' });
  });

  it('tells one person quietly, and cannot be made to mention others', async () => {
    await notifier.postEphemeral({ channelId: 'C1', userId: 'U1', text: 'Done by <!channel>' });
    expect(calls()).toMatchObject([
      { method: 'chat.postEphemeral', args: { channel: 'C1', user: 'U1', text: 'Done by &lt;!channel&gt;' } },
    ]);
  });

  it('writes into the thread of a message', async () => {
    slack.current.answer = () => posted;
    const line = {
      channel: 'C1',
      card: { kind: 'text' as const, text: 'Opsgenie is <down>' },
      notificationId: 'r-1',
      thread: { messageId: '1.2', broadcast: true },
    };
    const { signal } = new AbortController();
    expect(await notifier.post(line, signal)).toEqual({ ok: true, channelId: 'C1', messageId: '1.2' });
    expect(calls()[0]?.args).toMatchObject({
      channel: 'C1',
      thread_ts: '1.2',
      reply_broadcast: 'true',
      text: 'Opsgenie is &lt;down&gt;',
      metadata: expect.stringContaining('"notification_id":"r-1"'),
    });
  });

  it('answers through the response_url, on this machine only to a sandbox', async () => {
    expect(await notifier.respond(`${origin}/hook`, 'Already <done>')).toEqual({ ok: true });
    expect(calls()[0]?.args).toEqual({
      response_type: 'ephemeral',
      replace_original: false,
      text: 'Already &lt;done&gt;',
    });
    slack.current.answer = () => ({ status: 404, body: 'expired_url' });
    expect(await notifier.respond(`${origin}/hook`, 'x')).toMatchObject({ reason: 'gone' });
    const real = createSlackNotifier({ botToken, apiUrl: 'https://slack.example/api/', renderer });
    for (const url of [`${origin}/hook`, 'http://10.0.0.1/x', 'file:///etc/passwd', '']) {
      expect(await real.respond(url, 'x')).toMatchObject({ code: 'invalid_response_url' });
    }
    expect(calls()).toHaveLength(2);
  });

  it.each([
    [
      { name: 'ann', profile: { display_name: 'Ann', real_name: 'Ann Example', email: 'ann@example.com' } },
      'Ann',
      'ann@example.com',
    ],
    [{ name: 'ann', profile: { display_name: '', real_name: 'Ann Example' } }, 'Ann Example', null],
    [{ name: 'ann' }, 'ann', null],
    [undefined, 'U1', null],
  ])('knows people: %j', async (user, name, email) => {
    slack.current.answer = () => ({ body: { ok: true, user } });
    expect(await notifier.userById('U1')).toEqual({ ok: true, user: { id: 'U1', name, email } });
  });

  it('says who it is and what it may do', async () => {
    slack.current.answer = () => ({
      headers: { 'x-oauth-scopes': 'chat:write,commands' },
      body: { ok: true, team: 'Example', team_id: 'T1', user_id: 'U9', bot_id: 'B1' },
    });
    expect(await notifier.authTest()).toEqual({
      ok: true,
      team: 'Example',
      teamId: 'T1',
      userId: 'U9',
      botId: 'B1',
      scopes: ['chat:write', 'commands'],
    });
  });

  describe('where it is not in the channel', () => {
    const channels: Reply = {
      body: {
        ok: true,
        channels: [
          { id: 'C9', name: 'y' },
          { id: 'C8', name: 'x' },
        ],
      },
    };
    let member: boolean;
    let joining: Reply;

    beforeEach(() => {
      member = false;
      joining = { body: { ok: true } };
      slack.current.answer = ({ method, args }) => {
        if (method === 'conversations.list') return channels;
        if (method === 'conversations.join') {
          member = args['channel'] === 'C8' && joining !== faults['missing-permission'];
          return joining;
        }
        if (!member) return refusal('not_in_channel');
        return method === 'conversations.history' ? { body: { ok: true, messages: [] } } : posted;
      };
    });
    const methods = (): string[] => calls().map((call) => call.method);

    it('joins it by its id and posts', async () => {
      expect(await post()).toEqual({ ok: true, channelId: 'C1', messageId: '1.2' });
      expect(methods()).toEqual([
        'chat.postMessage',
        'conversations.list',
        'conversations.join',
        'chat.postMessage',
      ]);
    });

    it('joins once for all that is to be posted', async () => {
      const results = await Promise.all([post(), post(), post()]);
      expect(results.every((result) => result.ok)).toBe(true);
      expect(methods().filter((method) => method === 'conversations.join')).toHaveLength(1);
    });

    it('says why it cannot join, and does not try with every message', async () => {
      joining = faults['missing-permission'];
      for (const result of [await post(), await post()]) {
        expect(result).toMatchObject({ reason: 'channel', code: 'not_in_channel' });
        expect(result).toMatchObject({ detail: expect.stringContaining('missing_scope') as string });
      }
      expect(methods().filter((method) => method === 'conversations.join')).toHaveLength(1);
    });

    it('joins it to look for what it posted', async () => {
      const search = { channel: 'C8', notificationId: 'n-1', since: new Date('2026-03-01T10:00:00Z') };
      expect(await notifier.findPosted(search)).toEqual({ ok: true, found: null });
      expect(methods()).toEqual(['conversations.history', 'conversations.join', 'conversations.history']);
    });
  });

  describe('looks for what it posted', () => {
    const since = new Date('2026-03-01T10:00:00Z');
    const search = { channel: 'C1', notificationId: 'n-1', since };
    const message = (ts: string, notification_id: string, event_type = 'gomon_alert') => ({
      ts,
      metadata: { event_type, event_payload: { notification_id } },
    });
    const history = (messages: unknown[], next_cursor = ''): Reply => ({
      body: { ok: true, messages, response_metadata: { next_cursor } },
    });

    it('by its notification, page by page, with a minute of grace', async () => {
      slack.current.answer = ({ args }) =>
        'cursor' in args
          ? history([message('9.1', 'n-1', 'other'), message('9.2', 'n-1')])
          : history(
              [
                { ts: '8.1', text: 'hello' },
                message('8.2', 'n-2'),
                { ts: '8.3', metadata: { event_type: 1 } },
              ],
              'next',
            );
      expect(await notifier.findPosted(search)).toEqual({
        ok: true,
        found: { channelId: 'C1', messageId: '9.2' },
      });
      expect(calls()[0]?.args).toMatchObject({
        channel: 'C1',
        oldest: '1772359140.000000',
        include_all_metadata: 'true',
        inclusive: 'true',
      });
    });

    it('and knows that it is not there', async () => {
      slack.current.answer = () => history([message('8.2', 'n-2')]);
      expect(await notifier.findPosted(search)).toEqual({ ok: true, found: null });
    });

    it('and tells "not there" from "cannot see" and "too much to see"', async () => {
      slack.current.answer = () => refusal('not_in_channel');
      expect(await notifier.findPosted(search)).toMatchObject({ ok: false, reason: 'channel' });
      slack.current.answer = () => ({ body: { ok: true, messages: 'x' } });
      expect(await notifier.findPosted(search)).toMatchObject({ ok: false, code: 'unexpected_answer' });
      slack.current.answer = () => history([], 'more');
      expect(await notifier.findPosted(search)).toMatchObject({ ok: false, code: 'history_too_long' });
    });
  });
});
