import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { DatabaseAwayError, databaseTrouble } from './errors.ts';
import { cut, endSession } from './sockets.ts';
import { troubleText } from './trouble-text.ts';

/**
 * Knows whether the database is there, so that a request need not find out: it
 * asks about once a second on a session of its own, and at once when somebody
 * suspects trouble. A server that refuses, hangs, recovers or can only be read is
 * away; then the pool refuses everybody at once (`gate`), and whoever waits for an
 * answer is cut off. When it is back, no connection from before is used any more, and
 * `beforeOpen` runs before anybody else gets in.
 */
export type DatabaseWatchOptions = {
  url: string;
  /** Told once for each time it goes, with the reason for people. */
  onAway: (detail: string) => void;
  onBack: (awayMs: number) => void;
  /** What has to be done before others see the database again. When the database fails it, it stays away. */
  beforeOpen?: (signal: AbortSignal) => Promise<void>;
  onTrouble?: (error: unknown) => void;
  /** An answer that takes longer counts as none. */
  answerWithinMs?: number;
};

const lookEveryMs = 1_000;
const lookEveryMsWhileAway = 300;
/** After the time is over: an answer that is here already, and only waits for our own event loop, still counts. */
const graceMs = 500;

export class DatabaseWatch {
  readonly #options: DatabaseWatchOptions;
  readonly #answerWithinMs: number;
  readonly #stop = new AbortController();
  readonly #opened = Promise.withResolvers<void>();
  readonly #cutters = new Set<() => Promise<void>>();
  #away: { detail: string; sinceMs: number } | null = {
    detail: 'it was not looked at yet',
    sinceMs: performance.now(),
  };
  #hasBeenOpen = false;
  #lookedAtMs = -Infinity;
  #session: pg.Client | null = null;
  #look: Promise<void> | null = null;
  #loop: Promise<void> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: DatabaseWatchOptions) {
    this.#options = options;
    this.#answerWithinMs = options.answerWithinMs ?? 2_500;
  }

  /** Null while the database may be used, else what to answer instead. */
  readonly gate = (): DatabaseAwayError | null =>
    this.#away === null ? null : new DatabaseAwayError(this.#away.detail);

  /** Called when everybody who waits for an answer of the server should be cut off. */
  onCut(cutAll: () => Promise<void>): void {
    this.#cutters.add(cutAll);
  }

  /** Resolves when the database may be used for the first time. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#loop ??= this.#run();
    const abandon = (): void => this.#opened.reject(new DatabaseAwayError('the start was given up'));
    signal?.addEventListener('abort', abandon, { once: true });
    if (signal?.aborted === true) abandon();
    await this.#opened.promise.finally(() => signal?.removeEventListener('abort', abandon));
  }

  /** Before the first look: what somebody else met with who tried. */
  explain(error: unknown): void {
    if (this.#away !== null && this.#loop === null) this.#away.detail = troubleText(error);
  }

  /** A connection broke or was refused: look now instead of at the next second. */
  suspect(): void {
    this.#wake?.();
  }

  /**
   * Why the database is away, or null: as found at most `freshMs` ago. What is known to
   * be away is not asked again; who asks in bursts shares a look.
   */
  async check(freshMs = 1_000): Promise<string | null> {
    const isFresh = performance.now() - this.#lookedAtMs < freshMs;
    if (this.#away === null && !isFresh && !this.#stop.signal.aborted) await this.#lookOnce();
    return this.#away?.detail ?? null;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    this.#opened.promise.catch(() => undefined);
    this.#opened.reject(new DatabaseAwayError('the service is stopping'));
    if (this.#session !== null) await endSession(this.#session, 200);
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#lookOnce();
      if (signal.aborted) return;
      const pause = new AbortController();
      this.#wake = () => pause.abort();
      const pauseMs = this.#away === null ? lookEveryMs : lookEveryMsWhileAway;
      await wait(pauseMs, undefined, { signal: AbortSignal.any([pause.signal, signal]) }).catch(
        () => undefined,
      );
      this.#wake = null;
    }
  }

  /** Several who ask at once share one look. */
  #lookOnce(): Promise<void> {
    this.#look ??= this.#lookAndTell().finally(() => {
      this.#look = null;
    });
    return this.#look;
  }

  async #lookAndTell(): Promise<void> {
    const trouble = await this.#ask();
    this.#lookedAtMs = performance.now();
    if (this.#stop.signal.aborted) return;
    if (trouble !== null) {
      this.#goAway(trouble);
      await this.#cutOff();
      return;
    }
    if (this.#away === null) return;
    // A session that was made while the database could only be read stays so for as long as it lives.
    await this.#cutOff();
    try {
      await this.#options.beforeOpen?.(this.#stop.signal);
    } catch (error) {
      if (databaseTrouble(error) !== 'other') return;
      this.#options.onTrouble?.(error);
    }
    if (this.#stop.signal.aborted) return;
    const awayMs = performance.now() - this.#away.sinceMs;
    this.#away = null;
    if (this.#hasBeenOpen) this.#options.onBack(awayMs);
    this.#hasBeenOpen = true;
    this.#opened.resolve();
  }

  #goAway(detail: string): void {
    if (this.#away === null) {
      this.#away = { detail, sinceMs: performance.now() };
      this.#options.onAway(detail);
    } else {
      this.#away.detail = detail;
    }
  }

  async #cutOff(): Promise<void> {
    await Promise.all([...this.#cutters].map((cutAll) => cutAll()));
  }

  /** Null when the server answers and takes writes. A session that broke proves nothing: a new one is tried. */
  async #ask(): Promise<string | null> {
    const known = this.#session;
    if (known !== null) {
      const answer = await this.#askIn(known);
      if (answer === null || answer.hangs) return answer?.detail ?? null;
    }
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: 'gomon watch',
      keepAlive: true,
    });
    client.on('error', () => {
      if (this.#session !== client) return;
      this.#session = null;
      this.suspect();
    });
    this.#session = client;
    return (await this.#askIn(client, true))?.detail ?? null;
  }

  async #askIn(client: pg.Client, connect = false): Promise<{ detail: string; hangs: boolean } | null> {
    const question = async (): Promise<string | null> => {
      if (connect) await client.connect();
      const { rows } = await client.query<{ readOnly: boolean }>(
        `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly"`,
      );
      return rows[0]?.readOnly === true ? 'it takes no writes (a standby, or a failover under way)' : null;
    };
    const asked = question().then(
      (detail) => (detail === null ? null : { detail, hangs: false }),
      (error: unknown) => ({ detail: troubleText(error), hangs: false }),
    );
    const done = new AbortController();
    const tooLate = wait(this.#answerWithinMs, undefined, { signal: done.signal })
      .then(() => wait(graceMs, undefined, { signal: done.signal }))
      .then(() => ({ detail: 'no answer in time', hangs: true }));
    tooLate.catch(() => undefined);
    const answer = await Promise.race([asked, tooLate]);
    done.abort();
    if (answer !== null) {
      if (this.#session === client) this.#session = null;
      cut(client);
    }
    return answer;
  }
}
