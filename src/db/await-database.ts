import { setTimeout as wait } from 'node:timers/promises';
import { databaseTrouble } from './errors.ts';

/**
 * Does something that needs the database, again and again while it is away: at the
 * start of a machine everything comes up at once, and whoever exits because the
 * database is slower only makes it later. What a wait does not mend (a wrong
 * password, a missing database) is thrown at once.
 */
export async function onceThere<Result>(
  work: () => Promise<Result>,
  options: {
    /** After so long it is given up. */
    patienceMs: number;
    signal: AbortSignal;
    /** Told once, when the first attempt found nobody. */
    onWaiting: (reason: string) => void;
    /** Told of each attempt that found nobody. */
    onAttempt?: (error: unknown) => void;
    pauseMs?: number;
  },
): Promise<Result> {
  const until = performance.now() + options.patienceMs;
  let told = false;
  for (;;) {
    options.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      const trouble = databaseTrouble(error);
      if (trouble !== 'unavailable' && trouble !== 'busy') throw error;
      const reason = reasonOf(error);
      if (performance.now() >= until) {
        const waited = `${Math.round(options.patienceMs / 1_000)} s`;
        throw new Error(`the database did not come up within ${waited}: ${reason}`, { cause: error });
      }
      options.onAttempt?.(error);
      if (!told) options.onWaiting(reason);
      told = true;
    }
    await wait(options.pauseMs ?? 500, undefined, { signal: options.signal });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.message === '' ? ((error as { code?: string }).code ?? error.name) : error.message;
}
