import pg from 'pg';
import { superuser } from './embedded-cluster.ts';
import { locks } from './locks.ts';

/** "postgres": advisory locks count per database, so all take theirs in the same one. */
const lockDatabase = 'postgres';

export type PresenceResult =
  | { ok: true; presence: Presence }
  /** `retry`: the server is starting, stopping or gone; asking again can help. */
  | { ok: false; retry: boolean; error: Error };

/**
 * A session that is open as long as we use the server, holding a shared lock. It
 * is how processes on one data folder know of each other: who leaves last stops
 * the server, and a process that was killed has left, because its session ended.
 */
export class Presence {
  readonly #client: pg.Client;
  #open = true;

  private constructor(client: pg.Client) {
    this.#client = client;
    const lose = (): void => {
      this.#open = false;
    };
    client.on('error', lose);
    client.on('end', lose);
  }

  /** False as soon as the session broke: mostly because the server died. */
  get isOpen(): boolean {
    return this.#open;
  }

  static async open(options: {
    port: number;
    password: string;
    dataFolder: string;
  }): Promise<PresenceResult> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: options.port,
      user: superuser,
      password: options.password,
      database: lockDatabase,
      application_name: 'gomon presence',
      connectionTimeoutMillis: 3_000,
      // Waiting for the lock means that the server is being stopped; its end ends the wait earlier.
      query_timeout: 45_000,
      keepAlive: true,
    });
    const presence = new Presence(client);
    try {
      await client.connect();
      const answer = await client.query<{ data_directory: string }>('SHOW data_directory');
      const served = answer.rows[0]?.data_directory;
      if (served !== options.dataFolder) {
        throw new Error(`port ${options.port} serves ${served ?? 'nothing'}, not ${options.dataFolder}`);
      }
      await client.query('SELECT pg_advisory_lock_shared($1)', [locks.embeddedPresence]);
      await createDatabase(client);
      return { ok: true, presence };
    } catch (cause) {
      const error = cause as Error & { code?: string };
      presence.#open = false;
      await client.end().catch(() => undefined);
      return { ok: false, retry: error.code !== '28P01', error };
    }
  }

  /** Leaves. True: nobody else is here, nobody can come in, and the caller may stop the server. */
  async leave(): Promise<boolean> {
    if (!this.#open) return false;
    await this.#client.query('SELECT pg_advisory_unlock_shared($1)', [locks.embeddedPresence]);
    const answer = await this.#client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [
      locks.embeddedPresence,
    ]);
    return answer.rows[0]?.last === true;
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#client.end().catch(() => undefined);
  }
}

async function createDatabase(client: pg.Client): Promise<void> {
  const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [superuser]);
  if (found.rowCount === 1) return;
  try {
    await client.query(`CREATE DATABASE ${superuser}`);
  } catch (error) {
    // 42P04, or 23505 from the catalogue's index: another process created it just now.
    const code = (error as { code?: string }).code;
    if (code !== '42P04' && code !== '23505') throw error;
  }
}
