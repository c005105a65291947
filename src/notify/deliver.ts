import { createHash } from 'node:crypto';
import type { Db } from '../db/pool.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { buildCards, type CardLinks } from './card.ts';
import {
  claimDue,
  claimUnknown,
  nextDueAt,
  type Notification,
  type Pace,
  pauseLane,
  postLane,
  recordSend,
  recoverStaleClaims,
} from './ledger.ts';
import type { DispatchEvent } from '../observability/events.ts';
import type { AlertCard } from './message.ts';
import type { FindsPosted, Notifier, NotifyResult } from './notifier.ts';
import { afterSend, type NextState } from './outcome.ts';

/**
 * Brings messages to their wanted state. It claims due rows of the ledger, reads
 * what they are about as it is now, and posts, edits or skips. What changed while
 * a send was under way makes the row due again, so the last state always wins and
 * states in between are never sent late.
 */

export type DispatcherOptions = {
  db: Db;
  notifier: Notifier & Partial<FindsPosted>;
  pace: Pace;
  links: CardLinks;
  clock: Clock;
  /** Sends under way at once, per process. */
  concurrency: number;
  observe: (event: DispatchEvent) => void;
};

/** A send takes 10 s at most; a claim much older than that was left by a process that died. */
const staleClaimMs = 45_000;
const longestSleepMs = 5_000;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #loop: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #woken = false;
  #sweptAtMs = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Something may be due: look now instead of at the next tick. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Takes nothing more and waits for the sends that are under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.wake();
    await this.#loop;
    await Promise.allSettled(this.#underWay);
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#woken = false;
      let sleepMs = longestSleepMs;
      try {
        const claimed = await this.#claimAndSend();
        if (claimed > 0) continue;
        sleepMs = await this.#sleepTime();
      } catch (error) {
        this.#options.observe({ kind: 'trouble', error });
        sleepMs = 1_000;
      }
      await this.#sleep(sleepMs);
    }
  }

  async #claimAndSend(): Promise<number> {
    const { db, pace, clock, concurrency } = this.#options;
    const now = clock.now();
    if (now.getTime() - this.#sweptAtMs > 5_000) {
      this.#sweptAtMs = now.getTime();
      await recoverStaleClaims(db, new Date(now.getTime() - staleClaimMs), now);
    }
    const room = concurrency - this.#underWay.size;
    if (room <= 0) {
      await Promise.race(this.#underWay);
      return 1;
    }
    const unknown = await claimUnknown(db, room, now);
    for (const row of unknown) this.#track(this.#lookFor(row));
    const due = await claimDue(db, pace, room, now);
    if (due.length > 0) await this.#begin(due);
    return unknown.length + due.length;
  }

  /** A message that cannot be read must not hold those that were claimed with it: each is then tried by itself. */
  async #begin(due: Notification[]): Promise<void> {
    let cards: Map<string, AlertCard>;
    try {
      cards = await buildCards(this.#options.db, due, this.#options.links);
    } catch (error) {
      const [first, ...others] = due;
      if (first !== undefined && others.length === 0) return this.#giveBack(first, error);
      for (const row of due) await this.#begin([row]);
      return;
    }
    for (const row of due) this.#track(this.#send(row, cards.get(row.id)));
  }

  /** Nothing was sent, so nothing has to be looked for. */
  async #giveBack(row: Notification, error: unknown): Promise<void> {
    this.#options.observe({ kind: 'trouble', error });
    await this.#record(row, {
      ...unchanged(row),
      attempts: row.attempts + 1,
      delayMs: backoffMs(row.attempts),
      lastError: 'what it is about could not be read',
    });
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#options.observe({ kind: 'trouble', error }))
      .finally(() => {
        this.#underWay.delete(tracked);
        this.wake();
      });
    this.#underWay.add(tracked);
  }

  async #send(row: Notification, card: AlertCard | undefined): Promise<void> {
    if (card === undefined) {
      return this.#record(row, {
        ...unchanged(row),
        state: 'failed',
        lastError: 'its alert is not there any more',
      });
    }
    const cardHash = hashOf(card);
    if (row.message_id !== null && row.card_hash === cardHash) {
      this.#options.observe({ kind: 'skipped', channel: row.channel });
      return this.#record(row, { ...unchanged(row), state: 'sent' });
    }
    const result = await this.#call(row, card);
    this.#report(row, card, result);
    await this.#record(row, afterSend(row, result, cardHash));
  }

  async #call(row: Notification, card: AlertCard): Promise<NotifyResult> {
    const { notifier } = this.#options;
    const message = { card, notificationId: row.id };
    // A send that has begun is finished also while stopping: its outcome would be unknown otherwise.
    const { signal } = new AbortController();
    if (row.message_id === null || row.channel_id === null) {
      return notifier.post({ ...message, channel: row.channel }, signal);
    }
    return notifier.edit({ ...message, channelId: row.channel_id, messageId: row.message_id }, signal);
  }

  #report(row: Notification, card: AlertCard, result: NotifyResult): void {
    const { observe, clock } = this.#options;
    if (!result.ok) {
      const { reason, code, detail } = result;
      return observe({ kind: 'failed', channel: row.channel, reason, code, detail });
    }
    if (row.message_id !== null || row.posted_at !== null)
      return observe({ kind: 'edited', channel: row.channel });
    const latencyMs = clock.now().getTime() - row.received_at.getTime();
    observe({ kind: 'posted', channel: row.channel, severity: card.severity, latencyMs });
  }

  /** A post whose answer was lost: adopt the message if it is there, post again only when it surely is not. */
  async #lookFor(row: Notification): Promise<void> {
    const { notifier, db } = this.#options;
    if (notifier.findPosted === undefined) return this.#postAgain(row, 'it cannot be looked for');
    const channel = row.channel_id ?? (await channelIdOf(db, row)) ?? row.channel;
    const since = row.attempted_at ?? row.created_at;
    const answer = await notifier.findPosted({ channel, notificationId: row.id, since });
    if (answer.ok && answer.found !== null) {
      this.#options.observe({ kind: 'adopted', channel: row.channel });
      const { channelId: foundIn, messageId } = answer.found;
      // What it shows is not known: it is edited to the present state.
      return this.#record(row, {
        ...unchanged(row),
        state: 'due',
        lane: 'edit',
        channelId: foundIn,
        messageId,
      });
    }
    if (answer.ok) {
      if (row.attempts >= 2) return this.#postAgain(row, 'it was looked for twice and is not there');
      return this.#record(row, {
        ...unchanged(row),
        state: 'unknown',
        attempts: row.attempts + 1,
        delayMs: 3_000,
      });
    }
    const blind = answer.reason === 'channel' || answer.reason === 'app';
    if (blind) return this.#postAgain(row, `it cannot be looked for: ${answer.code}`);
    const delayMs = Math.max(answer.retryAfterMs ?? 5_000, 1_000);
    await this.#record(row, {
      ...unchanged(row),
      state: 'unknown',
      delayMs,
      lastError: `${answer.code} ${answer.detail}`,
    });
  }

  #postAgain(row: Notification, why: string): Promise<void> {
    return this.#record(row, {
      ...unchanged(row),
      state: 'due',
      attempts: 0,
      lane: postLane(row.channel),
      lastError: why,
    });
  }

  async #record(row: Notification, next: NextState): Promise<void> {
    const { db, clock } = this.#options;
    const now = clock.now();
    const firstPost = row.posted_at === null && next.messageId !== null;
    await recordSend(
      db,
      row,
      {
        state: next.state,
        lane: next.lane,
        dueAt: new Date(now.getTime() + next.delayMs),
        attempts: next.attempts,
        reposts: next.reposts,
        channelId: next.channelId,
        messageId: next.messageId,
        cardHash: next.cardHash,
        lastError: next.lastError,
        postedAt: firstPost ? now : row.posted_at,
      },
      now,
    );
    if (next.pauseLaneMs !== null) await pauseLane(db, row.lane, new Date(now.getTime() + next.pauseLaneMs));
  }

  async #sleepTime(): Promise<number> {
    const next = await nextDueAt(this.#options.db, this.#options.pace);
    if (next === null) return longestSleepMs;
    return Math.min(Math.max(next.getTime() - this.#options.clock.now().getTime(), 10), longestSleepMs);
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }
}

function unchanged(row: Notification): NextState {
  return {
    state: 'due',
    lane: row.lane,
    delayMs: 0,
    attempts: row.attempts,
    reposts: row.reposts,
    channelId: row.channel_id,
    messageId: row.message_id,
    cardHash: row.card_hash,
    lastError: row.last_error,
    pauseLaneMs: null,
  };
}

function hashOf(card: AlertCard): string {
  return createHash('sha256').update(JSON.stringify(card)).digest('base64url');
}

/** Vendors name places by ids of their own; another message to the same place has learned it. */
async function channelIdOf(db: Db, row: Notification): Promise<string | null> {
  const known = await db
    .selectFrom('notifications')
    .select('channel_id')
    .where('notifier', '=', row.notifier)
    .where('channel', '=', row.channel)
    .where('channel_id', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return known?.channel_id ?? null;
}
