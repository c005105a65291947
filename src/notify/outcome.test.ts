import { describe, expect, it } from 'vitest';
import { at } from '../../test/support/alerts.ts';
import type { Notification } from './ledger.ts';
import type { NotifyFailureReason } from './notifier.ts';
import { afterSend } from './outcome.ts';

const post = (parts: Partial<Notification> = {}): Notification => ({
  id: 'n1',
  subject: 'alert:a1',
  alert_id: 'a1',
  notifier: 'slack',
  channel: '#shop',
  purpose: 'card',
  episode: 1,
  state: 'sending',
  lane: 'post:#shop',
  priority: 3,
  due_at: at(0),
  wanted: 1,
  attempts: 0,
  reposts: 0,
  claimed_at: at(0),
  claimed_by: null,
  attempted_at: at(0),
  channel_id: null,
  message_id: null,
  card_hash: null,
  closed: false,
  reason: 'severity is P3',
  last_error: null,
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
const edit = (parts: Partial<Notification> = {}): Notification =>
  post({ lane: 'edit', channel_id: 'C1', message_id: '17.1', card_hash: 'old', posted_at: at(0), ...parts });

const failed = (row: Notification, reason: NotifyFailureReason, retryAfterMs?: number) =>
  afterSend(
    row,
    {
      ok: false,
      reason,
      code: 'some_code',
      detail: 'do this',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
    'new',
  );

describe('after a send', () => {
  it('that was accepted the message is known, and its next change is an edit', () => {
    expect(
      afterSend(
        post({ attempts: 4, last_error: 'x' }),
        { ok: true, channelId: 'C1', messageId: '17.1' },
        'new',
      ),
    ).toEqual({
      state: 'sent',
      lane: 'edit',
      delayMs: 0,
      attempts: 0,
      reposts: 0,
      channelId: 'C1',
      messageId: '17.1',
      sentTo: '#shop',
      cardHash: 'new',
      lastError: null,
      pauseLaneMs: null,
      channelIsDead: false,
    });
  });

  it('that was rate-limited the whole lane waits as long as the vendor says, and it keeps its turn', () => {
    expect(failed(post(), 'rate-limited', 7_000)).toMatchObject({
      state: 'due',
      delayMs: 0,
      pauseLaneMs: 7_000,
      messageId: null,
      attempts: 1,
    });
    expect(failed(edit(), 'rate-limited', 7_000)).toMatchObject({
      lane: 'edit',
      pauseLaneMs: 7_000,
      messageId: '17.1',
      cardHash: 'old',
    });
  });

  it('that was rate-limited without a period: half a minute, and never less than a second', () => {
    expect(failed(post(), 'rate-limited')).toMatchObject({ delayMs: 0, pauseLaneMs: 30_000 });
    expect(failed(post(), 'rate-limited', 0)).toMatchObject({ delayMs: 0, pauseLaneMs: 1_000 });
  });

  it('that surely did not arrive is tried again ever later, within a minute and a quarter', () => {
    for (const attempts of [0, 1, 5, 50]) {
      const next = failed(post({ attempts }), 'unavailable');
      const base = Math.min(1_000 * 2 ** attempts, 60_000);
      expect(next).toMatchObject({
        state: 'due',
        lane: 'post:#shop',
        pauseLaneMs: null,
        attempts: attempts + 1,
      });
      expect(next.delayMs).toBeGreaterThanOrEqual(base);
      expect(next.delayMs).toBeLessThanOrEqual(base * 1.25);
    }
  });

  it('that surely did not arrive waits at least as long as the vendor says', () => {
    expect(failed(post(), 'unavailable', 45_000).delayMs).toBeGreaterThanOrEqual(45_000);
    expect(failed(edit(), 'unknown', 45_000).delayMs).toBeGreaterThanOrEqual(45_000);
  });

  it('that may have posted it is looked for before anything else', () => {
    expect(failed(post(), 'unknown')).toMatchObject({ state: 'unknown', delayMs: 3_000, messageId: null });
  });

  it('that may have posted it is looked for as often after a bad day as after the first try', () => {
    expect(failed(post({ attempts: 9 }), 'unknown').attempts).toBe(failed(post(), 'unknown').attempts);
  });

  it('that may have edited it is simply made again', () => {
    expect(failed(edit(), 'unknown')).toMatchObject({ state: 'due', messageId: '17.1', lane: 'edit' });
    expect(failed(edit(), 'unknown').delayMs).toBeGreaterThanOrEqual(1_000);
  });

  it.each(['app', 'auth'] as const)('that failed for the %s waits for somebody to mend it', (reason) => {
    expect(failed(post(), reason)).toMatchObject({ state: 'due', delayMs: 60_000, pauseLaneMs: null });
  });

  it('that failed for the channel says that it is dead; of a message that is there, only that it waits', () => {
    expect(failed(post(), 'channel')).toMatchObject({ state: 'due', channelIsDead: true });
    expect(failed(edit(), 'channel')).toMatchObject({
      state: 'due',
      channelIsDead: false,
      delayMs: 60_000,
      messageId: '17.1',
    });
  });

  it('of an edit that a lost channel refuses the channel is in doubt, and it asks less and less often', () => {
    const refused = { ok: false as const, reason: 'channel' as const, detail: '' };
    const delays = [0, 1, 2, 9].map((attempts) => {
      const next = afterSend(edit({ attempts }), { ...refused, code: 'is_archived' }, 'new');
      expect(next.channelIsDead).toBe(true);
      return next.delayMs;
    });
    expect(delays).toEqual([60_000, 120_000, 240_000, 900_000]);
    // Who may edit what there says nothing of posts.
    const restricted = afterSend(edit(), { ...refused, code: 'restricted_action' }, 'new');
    expect(restricted.channelIsDead).toBe(false);
  });

  it('that was held back is no attempt, keeps its turn, and its lane waits no longer than a probe takes', () => {
    const row = post({ attempts: 3, last_error: 'unknown: timeout' });
    const as = { state: 'due', attempts: 3, lastError: 'unknown: timeout', delayMs: 0, messageId: null };
    expect(failed(row, 'held', 1_500)).toMatchObject({ ...as, pauseLaneMs: 1_500 });
    expect(failed(row, 'held', 60_000)).toMatchObject({ ...as, pauseLaneMs: 5_000 });
    expect(failed(row, 'held')).toMatchObject({ ...as, pauseLaneMs: 2_000 });
  });

  it('whose message is refused is over, and says why', () => {
    expect(failed(post(), 'payload')).toMatchObject({
      state: 'failed',
      lastError: 'payload: some_code do this',
    });
  });

  it('to a message that is gone posts it anew, once', () => {
    const first = failed(edit(), 'gone');
    expect(first).toMatchObject({
      state: 'due',
      lane: 'post:#shop',
      messageId: null,
      cardHash: null,
      reposts: 1,
      delayMs: 0,
    });
    expect(failed(edit({ reposts: 1 }), 'gone')).toMatchObject({ state: 'failed', reposts: 1 });
  });

  it('to a message in a stand-in that is gone posts it anew there, and says where it was', () => {
    expect(failed(edit({ sent_to: '#stand-in' }), 'gone')).toMatchObject({ lane: 'post:#stand-in' });
    const result = { ok: true as const, channelId: 'C2', messageId: '1.1' };
    expect(afterSend(post({ lane: 'post:#stand-in' }), result, 'new').sentTo).toBe('#stand-in');
    expect(afterSend(edit({ sent_to: '#stand-in' }), result, 'new').sentTo).toBe('#stand-in');
  });

  it("does not fill the ledger with the vendor's prose", () => {
    const detail = 'x'.repeat(5_000);
    expect(
      afterSend(post(), { ok: false, reason: 'payload', code: 'c', detail }, 'new').lastError,
    ).toHaveLength(1_000);
  });
});

describe('after a line in a thread', () => {
  const line = post({ lane: 'line:#shop', purpose: 'line:x', parent_id: 'card' });

  it('whose thread takes none, or is gone, the line is left out: the card says it', () => {
    expect(failed(line, 'gone')).toMatchObject({ state: 'superseded' });
    const locked = { ok: false as const, reason: 'channel' as const, detail: '' };
    for (const code of ['restricted_action_thread_locked', 'cannot_reply_to_message']) {
      expect(afterSend(line, { ...locked, code }, 'new')).toMatchObject({ state: 'superseded' });
    }
  });

  it('whose channel refuses it the channel is in doubt, like that of a card', () => {
    const archived = { ok: false as const, reason: 'channel' as const, code: 'is_archived', detail: '' };
    expect(afterSend(line, archived, 'new')).toMatchObject({
      state: 'due',
      channelIsDead: true,
      delayMs: 60_000,
    });
  });

  it('that may have been said it is looked for like a card', () => {
    expect(failed(line, 'unknown')).toMatchObject({ state: 'unknown', attempts: 1 });
  });
});
