import { describe, expect, it } from 'vitest';
import { RateLimits } from './rate-limits.ts';
import { api, callForm, startTestSandbox } from './testing.ts';

describe('rate limits', () => {
  const start = 1_700_000_000_000;
  /** How many calls in a row pass. */
  function passing(limits: RateLimits, method: string, channel: string, nowMs: number): number {
    let count = 0;
    while (limits.take(method, channel, nowMs) === null && count < 1000) count += 1;
    return count;
  }

  it('lets a client through that bursts 20 posts and then keeps to one a second', () => {
    const limits = new RateLimits('slack');
    for (let count = 0; count < 20; count += 1)
      expect(limits.take('chat.postMessage', 'C1', start)).toBeNull();
    for (let second = 1; second < 600; second += 1)
      expect(limits.take('chat.postMessage', 'C1', start + second * 1000)).toBeNull();
  });
  it('lets a client through that bursts 40 edits and then keeps to 50 a minute', () => {
    const limits = new RateLimits('slack');
    for (let count = 0; count < 40; count += 1) expect(limits.take('chat.update', 'C1', start)).toBeNull();
    for (let edit = 1; edit < 500; edit += 1)
      expect(limits.take('chat.update', 'C1', start + edit * 1200)).toBeNull();
  });
  it('stops a careless client, per channel for posts', () => {
    const limits = new RateLimits('slack');
    expect(passing(limits, 'chat.postMessage', 'C1', start)).toBe(25);
    expect(limits.take('chat.postMessage', 'C1', start)).toBe(1);
    expect(limits.take('chat.postMessage', 'C2', start)).toBeNull();
    expect(limits.take('chat.postMessage', 'C1', start + 1000)).toBeNull();
    expect(limits.take('chat.postMessage', 'C1', start + 1000)).toBe(1);
  });
  it('counts edits for the whole workspace', () => {
    const limits = new RateLimits('slack');
    expect(passing(limits, 'chat.update', 'C1', start)).toBe(50);
    expect(limits.take('chat.update', 'C2', start)).toBe(2);
  });
  it('takes other numbers, or none at all', () => {
    expect(passing(new RateLimits({ postBurst: 2 }), 'chat.postMessage', 'C1', start)).toBe(2);
    expect(passing(new RateLimits('off'), 'chat.postMessage', 'C1', start)).toBe(1000);
    expect(passing(new RateLimits('slack'), 'auth.test', '', start)).toBe(1000);
  });

  it('are answered 429 with Retry-After, and recorded; nothing is posted', async () => {
    const sandbox = await startTestSandbox({ limits: { postBurst: 1, postsPerSecond: 0.1 } });
    await api(sandbox, 'chat.postMessage', { channel: '#alert-critical', text: 'a' });
    // The same channel by its id is the same bucket.
    const refused = await callForm(sandbox, 'chat.postMessage', {
      channel: sandbox.channel('alert-critical').id,
      text: 'b',
    });
    expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
      429,
      '10',
      { ok: false, error: 'ratelimited' },
    ]);
    expect(sandbox.messages('alert-critical')).toHaveLength(1);
    expect(sandbox.calls('chat.postMessage')).toMatchObject([
      { status: 200 },
      { status: 429, applied: false },
    ]);
    expect(sandbox.errors()).toMatchObject([{ error: 'ratelimited' }]);
    await sandbox.close();
  });
});
