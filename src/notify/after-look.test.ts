import { describe, expect, it } from 'vitest';
import { at } from '../../test/support/alerts.ts';
import { afterLook } from './after-look.ts';
import type { Notification } from './ledger.ts';
import type { NotifyFailureReason } from './notifier.ts';

const lost = (parts: Partial<Notification> = {}): Notification => ({
  id: 'n1',
  subject: 'alert:a1',
  alert_id: 'a1',
  notifier: 'slack',
  channel: '#shop',
  purpose: 'card',
  episode: 1,
  state: 'unknown',
  lane: 'post:#shop',
  priority: 3,
  due_at: at(0),
  wanted: 1,
  attempts: 1,
  reposts: 0,
  claimed_by: null,
  claimed_at: at(0),
  attempted_at: at(0),
  channel_id: null,
  message_id: null,
  card_hash: null,
  closed: false,
  reason: '',
  last_error: 'unknown: timeout',
  received_at: at(0),
  created_at: at(0),
  posted_at: null,
  updated_at: at(0),
  content: null,
  sent_to: null,
  parent_id: null,
  expires_at: null,
  ...parts,
});
const found = { ok: true as const, found: { channelId: 'C1', messageId: '1.2' } };
const nowhere = { ok: true as const, found: null };
const refused = (reason: NotifyFailureReason, code = 'code', retryAfterMs?: number) => ({
  ok: false as const,
  reason,
  code,
  detail: '',
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

describe('after a look for a post whose outcome is unknown', () => {
  it('that finds it, it is adopted and brought up to date; a line says what it says', () => {
    const known = {
      lane: 'edit',
      channelId: 'C1',
      messageId: '1.2',
      sentTo: '#shop',
      delayMs: 0,
      attempts: 0,
    };
    expect(afterLook(lost(), found)).toMatchObject({ ...known, state: 'due' });
    expect(afterLook(lost({ lane: 'line:#shop', parent_id: 'c' }), found)).toMatchObject({
      ...known,
      state: 'sent',
    });
  });

  it('that does not find it, it is looked for once more, then posted again', () => {
    expect(afterLook(lost({ attempts: 1 }), nowhere)).toMatchObject({
      state: 'unknown',
      attempts: 2,
      delayMs: 3_000,
    });
    expect(afterLook(lost({ attempts: 2 }), nowhere)).toMatchObject({
      state: 'due',
      attempts: 0,
      lane: 'post:#shop',
    });
  });

  it.each<[NotifyFailureReason, string]>([
    ['channel', 'not_in_channel'],
    ['app', 'missing_scope'],
    ['unknown', 'history_too_long'],
  ])(
    'that cannot see (%s, %s) P0 and P1 are posted again, the others wait, but not for ever',
    (reason, code) => {
      expect(afterLook(lost({ priority: 1 }), refused(reason, code))).toMatchObject({ state: 'due' });
      expect(afterLook(lost({ priority: 2 }), refused(reason, code))).toMatchObject({
        state: 'unknown',
        delayMs: 60_000,
        attempts: 2,
      });
      expect(afterLook(lost({ priority: 2, attempts: 11 }), refused(reason, code))).toMatchObject({
        state: 'due',
      });
    },
  );

  it.each<[NotifyFailureReason, number | undefined, number]>([
    ['rate-limited', 20_000, 20_000],
    ['unavailable', undefined, 5_000],
    ['unknown', undefined, 5_000],
    ['held', 1_500, 1_500],
  ])(
    'that fails in passing (%s) it is looked for again, and that does not count',
    (reason, retryAfterMs, delayMs) => {
      expect(afterLook(lost(), refused(reason, 'code', retryAfterMs))).toMatchObject({
        state: 'unknown',
        attempts: 1,
        delayMs,
      });
    },
  );

  it('is over for a line whose thread is gone', () => {
    const line = lost({ lane: 'line:#shop', parent_id: 'c', priority: 0 });
    expect(afterLook(line, refused('gone', 'thread_not_found'))).toMatchObject({ state: 'superseded' });
  });

  it('is not made where nobody can look', () => {
    expect(afterLook(lost(), null)).toMatchObject({ state: 'due', attempts: 0 });
  });
});
