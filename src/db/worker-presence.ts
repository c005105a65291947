import { sql } from 'kysely';
import pg from 'pg';
import { newId } from '../lib/ids.ts';
import { locks } from './locks.ts';
import type { Db } from './pool.ts';
import { endSession } from './sockets.ts';

const reconnectAfterMs = 1_000;

/**
 * Says for as long as it lives that a worker is at this database, by a shared
 * advisory lock on a connection of its own. Who starts and finds nobody else there
 * knows that whatever is claimed was claimed by processes that died, and may give
 * it back at once instead of waiting until the claims are old.
 */
export class WorkerPresence {
  /** Under which this process claims what it works on. */
  readonly name = newId();
  readonly #url: string;
  readonly #onError: (error: Error) => void;
  #client: pg.Client | null = null;
  #stopped = false;
  #retry: NodeJS.Timeout | null = null;

  constructor(options: { url: string; onError: (error: Error) => void }) {
    this.#url = options.url;
    this.#onError = options.onError;
  }

  /** Before anything is claimed. `whenAlone` runs while no other worker can start. */
  async start(whenAlone: () => Promise<void>): Promise<void> {
    await this.#connect(async (client) => {
      const { rows } = await client.query<{ alone: boolean }>('SELECT pg_try_advisory_lock($1) AS alone', [
        locks.workersAtWork,
      ]);
      const alone = rows[0]?.alone === true;
      await this.#takeOwnLock(client);
      if (alone) await whenAlone();
      await client.query('SELECT pg_advisory_lock_shared($1)', [locks.workersAtWork]);
      if (alone) await client.query('SELECT pg_advisory_unlock($1)', [locks.workersAtWork]);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#client !== null) await endSession(this.#client);
  }

  async #connect(takeLock: (client: pg.Client) => Promise<void>): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'gomon worker at work',
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
    });
    client.on('error', (error) => {
      if (this.#client !== client || this.#stopped) return;
      this.#client = null;
      this.#onError(error);
      this.#reconnectSoon();
    });
    try {
      await client.connect();
      await takeLock(client);
      this.#client = client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  /** Shared, so that a session which is only dead to us does not keep us from it. */
  async #takeOwnLock(client: pg.Client): Promise<void> {
    await client.query('SELECT pg_advisory_lock_shared($1, hashtext($2))', [
      locks.processPresence,
      this.name,
    ]);
  }

  /** What is claimed now may be our own: only the lock is taken again. */
  #reconnectSoon(): void {
    this.#retry = setTimeout(() => {
      this.#connect(async (client) => {
        await client.query('SELECT pg_advisory_lock_shared($1)', [locks.workersAtWork]);
        await this.#takeOwnLock(client);
      }).catch(() => {
        if (!this.#stopped) this.#reconnectSoon();
      });
    }, reconnectAfterMs);
  }
}

/**
 * Which of these processes are not there any more: nobody holds their lock. One that
 * only lost its connection looks the same for a second or two.
 */
export async function goneProcesses(db: Db, names: string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await sql<{ name: string }>`
    WITH asked AS MATERIALIZED (SELECT name FROM unnest(${names}::text[]) AS n (name))
    SELECT name FROM asked WHERE pg_try_advisory_xact_lock(${locks.processPresence}, hashtext(name))`.execute(
    db,
  );
  return rows.rows.map((row) => row.name);
}
