import type { Clock } from '../lib/clock.ts';
import type { Db } from '../db/pool.ts';
import { claimSlot, slotAt } from './slots.ts';

/** Somebody outside who raises the alarm when our pings stop. */
export interface HeartbeatTarget {
  readonly name: 'url' | 'opsgenie';
  ping(signal: AbortSignal): Promise<{ ok: true } | { ok: false; detail: string }>;
}

export type OutgoingHeartbeatOptions = {
  db: Db;
  clock: Clock;
  intervalMs: number;
  targets: HeartbeatTarget[];
  /** Null while all is well, else what is not. */
  trouble: () => Promise<string | null>;
  observe: (ping: { target: string; outcome: 'sent' | 'failed' | 'withheld'; detail: string | null }) => void;
};

const pingTimeoutMs = 10_000;

/**
 * Says outside that we are well, and says nothing when we are not: whoever listens
 * raises the alarm also when this machine, its network or the database is gone. One
 * process pings at each turn of the clock, as soon in it as all is well.
 */
export class OutgoingHeartbeat {
  readonly #options: OutgoingHeartbeatOptions;
  #doneSlotMs = 0;
  #withheldSlotMs = 0;
  #running = false;

  constructor(options: OutgoingHeartbeatOptions) {
    this.#options = options;
  }

  async tick(signal: AbortSignal): Promise<void> {
    const { db, clock, intervalMs, targets } = this.#options;
    const slot = slotAt(clock.now(), intervalMs);
    if (this.#running || slot.getTime() <= this.#doneSlotMs) return;
    this.#running = true;
    try {
      // That it cannot be asked is trouble enough.
      const trouble = await this.#options.trouble().catch(() => 'the database does not answer');
      if (trouble !== null) return this.#withhold(slot, trouble);
      const isOurs = await claimSlot(db, 'heartbeat', slot);
      this.#doneSlotMs = slot.getTime();
      if (isOurs) await Promise.all(targets.map((target) => this.#ping(target, signal)));
    } finally {
      this.#running = false;
    }
  }

  /** Said once a turn, however often it is looked at in it. */
  #withhold(slot: Date, detail: string): void {
    if (slot.getTime() === this.#withheldSlotMs) return;
    this.#withheldSlotMs = slot.getTime();
    for (const target of this.#options.targets)
      this.#options.observe({ target: target.name, outcome: 'withheld', detail });
  }

  async #ping(target: HeartbeatTarget, signal: AbortSignal): Promise<void> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(pingTimeoutMs)]);
    const answer = await target.ping(within);
    if (signal.aborted) return;
    this.#options.observe({
      target: target.name,
      outcome: answer.ok ? 'sent' : 'failed',
      detail: answer.ok ? null : answer.detail,
    });
  }
}
