import { setTimeout as wait } from 'node:timers/promises';
import { databaseTrouble } from './errors.ts';

/**
 * Writes down something that has happened already and is known nowhere else: while
 * the database is away it is tried again, for as long as our claim on it holds.
 */
export async function persist(
  write: () => Promise<void>,
  options: { withinMs: number; signal: AbortSignal; pauseMs?: number },
): Promise<void> {
  const until = performance.now() + options.withinMs;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      const trouble = databaseTrouble(error);
      const isPassing = trouble !== 'data' && trouble !== 'other';
      if (!isPassing || options.signal.aborted || performance.now() > until) throw error;
    }
    await wait(options.pauseMs ?? 300, undefined, { signal: options.signal }).catch(() => undefined);
  }
}
