import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SlackSandbox } from './server.ts';
import { api, botToken, callForm, startTestSandbox } from './testing.ts';

let sandbox: SlackSandbox;
beforeEach(async () => {
  sandbox = await startTestSandbox();
});
afterEach(() => sandbox.close());

const post = (): Promise<Response> =>
  callForm(sandbox, 'chat.postMessage', { channel: 'alert-critical', text: 'a' });
const posted = (): number => sandbox.messages('alert-critical').length;
/** Posts and gives up once the sandbox has recorded the call, as a client with a timeout would. */
async function postUntilRecorded(): Promise<unknown> {
  const giveUp = new AbortController();
  const request = fetch(`${sandbox.apiUrl}chat.postMessage`, {
    method: 'POST',
    headers: { authorization: `Bearer ${botToken}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'channel=alert-critical&text=a',
    signal: giveUp.signal,
  }).catch((error: unknown) => error);
  await sandbox.waitFor(() => sandbox.calls('chat.postMessage').length === 1);
  giveUp.abort();
  return request;
}

describe('faults', () => {
  it('http-500: not applied', async () => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'http-500' });
    expect((await post()).status).toBe(500);
    expect(posted()).toBe(0);
  });
  it('html-200: not applied', async () => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'html-200' });
    const response = await post();
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ]);
    expect(posted()).toBe(0);
  });
  it('timeout-after-applying: posted, never answered', async () => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'timeout-after-applying' });
    expect(await postUntilRecorded()).toBeInstanceOf(Error);
    expect(posted()).toBe(1);
    expect(sandbox.calls()).toMatchObject([{ applied: true, answer: null, fault: 'timeout-after-applying' }]);
  });
  it('timeout-before: neither posted nor answered', async () => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'timeout-before' });
    expect(await postUntilRecorded()).toBeInstanceOf(Error);
    expect(posted()).toBe(0);
    expect(sandbox.calls()).toMatchObject([{ applied: false, answer: null }]);
  });
  it.each([
    ['reset', 0],
    ['reset-after-applying', 1],
  ] as const)('%s breaks the connection', async (kind, count) => {
    sandbox.fault({ method: 'chat.postMessage', kind });
    await expect(post()).rejects.toThrow('fetch failed');
    expect(posted()).toBe(count);
  });
  it.each([
    [7, '7'],
    [null, null],
  ])('rate-limit with Retry-After %s', async (retryAfterSeconds, header) => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'rate-limit', retryAfterSeconds });
    const response = await post();
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, header]);
    expect(posted()).toBe(0);
  });
  it('ok-false with a code', async () => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'ok-false', error: 'internal_error' });
    expect(await (await post()).json()).toEqual({ ok: false, error: 'internal_error' });
    expect(posted()).toBe(0);
  });
  it('delay answers later, and not at all long once the sandbox closes', async () => {
    sandbox.fault({ method: 'chat.postMessage', kind: 'delay', delayMs: 5 });
    expect(await (await post()).json()).toMatchObject({ ok: true });
  });
  it('strike in order, as often as told, only their method', async () => {
    sandbox.fault({ method: 'chat.update', kind: 'http-500' });
    sandbox.fault({ method: '*', kind: 'ok-false', error: 'fatal_error', times: 2 });
    const statuses = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await api(sandbox, 'auth.test'))['ok']);
    expect(statuses).toEqual([false, false, true]);
    expect((await callForm(sandbox, 'chat.update')).status).toBe(500);
  });
  it('can be taken back', async () => {
    sandbox.fault({ method: '*', kind: 'http-500', times: 9 });
    sandbox.clearFaults();
    expect((await post()).status).toBe(200);
  });
});

describe('a fault with words of its own', () => {
  it('hits only the call that has them in it', async () => {
    sandbox.fault({ method: '*', kind: 'http-500', containing: 'just this' });
    const say = async (text: string): Promise<number> =>
      (await callForm(sandbox, 'chat.postMessage', { channel: 'alert-critical', text })).status;
    expect([await say('a'), await say('just this'), await say('just this')]).toEqual([200, 500, 200]);
  });
});
