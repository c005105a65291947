import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AlertCard } from '../../src/notify/message.ts';
import type { Notifier, NotifyFailureReason } from '../../src/notify/notifier.ts';

/** What the vendor's end can be told to do with the next call. */
export type VendorFault =
  /** Refuses for now and names 7 seconds. */
  | 'rate-limit-7s'
  | 'rate-limit-unnamed'
  | 'server-error'
  /** Does what was asked, then never answers. */
  | 'applied-then-silent'
  | 'connection-reset'
  | 'not-an-api-answer'
  | 'channel-gone'
  | 'missing-permission'
  | 'bad-token'
  | 'message-refused'
  | 'message-gone';

/** A notifier and the vendor's end it talks to, made anew for each test. */
export type NotifierRig = {
  notifier: Notifier;
  /** The same, but gives up on a silent vendor within a fraction of a second. */
  impatient: Notifier;
  /** The same, but nothing listens at its address. */
  unreachable: Notifier;
  /** A place where posting works. */
  channel: string;
  card: AlertCard;
  /** Must never show in an outcome. */
  secrets: string[];
  /** Works on every call from now on. */
  fault(kind: VendorFault): void;
  /** Settles when the vendor's end has applied the next post. */
  applied(): Promise<void>;
  /** What stands at the vendor's end, oldest first. */
  messages(): { channelId: string; messageId: string; text: string; notificationId: string }[];
  close(): Promise<void>;
};

const failures: [VendorFault, NotifyFailureReason, retryAfterMs: number | undefined][] = [
  ['rate-limit-7s', 'rate-limited', 7_000],
  ['rate-limit-unnamed', 'rate-limited', undefined],
  ['server-error', 'unknown', undefined],
  ['applied-then-silent', 'unknown', undefined],
  ['connection-reset', 'unknown', undefined],
  ['not-an-api-answer', 'unavailable', undefined],
  ['channel-gone', 'channel', undefined],
  ['missing-permission', 'app', undefined],
  ['bad-token', 'auth', undefined],
  ['message-refused', 'payload', undefined],
];

/** What the dispatcher relies on, whatever the vendor. */
export function describeNotifier(name: string, setUp: () => Promise<NotifierRig>): void {
  describe(`${name} keeps the notifier contract`, () => {
    let rig: NotifierRig;
    const patience = (): AbortSignal => new AbortController().signal;
    const post = (notifier = rig.notifier, signal = patience()) =>
      notifier.post({ channel: rig.channel, card: rig.card, notificationId: 'notification-1' }, signal);

    beforeEach(async () => {
      rig = await setUp();
    });
    afterEach(() => rig.close());

    it('posts one message and says where it is', async () => {
      const result = await post();
      const [message, ...others] = rig.messages();
      expect(others).toEqual([]);
      expect(result).toEqual({ ok: true, channelId: message?.channelId, messageId: message?.messageId });
      expect(message?.text).toContain(rig.card.title);
      expect(message?.notificationId).toBe('notification-1');
    });

    it('edits that message in place, as often as it is told to', async () => {
      const posted = await post();
      if (!posted.ok) throw new Error(posted.detail);
      const { channelId, messageId } = posted;
      const card: AlertCard = {
        ...rig.card,
        status: 'resolved',
        resolvedAt: new Date('2026-03-01T11:00:00Z'),
        actions: [],
      };
      const edit = () =>
        rig.notifier.edit({ channelId, messageId, card, notificationId: 'notification-1' }, patience());
      expect(await edit()).toEqual(posted);
      expect(await edit()).toEqual(posted);
      expect(rig.messages()).toHaveLength(1);
      expect(rig.messages()[0]?.text).toMatch(/resolved/i);
      expect(rig.messages()[0]?.notificationId).toBe('notification-1');
    });

    it.each(failures)('answers %s with the reason %s', async (fault, reason, retryAfterMs) => {
      rig.fault(fault);
      const result = await post(fault === 'applied-then-silent' ? rig.impatient : rig.notifier);
      expect(result).toMatchObject({ ok: false, reason });
      expect('retryAfterMs' in result ? result.retryAfterMs : undefined).toBe(retryAfterMs);
    });

    it('stops waiting when it is told to, and does not try again', async () => {
      rig.fault('applied-then-silent');
      const stop = new AbortController();
      const applied = rig.applied();
      const result = post(rig.notifier, stop.signal);
      await applied;
      stop.abort();
      expect(await result).toMatchObject({ ok: false, reason: 'unknown' });
      expect(rig.messages()).toHaveLength(1);
    });

    it('says that a message to edit is gone', async () => {
      const posted = await post();
      if (!posted.ok) throw new Error(posted.detail);
      rig.fault('message-gone');
      const { channelId, messageId } = posted;
      const result = await rig.notifier.edit(
        { channelId, messageId, card: rig.card, notificationId: 'notification-1' },
        patience(),
      );
      expect(result).toMatchObject({ ok: false, reason: 'gone' });
    });

    it('knows that nothing was applied where nothing listens', async () => {
      expect(await post(rig.unreachable)).toMatchObject({ ok: false, reason: 'unavailable' });
    });

    it('sends nothing once it is told to stop', async () => {
      expect(await post(rig.notifier, AbortSignal.abort())).toMatchObject({
        ok: false,
        reason: 'unavailable',
      });
      expect(rig.messages()).toEqual([]);
    });

    it('lets no secret into an outcome', async () => {
      for (const [fault] of failures) {
        rig.fault(fault);
        const outcome = JSON.stringify(
          await post(fault === 'applied-then-silent' ? rig.impatient : rig.notifier),
        );
        for (const secret of rig.secrets) expect(outcome).not.toContain(secret);
      }
    });
  });
}
