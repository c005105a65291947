import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

/** Who does not lead asks so often whether it may. */
const askEveryMs = 5_000;
/** Who leads makes sure so often that the connection, and with it the lock, still is there. */
const checkEveryMs = 5_000;
/** A process that hangs keeps its connection, and does not check: the server ends its session after this. */
const idleTimeoutMs = 30_000;

/**
 * One of several processes does something: whoever holds an advisory lock, on a
 * connection of its own. When that process or its connection dies, PostgreSQL
 * frees the lock; keep-alives make it notice a peer that vanished without a word
 * within 30 s, and so does the limit on idle sessions with one that hangs or is
 * frozen, so that another takes over in well under a minute.
 */
export class Leadership {
  readonly #url: string;
  readonly #lock: number;
  readonly #lead: (signal: AbortSignal) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  readonly #stop = new AbortController();
  readonly #askEveryMs: number;
  readonly #checkEveryMs: number;
  readonly #idleTimeoutMs: number;
  #loop: Promise<void> | null = null;
  #leading = false;

  /** @param lead runs while we lead; its signal aborts when that ends, and it then has to return soon */
  constructor(options: {
    url: string;
    lock: number;
    lead: (signal: AbortSignal) => Promise<void>;
    onError: (error: unknown) => void;
    askEveryMs?: number;
    checkEveryMs?: number;
    idleTimeoutMs?: number;
  }) {
    this.#url = options.url;
    this.#lock = options.lock;
    this.#lead = options.lead;
    this.#onError = options.onError;
    this.#askEveryMs = options.askEveryMs ?? askEveryMs;
    this.#checkEveryMs = options.checkEveryMs ?? checkEveryMs;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? idleTimeoutMs;
  }

  get leading(): boolean {
    return this.#leading;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#tryToLead(signal);
      } catch (error) {
        if (!signal.aborted) this.#onError(error);
      }
      await wait(this.#askEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #tryToLead(stopping: AbortSignal): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'gomon leader',
      connectionTimeoutMillis: 3_000,
      query_timeout: 10_000,
      keepAlive: true,
    });
    const lost = new AbortController();
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    try {
      await client.connect();
      await client.query(
        `SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', $1, false)`,
        [`${this.#idleTimeoutMs}ms`],
      );
      const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [
        this.#lock,
      ]);
      if (rows[0]?.held !== true || stopping.aborted) return;
      this.#leading = true;
      const signal = AbortSignal.any([stopping, lost.signal]);
      const checking = this.#checkLock(client, signal, lost);
      await this.#lead(signal).finally(() => lost.abort());
      await checking;
    } finally {
      this.#leading = false;
      await client.end().catch(() => undefined);
    }
  }

  async #checkLock(client: pg.Client, signal: AbortSignal, lost: AbortController): Promise<void> {
    while (!signal.aborted) {
      await wait(this.#checkEveryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await client.query('SELECT 1').catch(() => lost.abort());
    }
  }
}
