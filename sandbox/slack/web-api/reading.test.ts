import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../json.ts';
import type { SlackSandbox } from '../server.ts';
import { api, startTestSandbox } from '../testing.ts';

let sandbox: SlackSandbox;
let nowMs: number;
beforeEach(async () => {
  nowMs = 1_700_000_000_000;
  sandbox = await startTestSandbox({
    now: () => nowMs,
    channels: [
      { name: 'ops' },
      { name: 'away', botIsMember: false },
      { name: 'secret', isPrivate: true, botIsMember: false },
      { name: 'team', isPrivate: true },
      { name: 'old', isArchived: true },
    ],
  });
});
afterEach(() => sandbox.close());

const id = (name: string): string => sandbox.channel(name).id;
const texts = (answer: JsonObject): unknown[] =>
  (answer['messages'] as JsonObject[]).map((each) => each['text']);
const cursorOf = (answer: JsonObject): string =>
  String((answer['response_metadata'] as JsonObject)['next_cursor']);

/** Posts a, b, c, … ten seconds apart; answers their ts. */
async function postLetters(letters: string, more: JsonObject = {}): Promise<string[]> {
  const stamps: string[] = [];
  for (const text of letters) {
    nowMs += 10_000;
    stamps.push(String((await api(sandbox, 'chat.postMessage', { channel: 'ops', text, ...more }))['ts']));
  }
  return stamps;
}

describe('conversations.history', () => {
  const history = (args: JsonObject = {}): Promise<JsonObject> =>
    api(sandbox, 'conversations.history', { channel: id('ops'), ...args });

  it('lists newest first, without the replies of threads but with broadcast ones', async () => {
    const [first] = await postLetters('ab');
    await postLetters('r', { thread_ts: first });
    await postLetters('s', { thread_ts: first, reply_broadcast: true });
    expect(texts(await history())).toEqual(['s', 'b', 'a']);
  });
  it('leaves the bounds out unless inclusive', async () => {
    const [a, , c] = await postLetters('abc');
    expect(texts(await history({ oldest: a, latest: c }))).toEqual(['b']);
    expect(texts(await history({ oldest: a, latest: c, inclusive: true }))).toEqual(['c', 'b', 'a']);
    expect(texts(await history({ oldest: String(Math.floor(nowMs / 1000) - 10) }))).toEqual(['c']);
  });
  it('pages backwards from the newest', async () => {
    await postLetters('abcde');
    const first = await history({ limit: 2 });
    expect([texts(first), first['has_more']]).toEqual([['e', 'd'], true]);
    await postLetters('f');
    const second = await history({ limit: 2, cursor: cursorOf(first) });
    expect(texts(second)).toEqual(['c', 'b']);
    const third = await history({ limit: 2, cursor: cursorOf(second) });
    expect([texts(third), third['has_more']]).toEqual([['a'], false]);
  });
  it('gives the page next to `oldest` when only that is named', async () => {
    const [a] = await postLetters('abcde');
    const page = await history({ oldest: a, limit: 2 });
    expect([texts(page), page['has_more']]).toEqual([['c', 'b'], true]);
    expect(texts(await history({ oldest: a, limit: 2, cursor: cursorOf(page) }))).toEqual(['e', 'd']);
  });
  it('shows the whole metadata only on request', async () => {
    const metadata = { event_type: 'gomon_alert', event_payload: { delivery: '1' } };
    await postLetters('a', { metadata });
    expect(await history()).toMatchObject({ messages: [{ metadata: { event_type: 'gomon_alert' } }] });
    expect(JSON.stringify(await history())).not.toContain('event_payload');
    expect(await history({ include_all_metadata: true })).toMatchObject({ messages: [{ metadata }] });
  });
  it.each([
    [{ oldest: 'yesterday' }, 'invalid_ts_oldest'],
    [{ latest: 'now' }, 'invalid_ts_latest'],
    [{ cursor: 'bm9uZQ==' }, 'invalid_cursor'],
    [{ limit: '5000' }, 'invalid_limit'],
    [{ channel: '#ops' }, 'channel_not_found'],
  ])('refuses %j', async (args, error) => {
    expect(await history(args)).toMatchObject({ ok: false, error });
  });
  it('can only be read by a member with the scope for that kind of channel', async () => {
    expect(await history({ channel: id('away') })).toMatchObject({ error: 'not_in_channel' });
    expect(await history({ channel: id('secret') })).toMatchObject({ error: 'channel_not_found' });
    sandbox.removeBot('ops');
    expect(await history()).toMatchObject({ error: 'not_in_channel' });
    const narrow = await startTestSandbox({ scopes: ['im:history'] });
    expect(
      await api(narrow, 'conversations.history', { channel: narrow.channel('alert-critical').id }),
    ).toMatchObject({
      error: 'missing_scope',
      needed: 'channels:history',
    });
    await narrow.close();
  });
});

describe('conversations.replies', () => {
  it('lists the parent first, then the replies, oldest first', async () => {
    const [parent] = await postLetters('a');
    const stamps = await postLetters('rst', { thread_ts: parent });
    const replies = (args: JsonObject): Promise<JsonObject> =>
      api(sandbox, 'conversations.replies', { channel: id('ops'), ts: parent, ...args });
    const all = await replies({});
    expect(texts(all)).toEqual(['a', 'r', 's', 't']);
    expect(all).toMatchObject({
      messages: [{ reply_count: 3, latest_reply: stamps[2] }, { parent_user_id: sandbox.botUserId }, {}, {}],
    });
    expect(texts(await replies({ oldest: stamps[0] }))).toEqual(['a', 's', 't']);
    expect(texts(await replies({ limit: 1 }))).toEqual(['a', 'r']);
    expect(await replies({ ts: '1600000000.000000' })).toMatchObject({ error: 'thread_not_found' });
  });
});

describe('channels', () => {
  it('tells about a channel', async () => {
    expect(await api(sandbox, 'conversations.info', { channel: id('ops') })).toMatchObject({
      channel: { id: id('ops'), name: 'ops', is_member: true, is_archived: false, is_private: false },
    });
    expect(await api(sandbox, 'conversations.info', { channel: id('secret') })).toMatchObject({
      error: 'channel_not_found',
    });
  });
  it('lists by type, archived ones unless excluded, private ones only as a member', async () => {
    const names = async (args: JsonObject): Promise<unknown[]> =>
      ((await api(sandbox, 'conversations.list', args))['channels'] as JsonObject[]).map(
        (each) => each['name'],
      );
    expect(await names({})).toEqual(['ops', 'away', 'old']);
    expect(await names({ exclude_archived: true })).toEqual(['ops', 'away']);
    expect(await names({ types: 'public_channel,private_channel', exclude_archived: 'true' })).toEqual([
      'ops',
      'away',
      'team',
    ]);
    expect(await api(sandbox, 'conversations.list', { types: 'secret' })).toMatchObject({
      error: 'invalid_types',
    });
    expect(await api(sandbox, 'conversations.list', { types: 'mpim' })).toMatchObject({
      error: 'missing_scope',
      needed: 'mpim:read',
    });
  });
  it('pages the list', async () => {
    const first = await api(sandbox, 'conversations.list', { limit: 2 });
    expect((first['channels'] as unknown[]).length).toBe(2);
    const second = await api(sandbox, 'conversations.list', { limit: 2, cursor: cursorOf(first) });
    expect(second).toMatchObject({ channels: [{ name: 'old' }], response_metadata: { next_cursor: '' } });
  });
  it('is joined once; archived and private ones are not', async () => {
    expect(await api(sandbox, 'conversations.join', { channel: id('away') })).toMatchObject({
      ok: true,
      channel: { is_member: true },
    });
    expect(await api(sandbox, 'conversations.join', { channel: id('away') })).toMatchObject({
      ok: true,
      warning: 'already_in_channel',
    });
    expect(await api(sandbox, 'conversations.join', { channel: id('old') })).toMatchObject({
      error: 'is_archived',
    });
    expect(await api(sandbox, 'conversations.join', { channel: id('team') })).toMatchObject({
      error: 'method_not_supported_for_channel_type',
    });
  });
  it('opens a direct message once', async () => {
    const users = sandbox.user('ana').id;
    const first = await api(sandbox, 'conversations.open', { users });
    const again = await api(sandbox, 'conversations.open', { users });
    expect(again).toEqual({ ok: true, no_op: true, already_open: true, channel: first['channel'] });
    expect(await api(sandbox, 'conversations.open', { users: 'U0' })).toMatchObject({
      error: 'user_not_found',
    });
    expect(await api(sandbox, 'conversations.open')).toMatchObject({ error: 'users_list_not_supplied' });
  });
});

describe('people and the team', () => {
  it('finds people by id and by e-mail', async () => {
    const { id: user } = sandbox.user('priya');
    expect(await api(sandbox, 'users.info', { user })).toMatchObject({
      user: { name: 'priya', profile: { email: 'priya@example.com' } },
    });
    expect(await api(sandbox, 'users.lookupByEmail', { email: 'Priya@Example.com' })).toMatchObject({
      user: { id: user },
    });
    expect(await api(sandbox, 'users.info', { user: 'U0' })).toMatchObject({ error: 'user_not_found' });
    expect(await api(sandbox, 'users.lookupByEmail', { email: 'nobody@example.com' })).toMatchObject({
      error: 'users_not_found',
    });
  });
  it('gives no e-mail away without its scope', async () => {
    const narrow = await startTestSandbox({ scopes: ['users:read'] });
    const answer = await api(narrow, 'users.info', { user: narrow.user('ana').id });
    expect(answer).toMatchObject({ ok: true });
    expect(JSON.stringify(answer)).not.toContain('@example.com');
    await narrow.close();
  });
  it('says who the app is', async () => {
    expect(await api(sandbox, 'auth.test')).toMatchObject({
      ok: true,
      user_id: sandbox.botUserId,
      team_id: sandbox.teamId,
      bot_id: expect.stringMatching(/^B/),
    });
    expect(await api(sandbox, 'team.info')).toMatchObject({ error: 'missing_scope', needed: 'team:read' });
  });
  it('tells about the team with the scope', async () => {
    const wide = await startTestSandbox({ scopes: ['team:read'] });
    expect(await api(wide, 'team.info')).toMatchObject({ ok: true, team: { id: wide.teamId } });
    await wide.close();
  });
  it('adds a reaction once', async () => {
    const [timestamp] = await postLetters('a');
    const add = (args: JsonObject): Promise<JsonObject> =>
      api(sandbox, 'reactions.add', { channel: id('ops'), timestamp, name: 'eyes', ...args });
    expect(await add({})).toEqual({ ok: true });
    expect(await add({})).toMatchObject({ error: 'already_reacted' });
    expect(await add({ name: 'No Name' })).toMatchObject({ error: 'invalid_name' });
    expect(await add({ timestamp: '1.000000' })).toMatchObject({ error: 'message_not_found' });
    expect(sandbox.messages('ops')[0]?.reactions).toEqual([{ name: 'eyes', users: [sandbox.botUserId] }]);
  });
});
