import { describe, expect, it } from 'vitest';
import { Breaker } from '../lib/breaker.ts';
import { guardNotifier } from './guarded-notifier.ts';
import type { FindsPosted, Notifier, NotifyFailure, NotifyFailureReason, NotifyResult } from './notifier.ts';

function refusing(reason: NotifyFailureReason): NotifyFailure {
  return { ok: false, reason, code: 'code', detail: 'detail' };
}

/** A notifier whose every call answers the same, and how often it was called. */
function notifierOf(answer: NotifyResult) {
  const calls: string[] = [];
  const say = (name: string): Promise<NotifyResult> => {
    calls.push(name);
    return Promise.resolve(answer);
  };
  const notifier: Notifier & FindsPosted = {
    name: 'fake',
    post: () => say('post'),
    edit: () => say('edit'),
    findPosted: async () => (await say('find'), answer.ok ? { ok: true, found: null } : answer),
  };
  const breaker = new Breaker('fake');
  return { notifier: guardNotifier(notifier, breaker), breaker, calls };
}

const message = { channel: '#c', card: {} as never, notificationId: 'n' };
const { signal } = new AbortController();

describe('a guarded notifier', () => {
  it.each([
    ['rate-limited', 12],
    ['channel', 12],
    ['payload', 12],
    ['gone', 12],
    ['unavailable', 5],
    ['unknown', 5],
    ['app', 1],
    ['auth', 1],
  ] as const)('is called on after %s until %i of twelve calls were made', async (reason, made) => {
    const { notifier, calls } = notifierOf(refusing(reason));
    for (let n = 0; n < 12; n += 1) await notifier.post(message, signal);
    expect(calls).toHaveLength(made);
  });

  it('answers held, with the reason of the calls before, and when to come again', async () => {
    const { notifier } = notifierOf(refusing('auth'));
    await notifier.post(message, signal);
    expect(await notifier.edit({ ...message, channelId: 'C', messageId: '1' }, signal)).toMatchObject({
      ok: false,
      reason: 'held',
      retryAfterMs: expect.any(Number),
      detail: expect.stringContaining('code: detail'),
    });
  });

  it('does not hold back posts because looking lacks a permission', async () => {
    const { notifier, breaker } = notifierOf(refusing('app'));
    await notifier.findPosted?.({ channel: '#c', notificationId: 'n', since: new Date(0) });
    expect(breaker.isOpen).toBe(false);
  });
});
