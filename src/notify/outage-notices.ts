import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import { endNotice, planNotice } from './notice.ts';

/**
 * Tells people once that a system we depend on does not answer, and that it is back.
 * Of our own notifier they hear when it is over: before, they could not.
 */

/** A circuit breaker, as far as it matters here; see `lib/breaker.ts`. */
export type WatchedTarget = { target: string; isOpen: boolean; detail: string };

export type OutageNoticesOptions = {
  db: Db;
  clock: Clock;
  /** Who tells, and where. */
  notifier: string;
  channel: string;
  /** What each target is called, and what its absence means for people. */
  meanings: Record<string, { name: string; meanwhile: string }>;
};

/** What passes sooner needs no message. */
const worthTellingMs = 15_000;
/** One that fails again so soon is the same trouble. */
const quietMs = 10 * 60_000;
/** Whoever told it may be gone: an old notice of a target that answers is ended by anybody. */
const orphanedMs = 2 * 60_000;

export class OutageNotices {
  readonly #options: OutageNoticesOptions;
  readonly #openSince = new Map<string, Date>();

  constructor(options: OutageNoticesOptions) {
    this.#options = options;
  }

  /** To be called every few seconds. */
  async look(targets: WatchedTarget[]): Promise<void> {
    for (const watched of targets) await this.#lookAt(watched);
  }

  async #lookAt({ target, isOpen, detail }: WatchedTarget): Promise<void> {
    const now = this.#options.clock.now();
    const since = this.#openSince.get(target);
    const lastedMs = since === undefined ? 0 : now.getTime() - since.getTime();
    const isOurs = target === this.#options.notifier;
    if (isOpen) {
      this.#openSince.set(target, since ?? now);
      if (!isOurs && since !== undefined && lastedMs >= worthTellingMs)
        await this.#tell(target, since, detail);
      return;
    }
    this.#openSince.delete(target);
    if (!isOurs) return this.#end(target, since !== undefined, now);
    if (since !== undefined && lastedMs >= worthTellingMs) await this.#tell(target, since, detail);
  }

  async #tell(target: string, since: Date, detail: string): Promise<void> {
    const { db, notifier, channel, clock } = this.#options;
    const now = clock.now();
    await db.transaction().execute(async (tx) => {
      const last = await lastNotice(tx, notifier, subjectOf(target));
      if (last !== null && (!last.closed || now.getTime() - last.createdAt.getTime() < quietMs)) return;
      const outage = (last?.outage ?? 0) + 1;
      const text = this.#text(target, since, detail);
      await planNotice(tx, { notifier, channel, subject: subjectOf(target), outage, text, priority: 0 }, now);
      if (target === notifier) await closeNotice(tx, notifier, subjectOf(target), outage);
    });
  }

  async #end(target: string, wasOpenHere: boolean, now: Date): Promise<void> {
    const { db, notifier } = this.#options;
    const subject = subjectOf(target);
    // Nearly always there is nothing to end, which is found out without a lock.
    const open = await openNotice(db, notifier, subject);
    if (open === null) return;
    if (!wasOpenHere && now.getTime() - open.createdAt.getTime() < orphanedMs) return;
    const text = `${this.#nameOf(target)} answers again since ${timeOfDay(now)}. What waited is being done.`;
    await db
      .transaction()
      .execute((tx) => endNotice(tx, { notifier, subject, outage: open.outage, text }, now));
  }

  #text(target: string, since: Date, detail: string): string {
    const name = this.#nameOf(target);
    const reason = detail === '' ? '' : ` (${detail.slice(0, 300)})`;
    const meanwhile = this.#options.meanings[target]?.meanwhile ?? '';
    return target === this.#options.notifier
      ? `${name} did not take messages since ${timeOfDay(since)}${reason}. ${meanwhile}`.trim()
      : `${name} does not answer since ${timeOfDay(since)}${reason}. ${meanwhile}`.trim();
  }

  #nameOf(target: string): string {
    return this.#options.meanings[target]?.name ?? target;
  }
}

function subjectOf(target: string): string {
  return `breaker:${target}`;
}

function timeOfDay(at: Date): string {
  return `${at.toISOString().slice(11, 16)} UTC`;
}

type LastNotice = { outage: number; closed: boolean; createdAt: Date };

/** Locks the subject, so that of several processes one tells. */
async function lastNotice(tx: Tx, notifier: string, subject: string): Promise<LastNotice | null> {
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${subject}, 0))`.execute(tx);
  const row = await noticesOf(tx, notifier, subject).executeTakeFirst();
  return row === undefined ? null : { outage: row.episode, closed: row.closed, createdAt: row.created_at };
}

async function openNotice(db: Db, notifier: string, subject: string): Promise<LastNotice | null> {
  const row = await noticesOf(db, notifier, subject).where('closed', '=', false).executeTakeFirst();
  return row === undefined ? null : { outage: row.episode, closed: false, createdAt: row.created_at };
}

function noticesOf(db: Db | Tx, notifier: string, subject: string) {
  return db
    .selectFrom('notifications')
    .select(['episode', 'closed', 'created_at'])
    .where('subject', '=', subject)
    .where('notifier', '=', notifier)
    .where('purpose', '=', 'notice')
    .orderBy('episode', 'desc')
    .limit(1);
}

/** Told when it was over: there is nothing to end. */
async function closeNotice(tx: Tx, notifier: string, subject: string, outage: number): Promise<void> {
  await tx
    .updateTable('notifications')
    .set({ closed: true })
    .where('subject', '=', subject)
    .where('notifier', '=', notifier)
    .where('purpose', '=', 'notice')
    .where('episode', '=', outage)
    .execute();
}
