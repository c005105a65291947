import type { Db } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import { resumeEvents } from './inbound-events.ts';
import type { IncidentProvider } from './provider.ts';
import { probeSync, resumeSync } from './resume.ts';

/**
 * Watches for the provider's return. While calls are held back the gravest thing
 * that waits is tried again and again, and when they are let through everything
 * that waits is due at once: it would else wait out its own growing delay.
 */
export class ProviderReturn {
  readonly #deps: { db: Db; provider: IncidentProvider; clock: Clock; isHeld: () => boolean };
  #heldSince: Date | null = null;

  constructor(deps: { db: Db; provider: IncidentProvider; clock: Clock; isHeld: () => boolean }) {
    this.#deps = deps;
  }

  /** To be called when calls begin to be held back: that may be over before anybody looks. */
  held(): void {
    this.#heldSince ??= this.#deps.clock.now();
  }

  /** To be called every few seconds. */
  async look(): Promise<void> {
    const { db, provider, clock, isHeld } = this.#deps;
    const now = clock.now();
    if (isHeld()) {
      this.held();
      await probeSync(db, now);
      return;
    }
    const since = this.#heldSince;
    if (since === null) return;
    await resumeSync(db, now);
    // Failures began before calls were held back.
    await resumeEvents(db, provider.name, new Date(since.getTime() - resumeFromMs));
    this.#heldSince = null;
  }
}

const resumeFromMs = 120_000;
