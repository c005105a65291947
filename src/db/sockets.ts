import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';

/**
 * Breaks the connection of a session at once, without the farewell that a server
 * which hangs never answers. What was under way in it fails; whether a commit among
 * it took effect is not known.
 */
export function cut(client: pg.ClientBase): void {
  // Not in the types, and `end()` would wait for the server.
  (client as unknown as { connection?: { stream?: Duplex } }).connection?.stream?.destroy();
}

/** Ends a session in order, or by cutting it where the server does not answer in time. */
export async function endSession(client: pg.Client, withinMs = 1_000): Promise<void> {
  const ended = client.end().catch(() => undefined);
  const timer = new AbortController();
  await Promise.race([ended, wait(withinMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
  cut(client);
}
