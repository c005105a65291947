import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../json.ts';
import type { SlackSandbox } from '../server.ts';
import { api, botToken, button, callForm, marked, plain, startTestSandbox } from '../testing.ts';

let sandbox: SlackSandbox;
beforeEach(async () => {
  sandbox = await startTestSandbox({
    channels: [
      { name: 'ops' },
      { name: 'away', botIsMember: false },
      { name: 'secret', isPrivate: true, botIsMember: false },
      { name: 'old', isArchived: true },
    ],
  });
});
afterEach(() => sandbox.close());

const section = (text: string): JsonObject => ({ type: 'section', text: marked(text) });
const post = (args: JsonObject): Promise<JsonObject> =>
  api(sandbox, 'chat.postMessage', { channel: '#ops', text: 'hello', ...args });
const update = (args: JsonObject): Promise<JsonObject> => api(sandbox, 'chat.update', args);
const id = (): string => sandbox.channel('ops').id;

describe('the door', () => {
  it('names a method it does not know', async () => {
    expect(await api(sandbox, 'chat.shout')).toMatchObject({ ok: false, error: 'unknown_method' });
  });
  it('asks for a token and checks it', async () => {
    expect(await (await callForm(sandbox, 'auth.test', {}, '')).json()).toEqual({
      ok: false,
      error: 'not_authed',
    });
    expect(await (await callForm(sandbox, 'auth.test', {}, 'xoxb-other')).json()).toEqual({
      ok: false,
      error: 'invalid_auth',
    });
    expect(await (await callForm(sandbox, 'auth.test', { token: botToken }, '')).json()).toMatchObject({
      ok: true,
    });
  });
  it('answers 200 and tells the scopes, also when it refuses', async () => {
    const response = await callForm(sandbox, 'chat.postMessage', { channel: '#nowhere', text: 'a' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-oauth-scopes')).toContain('chat:write');
    expect(response.headers.get('x-accepted-oauth-scopes')).toBe('chat:write');
  });
  it('takes JSON with a Bearer token, blocks as a list', async () => {
    const response = await fetch(`${sandbox.apiUrl}chat.postMessage`, {
      method: 'POST',
      headers: { authorization: `Bearer ${botToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ channel: 'ops', text: 'a', blocks: [section('b')] }),
    });
    expect(await response.json()).toMatchObject({ ok: true, warning: 'missing_charset' });
    expect(sandbox.messages('ops')[0]?.blocks).toHaveLength(1);
  });
  it.each([
    ['application/json', '{', 'invalid_json'],
    ['text/plain', 'a', 'invalid_post_type'],
  ])('refuses a body of %s that it cannot read', async (type, body, error) => {
    const headers = { authorization: `Bearer ${botToken}`, 'content-type': type };
    const response = await fetch(`${sandbox.apiUrl}chat.postMessage`, { method: 'POST', headers, body });
    expect(await response.json()).toEqual({ ok: false, error });
  });
  it('says which scope is missing', async () => {
    const narrow = await startTestSandbox({ scopes: ['chat:write'] });
    expect(await api(narrow, 'users.info', { user: 'U1' })).toEqual({
      ok: false,
      error: 'missing_scope',
      needed: 'users:read',
      provided: 'chat:write',
    });
    await narrow.close();
  });
  it('logs each call without its token', async () => {
    await post({ token: botToken });
    const [call] = sandbox.calls('chat.postMessage');
    expect(call).toMatchObject({
      args: { channel: '#ops', text: 'hello' },
      status: 200,
      applied: true,
      fault: null,
    });
    expect(JSON.stringify(call)).not.toContain(botToken);
  });
});

describe('chat.postMessage', () => {
  it.each(['#ops', 'ops'])('takes the name %s and answers the id', async (channel) => {
    expect(await post({ channel })).toMatchObject({
      ok: true,
      channel: id(),
      message: { type: 'message', text: 'hello', user: sandbox.botUserId },
    });
  });
  it('opens the direct message for a person, and answers its own id', async () => {
    const answer = await post({ channel: sandbox.user('ana').id });
    expect(answer['channel']).toMatch(/^D/);
  });
  it.each([
    ['#nowhere', 'channel_not_found'],
    ['#secret', 'channel_not_found'],
    ['#old', 'is_archived'],
    ['', 'channel_not_found'],
  ])('refuses %j', async (channel, error) => {
    expect(await post({ channel })).toMatchObject({ ok: false, error });
    expect(sandbox.errors().at(-1)).toMatchObject({ where: 'chat.postMessage', error });
  });
  it('posts where it is no member only with chat:write.public', async () => {
    expect(await post({ channel: '#away' })).toMatchObject({ ok: true });
    const narrow = await startTestSandbox({
      scopes: ['chat:write'],
      channels: [{ name: 'away', botIsMember: false }],
    });
    expect(await api(narrow, 'chat.postMessage', { channel: '#away', text: 'a' })).toMatchObject({
      error: 'not_in_channel',
    });
    await narrow.close();
  });
  it('gives each message a later ts, also within one millisecond', async () => {
    const fixed = await startTestSandbox({ now: () => 1_700_000_000_123 });
    const answers = [];
    for (let count = 0; count < 3; count += 1)
      answers.push(await api(fixed, 'chat.postMessage', { channel: 'alert-critical', text: 'a' }));
    expect(answers.map((each) => each['ts'])).toEqual([
      '1700000000.123000',
      '1700000000.123001',
      '1700000000.123002',
    ]);
    await fixed.close();
  });
  it('refuses a message with nothing in it', async () => {
    expect(await post({ text: '' })).toMatchObject({ ok: false, error: 'no_text' });
    expect(await post({ text: '', blocks: [] })).toMatchObject({ ok: false, error: 'no_text' });
  });
  it('takes blocks without text, but frowns', async () => {
    expect(await post({ text: '', blocks: [section('a')] })).toMatchObject({
      ok: true,
      warning: 'missing_text',
    });
    expect(sandbox.errors()).toMatchObject([{ error: 'no fallback text' }]);
  });
  it('truncates a text above 40,000 characters with a warning', async () => {
    expect(await post({ text: 'a'.repeat(40_001) })).toMatchObject({
      ok: true,
      response_metadata: { warnings: ['message_truncated'] },
    });
    expect(sandbox.messages('ops')[0]?.text).toHaveLength(40_000);
  });
  it('points at the block it refuses', async () => {
    const answer = await post({ blocks: [{ type: 'divider' }, { type: 'header', text: plain('') }] });
    expect(answer).toEqual({
      ok: false,
      error: 'invalid_blocks',
      errors: ['must be more than 0 characters [json-pointer:/blocks/1/text/text]'],
      response_metadata: {
        messages: ['[ERROR] must be more than 0 characters [json-pointer:/blocks/1/text/text]'],
      },
    });
    expect(sandbox.messages('ops')).toEqual([]);
  });
  it('refuses blocks that are not JSON, and wrong attachments', async () => {
    expect(await post({ blocks: '[{' })).toMatchObject({ error: 'invalid_blocks_format' });
    expect(await post({ attachments: [{ blocks: [{ type: 'banana' }] }] })).toMatchObject({
      error: 'invalid_blocks',
      errors: ['unsupported type: banana [json-pointer:/attachments/0/blocks/0/type]'],
    });
    expect(await post({ attachments: Array.from({ length: 101 }, () => ({ text: 'a' })) })).toMatchObject({
      error: 'too_many_attachments',
    });
  });
  it('refuses markdown_text beside text', async () => {
    expect(await post({ markdown_text: '**a**' })).toMatchObject({ error: 'markdown_text_conflict' });
  });
  it.each([
    ['not json', 'invalid_metadata_format'],
    [{ event_type: 'a' }, 'invalid_metadata_format'],
    [{ event_type: '', event_payload: {} }, 'invalid_metadata_format'],
    [{ event_type: 'a', event_payload: [] }, 'invalid_metadata_format'],
    [{ event_type: 'a', event_payload: { big: 'x'.repeat(20_000) } }, 'metadata_too_large'],
  ])('refuses the metadata %#', async (metadata, error) => {
    expect(await post({ metadata })).toMatchObject({ ok: false, error });
  });
  it('gives blocks back with ids and defaults filled in', async () => {
    const answer = await post({
      blocks: [{ type: 'actions', elements: [{ type: 'button', text: plain('Go') }] }, section('a')],
    });
    expect(answer['message']).toMatchObject({
      blocks: [
        {
          block_id: expect.stringMatching(/.{5}/),
          elements: [{ action_id: expect.stringMatching(/.{5}/), text: { emoji: true } }],
        },
        { text: { verbatim: false } },
      ],
    });
  });
  it('threads a reply, broadcasts it when asked, and frowns at one without parent', async () => {
    const parent = await post({});
    await post({ thread_ts: parent['ts'], text: 'first' });
    await post({ thread_ts: parent['ts'], text: 'second', reply_broadcast: true });
    await post({ thread_ts: '1600000000.000000', text: 'lost' });
    const [message] = sandbox.messages('ops');
    expect(message?.replies.map((each) => [each.text, each.isBroadcast])).toEqual([
      ['first', false],
      ['second', true],
    ]);
    expect(sandbox.errors()).toMatchObject([{ error: 'stray reply' }]);
  });
});

describe('chat.update', () => {
  const metadata = { event_type: 'gomon_alert', event_payload: { id: '1' } };
  const posted = async (): Promise<{ channel: string; ts: string }> => {
    const answer = await post({
      blocks: [section('a'), { type: 'actions', elements: [button('b')] }],
      attachments: [{ text: 'c' }],
      metadata,
    });
    return { channel: String(answer['channel']), ts: String(answer['ts']) };
  };

  it('changes its own message by id and ts, and keeps what it said before', async () => {
    const at = await posted();
    const answer = await update({ ...at, text: 'new', blocks: [section('b')] });
    expect(answer).toMatchObject({ ok: true, ...at, text: 'new', message: { text: 'new' } });
    const [message] = sandbox.messages('ops');
    expect(message).toMatchObject({
      text: 'new',
      editedCount: 1,
      showsEdited: false,
      versions: [{ text: 'hello' }],
      metadata,
    });
    expect(message?.blocks).toHaveLength(1);
  });
  it('takes the blocks away when only text comes; attachments and metadata stay', async () => {
    const at = await posted();
    await update({ ...at, text: 'new' });
    expect(sandbox.messages('ops')[0]).toMatchObject({
      blocks: [],
      attachments: [{ text: 'c' }],
      metadata,
      showsEdited: true,
    });
  });
  it('removes attachments and metadata when told to', async () => {
    const at = await posted();
    await update({ ...at, text: 'new', attachments: [], metadata: {} });
    expect(sandbox.messages('ops')[0]).toMatchObject({ attachments: [], metadata: null });
  });
  it('wants the id of the channel, not its name', async () => {
    const { ts } = await posted();
    expect(await update({ channel: '#ops', ts, text: 'a' })).toMatchObject({ error: 'channel_not_found' });
    expect(await update({ channel: 'ops', ts, text: 'a' })).toMatchObject({ error: 'channel_not_found' });
  });
  it('refuses a text above 4,000 characters and a message with nothing in it', async () => {
    const at = await posted();
    expect(await update({ ...at, text: 'a'.repeat(4000) })).toMatchObject({ ok: true });
    expect(await update({ ...at, text: 'a'.repeat(4001) })).toMatchObject({ error: 'msg_too_long' });
    expect(await update(at)).toMatchObject({ error: 'no_text' });
  });
  it('refuses what is not there, not its own, or in an archived channel', async () => {
    const at = await posted();
    expect(await update({ ...at, ts: '1600000000.000000', text: 'a' })).toMatchObject({
      error: 'message_not_found',
    });
    const theirs = sandbox.say({ channel: 'ops', text: 'mine' });
    expect(await update({ ...at, ts: theirs, text: 'a' })).toMatchObject({ error: 'cant_update_message' });
    sandbox.archive('ops');
    expect(await update({ ...at, text: 'a' })).toMatchObject({ error: 'is_inactive' });
  });
  it('changes nothing when the new blocks are wrong', async () => {
    const at = await posted();
    expect(await update({ ...at, text: 'a', blocks: [{ type: 'banana' }] })).toMatchObject({
      error: 'invalid_blocks',
    });
    expect(sandbox.messages('ops')[0]).toMatchObject({ text: 'hello', editedCount: 0 });
  });
  it('says message_not_found after the message was deleted', async () => {
    const at = await posted();
    sandbox.deleteMessage('ops', at.ts);
    expect(await update({ ...at, text: 'a' })).toMatchObject({ error: 'message_not_found' });
  });
});

describe('the other chat methods', () => {
  it('shows an ephemeral message to one person of the channel', async () => {
    const user = sandbox.user('jonas').id;
    expect(await api(sandbox, 'chat.postEphemeral', { channel: id(), user, text: 'psst' })).toMatchObject({
      ok: true,
      message_ts: expect.any(String),
    });
    expect(sandbox.ephemerals()).toMatchObject([
      { userId: user, text: 'psst', origin: 'chat.postEphemeral' },
    ]);
    expect(sandbox.messages('ops')).toEqual([]);
    expect(await api(sandbox, 'chat.postEphemeral', { channel: id(), user: 'U0', text: 'a' })).toMatchObject({
      error: 'user_not_in_channel',
    });
    expect(await api(sandbox, 'chat.postEphemeral', { channel: '#away', user, text: 'a' })).toMatchObject({
      error: 'not_in_channel',
    });
  });
  it('deletes its own messages, and leaves a placeholder where there are replies', async () => {
    const parent = await post({});
    await post({ thread_ts: parent['ts'] });
    const target = { channel: id(), ts: String(parent['ts']) };
    expect(await api(sandbox, 'chat.delete', target)).toMatchObject({ ok: true });
    expect(sandbox.messages('ops')).toMatchObject([{ isTombstone: true, replies: [{ text: 'hello' }] }]);
    expect(await api(sandbox, 'chat.delete', target)).toMatchObject({ error: 'message_not_found' });
    const theirs = sandbox.say({ channel: 'ops', text: 'a' });
    expect(await api(sandbox, 'chat.delete', { ...target, ts: theirs })).toMatchObject({
      error: 'cant_delete_message',
    });
  });
  it('gives a permanent link', async () => {
    const { ts } = await post({});
    const link = await api(sandbox, 'chat.getPermalink', { channel: id(), message_ts: ts });
    expect(link['permalink']).toBe(`${sandbox.url}/archives/${id()}/p${String(ts).replace('.', '')}`);
  });
});
