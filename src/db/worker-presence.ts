import pg from 'pg';
import { locks } from './locks.ts';

const reconnectAfterMs = 1_000;

/**
 * Says for as long as it lives that a worker is at this database, by a shared
 * advisory lock on a connection of its own. Who starts and finds nobody else there
 * knows that whatever is claimed was claimed by processes that died, and may give
 * it back at once instead of waiting until the claims are old.
 */
export class WorkerPresence {
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
      if (alone) await whenAlone();
      await client.query('SELECT pg_advisory_lock_shared($1)', [locks.workersAtWork]);
      if (alone) await client.query('SELECT pg_advisory_unlock($1)', [locks.workersAtWork]);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#client?.end().catch(() => undefined);
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

  /** What is claimed now may be our own: only the lock is taken again. */
  #reconnectSoon(): void {
    this.#retry = setTimeout(() => {
      this.#connect(async (client) => {
        await client.query('SELECT pg_advisory_lock_shared($1)', [locks.workersAtWork]);
      }).catch(() => {
        if (!this.#stopped) this.#reconnectSoon();
      });
    }, reconnectAfterMs);
  }
}
