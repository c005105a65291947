import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import type { SlackSandbox } from './server.ts';
import { api, button, startService, startTestSandbox } from './testing.ts';
import type { Service } from './testing.ts';

let sandbox: SlackSandbox;
let service: Service;
let nowMs: number;
let url: string;
let ts: string;
beforeEach(async () => {
  nowMs = 1_700_000_000_000;
  sandbox = await startTestSandbox({ now: () => nowMs });
  service = await startService();
  sandbox.deliverTo(service.url);
  const blocks = [{ type: 'actions', elements: [button('b')] }];
  ts = String(
    (await api(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'card', blocks }))['ts'],
  );
  await sandbox.click({ channel: 'alert-critical', ts, actionId: 'b' });
  url = String(service.lastPayload()['response_url']);
});
afterEach(async () => {
  await sandbox.close();
  await service.close();
});

async function respond(body: JsonObject | string): Promise<{ status: number; body: string }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.text() };
}
const messages = () => sandbox.messages('alert-critical');

describe('a response_url', () => {
  it('answers quietly by default', async () => {
    expect(await respond({ text: 'already acknowledged' })).toEqual({ status: 200, body: 'ok' });
    expect(sandbox.ephemerals()).toMatchObject([
      { text: 'already acknowledged', userId: sandbox.user('ana').id, origin: 'response_url' },
    ]);
    expect(messages()).toHaveLength(1);
  });
  it('posts for everybody, also into the thread', async () => {
    await respond({ response_type: 'in_channel', text: 'done' });
    await respond({ response_type: 'in_channel', replace_original: false, thread_ts: ts, text: 'reply' });
    expect(messages().map((each) => each.text)).toEqual(['card', 'done']);
    expect(messages()[0]?.replies).toMatchObject([{ text: 'reply' }]);
  });
  it('replaces and deletes the original', async () => {
    await respond({ replace_original: true, text: 'changed' });
    expect(messages()).toMatchObject([{ text: 'changed', blocks: [], editedCount: 1 }]);
    await respond({ delete_original: true });
    expect(messages()).toEqual([]);
  });
  it('works five times', async () => {
    for (let count = 0; count < 5; count += 1) expect((await respond({ text: 'a' })).status).toBe(200);
    expect(await respond({ text: 'a' })).toEqual({ status: 404, body: '{"ok":false,"error":"used_url"}' });
    expect(sandbox.ephemerals()).toHaveLength(5);
  });
  it('works for half an hour', async () => {
    nowMs += 30 * 60_000;
    expect((await respond({ text: 'a' })).status).toBe(200);
    nowMs += 1;
    expect(await respond({ text: 'a' })).toMatchObject({
      status: 404,
      body: expect.stringContaining('expired_url'),
    });
  });
  it.each<[JsonObject | string, string]>([
    ['{', 'invalid_payload'],
    [{}, 'no_text'],
    [{ blocks: [{ type: 'banana' }] }, 'invalid_blocks'],
  ])('refuses %j', async (body, error) => {
    const answer = await respond(body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.body).toContain(error);
    expect(sandbox.errors().at(-1)).toMatchObject({ where: 'response_url', error });
  });
  it('does not turn an ephemeral message into a public one', async () => {
    await respond({ text: 'quiet', blocks: [{ type: 'actions', elements: [button('c')] }] });
    const [ephemeral] = sandbox.ephemerals();
    await sandbox.click({ ephemeralId: ephemeral?.id ?? '', actionId: 'c' });
    expect(service.lastPayload()).toMatchObject({ container: { is_ephemeral: true } });
    expect(service.lastPayload()['message']).toBeUndefined();
    url = String(service.lastPayload()['response_url']);
    expect(
      (await respond({ replace_original: true, response_type: 'in_channel', text: 'loud' })).status,
    ).toBe(400);
    await respond({ replace_original: true, text: 'changed' });
    expect(sandbox.ephemerals()).toMatchObject([{ text: 'changed' }]);
  });
});
