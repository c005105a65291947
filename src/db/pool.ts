import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import { preparing } from './prepared.ts';
import type { Database } from './schema.ts';

/** Reads, and writes that need no transaction of several statements. */
export type Db = Kysely<Database>;
/** A function that locks takes this, so that it cannot be called outside a transaction. */
export type Tx = Transaction<Database>;

export type DatabasePool = {
  db: Db;
  pool: pg.Pool;
  close(): Promise<void>;
};

/**
 * Opens the pool. Connecting is bounded (an unreachable database answers within
 * `connectTimeoutMs`, it does not hang), and so is every statement.
 * @param purpose ends up in `application_name` after "gomon", for whoever looks at pg_stat_activity.
 */
export function openPool(options: {
  url: string;
  size: number;
  purpose: string;
  connectTimeoutMs?: number;
  statementTimeoutMs?: number;
  onError?: (error: Error) => void;
}): DatabasePool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.size,
    application_name: `gomon ${options.purpose}`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 3_000,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
  });
  // An idle connection that breaks (server restart) emits here; unheard it would end the process.
  pool.on('error', (error) => options.onError?.(error));
  // So does one that breaks while it is in use; the query that was under way fails by itself.
  pool.on('connect', (client) => client.on('error', (error) => options.onError?.(error)));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: preparing(pool) }) });
  return {
    db,
    pool,
    close: async () => {
      await db.destroy();
    },
  };
}
