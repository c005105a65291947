import type { Db } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import type { DispatchEvent } from '../observability/events.ts';
import type { CardLinks } from './card.ts';
import { claimDue, claimUnknown, nextDue, urgentPriority } from './claim.ts';
import { type Notification, type Pace, recoverStaleClaims, resumeOne, supersedeExpired } from './ledger.ts';
import type { ChecksChannels, FindsPosted, Notifier } from './notifier.ts';
import { Sender } from './send.ts';
import type { StandIns } from './stand-in.ts';

/**
 * Brings messages to their wanted state: claims due rows of the ledger as far as
 * budgets and hands reach, and has them sent (`send.ts`). Sleeps until something
 * that waits can go, whatever waits behind it.
 */

export type DispatcherOptions = {
  db: Db;
  /** Only rows of this notifier are taken. */
  notifier: Notifier & Partial<FindsPosted & ChecksChannels>;
  pace: Pace;
  links: CardLinks;
  clock: Clock;
  /** Sends under way at once, per process; some of them are kept for P0 and P1. */
  concurrency: number;
  /** Who takes the messages of a channel that cannot be posted to. Null: nobody, they wait. */
  standIns?: StandIns | null;
  /** The name of this process, whose claims others take over when it is gone (`gone-claims.ts`). */
  claimedBy?: string;
  observe: (event: DispatchEvent) => void;
};

/** A send takes 10 s at most; a claim much older than that was left by a process that died. */
const staleClaimMs = 45_000;
const sweepEveryMs = 5_000;
const longestSleepMs = 5_000;
const stopPatienceMs = 3_000;
/** While the vendor is away one message tries so often, so that its return is noticed however long the others wait. */
const nudgeEveryMs = 3_000;
/** Where nearly all hands are busy with slow sends, a P0 must not wait for one of them. */
const keptForUrgent = 0.3;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #sender: Sender;
  readonly #stop = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #othersUnderWay = 0;
  #loop: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #woken = false;
  #sweptAtMs = 0;
  #nudgedAtMs = 0;
  #emptyUntil = new Map<string, Date>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#sender = new Sender({
      ...options,
      standIns: options.standIns ?? null,
      giveUp: this.#giveUp.signal,
    });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /**
   * Something may be due: look now instead of at the next tick.
   * @param budgets the budgets it is charged to, as JSON; when all of them are used up
   * for now there is nothing to look for, and their next token wakes us anyway.
   */
  wake(budgets = ''): void {
    if (budgets !== '' && this.#areEmpty(budgets)) return;
    this.#woken = true;
    this.#wake?.();
  }

  /**
   * Takes nothing more and lets the sends that are under way end. What takes longer than
   * `patienceMs` is given up, and noted as not known: whoever is next looks for it.
   */
  async stop(patienceMs = stopPatienceMs): Promise<void> {
    this.#stop.abort();
    this.wake();
    const timer = setTimeout(() => this.#giveUp.abort(), patienceMs);
    await this.#loop;
    await Promise.allSettled(this.#underWay);
    clearTimeout(timer);
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
    const { db, notifier, pace, clock, claimedBy } = this.#options;
    const now = clock.now();
    // A clock set back (a test's, a machine's) must not stop the sweep.
    if (Math.abs(now.getTime() - this.#sweptAtMs) > sweepEveryMs) {
      this.#sweptAtMs = now.getTime();
      await recoverStaleClaims(db, new Date(now.getTime() - staleClaimMs), now);
      await supersedeExpired(db, now);
    }
    if (this.#sender.vendorIsDown && Math.abs(now.getTime() - this.#nudgedAtMs) >= nudgeEveryMs) {
      this.#nudgedAtMs = now.getTime();
      await resumeOne(db, notifier.name, now);
    }
    const { limit, othersLimit } = this.#room();
    if (limit <= 0) {
      await Promise.race(this.#underWay);
      return 1;
    }
    const unknown = await claimUnknown(db, notifier.name, limit, now, claimedBy);
    for (const row of unknown) this.#track(row, this.#sender.lookFor(row));
    if (this.#stop.signal.aborted) return unknown.length;
    const due = await claimDue(
      db,
      { notifier: notifier.name, pace, limit: limit - unknown.length, othersLimit, claimedBy },
      now,
    );
    if (due.length > 0) {
      const begun = await this.#sender.begin(due);
      for (const { row, work } of begun) this.#track(row, work);
    }
    return unknown.length + due.length;
  }

  #room(): { limit: number; othersLimit: number } {
    const { concurrency } = this.#options;
    const kept = concurrency > 1 ? Math.ceil(concurrency * keptForUrgent) : 0;
    const limit = concurrency - this.#underWay.size;
    return { limit, othersLimit: Math.min(limit, concurrency - kept - this.#othersUnderWay) };
  }

  #track(row: Notification, work: Promise<void>): void {
    const isOther = row.priority > urgentPriority;
    if (isOther) this.#othersUnderWay += 1;
    const tracked = work
      .catch((error: unknown) => this.#options.observe({ kind: 'trouble', error }))
      .finally(() => {
        this.#underWay.delete(tracked);
        if (isOther) this.#othersUnderWay -= 1;
        this.wake();
      });
    this.#underWay.add(tracked);
  }

  async #sleepTime(): Promise<number> {
    const { db, notifier, pace, clock } = this.#options;
    const now = clock.now();
    // Without a free hand for the others it is the end of a send that wakes us for them.
    const urgentOnly = this.#room().othersLimit <= 0;
    const { at, emptyUntil } = await nextDue(db, { notifier: notifier.name, pace, urgentOnly }, now);
    this.#emptyUntil = emptyUntil;
    const longest = this.#sender.vendorIsDown ? nudgeEveryMs : longestSleepMs;
    if (at === null) return longest;
    return Math.min(Math.max(at.getTime() - clock.now().getTime(), 10), longest);
  }

  #areEmpty(budgets: string): boolean {
    const now = this.#options.clock.now();
    const names = JSON.parse(budgets) as string[];
    return names.length > 0 && names.every((name) => (this.#emptyUntil.get(name) ?? now) > now);
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
