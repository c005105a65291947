import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { DatabaseAwayError } from './errors.ts';
import { preparing } from './prepared.ts';
import { typeReaders } from './read-time.ts';
import type { Database } from './schema.ts';
import { cut } from './sockets.ts';

/** Reads, and writes that need no transaction of several statements. */
export type Db = Kysely<Database>;
/** A function that locks takes this, so that it cannot be called outside a transaction. */
export type Tx = Transaction<Database>;

export type DatabasePool = {
  db: Db;
  pool: pg.Pool;
  /**
   * Breaks every connection, in use, idle or still connecting, and refuses whoever waits for
   * one: for a server that does not answer any more, or takes no writes. Resolves when nobody can be given one of them.
   */
  cutAll(): Promise<void>;
  /** Waits a moment for what is under way, then cuts it off. */
  close(): Promise<void>;
};

/** With what the pool makes its connections; missing in its types. */
type PoolClients = { Client: new (config?: pg.ClientConfig) => pg.Client };

type Done = (release?: unknown) => void;
type ConnectCallback = (error: Error | undefined, client: pg.PoolClient | undefined, done: Done) => void;

/** A pool that says at once when the database is known to be away, also to those who have only the pool. */
class GatedPool extends pg.Pool {
  readonly #gate: () => DatabaseAwayError | null;
  readonly #waiting = new Set<(refusal: Error) => void>();

  constructor(config: pg.PoolConfig & PoolClients, gate: () => DatabaseAwayError | null) {
    super(config);
    this.#gate = gate;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | void {
    if (callback !== undefined) return this.#connect(callback);
    return new Promise((resolve, reject) => {
      this.#connect((error, client) => {
        if (client === undefined)
          reject(error ?? new Error('the pool gave neither a connection nor a reason'));
        else resolve(client);
      });
    });
  }

  /** Sends away whoever waits for a connection: it would be one to a server that does not answer. */
  refuseWaiting(): void {
    const refusal = this.#gate() ?? new DatabaseAwayError('its connections were cut');
    for (const refuse of this.#waiting) refuse(refusal);
    this.#waiting.clear();
  }

  #connect(callback: ConnectCallback): void {
    const refusal = this.#gate();
    if (refusal !== null) return process.nextTick(callback, refusal, undefined, nothing);
    const refuse = (error: Error): void => process.nextTick(callback, error, undefined, nothing);
    this.#waiting.add(refuse);
    super.connect((error, client, done) => {
      const isWanted = this.#waiting.delete(refuse);
      if (client === undefined) {
        // The pool does not always name a way to give back what it did not give.
        if (isWanted) callback(error, undefined, nothing);
      } else if (isWanted) {
        callback(error, client, giveBackOnce(done));
      } else {
        // It was this one's turn all the same: nobody wants that connection any more.
        done();
      }
    });
  }
}

const nothing = (): void => undefined;

/**
 * The job library gives the connection it listens on back twice when that breaks while it is being
 * given back. The second time must neither throw, which nobody there heeds, nor take the connection
 * from whoever has it by then.
 */
function giveBackOnce(giveBack: Done): Done {
  let isBack = false;
  return (release) => {
    if (isBack) return;
    isBack = true;
    giveBack(release);
  };
}

const closeWithinMs = 1_500;

/**
 * Where a network drops packets silently the server does not hear that a session was cut, and keeps the
 * locks of its transaction. Nothing outside is called in one, so none of ours idles for seconds.
 */
const abandonedAfterMs = 15_000;

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
  /** Asked before each use; see `DatabaseWatch`. */
  gate?: () => DatabaseAwayError | null;
}): DatabasePool {
  const clients = new Set<pg.Client>();
  /** Known from its first moment: one that is still connecting can be cut off too. */
  class KnownClient extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super(config);
      clients.add(this);
      this.once('end', () => clients.delete(this));
    }
  }
  const pool = new GatedPool(
    {
      Client: KnownClient,
      connectionString: options.url,
      max: options.size,
      application_name: `gomon ${options.purpose}`,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 3_000,
      statement_timeout: options.statementTimeoutMs ?? 30_000,
      idle_in_transaction_session_timeout: abandonedAfterMs,
      keepAlive: true,
      types: typeReaders,
    },
    options.gate ?? (() => null),
  );
  // An idle connection that breaks (server restart) emits here; unheard it would end the process.
  pool.on('error', (error) => options.onError?.(error));
  // So does one that breaks while it is in use, itself; the query that was under way fails by itself.
  pool.on('connect', (client) => client.on('error', (error) => options.onError?.(error)));
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: preparing(pool) }) });
  const cutAll = async (): Promise<void> => {
    const signal = AbortSignal.timeout(closeWithinMs);
    pool.refuseWaiting();
    const gone = [...clients].map((client) => once(client, 'end', { signal }).catch(() => undefined));
    for (const client of clients) cut(client);
    await Promise.all(gone);
  };
  return {
    db,
    pool,
    cutAll,
    close: async () => {
      const closed = db.destroy();
      const done = new AbortController();
      const late = wait(closeWithinMs, undefined, { signal: done.signal }).then(cutAll, () => undefined);
      await Promise.race([closed, late]);
      done.abort();
    },
  };
}
