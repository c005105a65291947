import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, prepareCluster, superuser } from './embedded-cluster.ts';
import { Presence } from './embedded-presence.ts';
import { findFreePort, findRunning, launch, shutDown } from './embedded-server.ts';

/** PostgreSQL may have to recover after a power cut; longer than this and somebody should look. */
const startTimeoutMs = 180_000;
const pollMs = 500;
/** Between attempts to start it again: one that was killed while it recovered comes up at the next. */
const shortestPauseMs = 500;
const longestPauseMs = 10_000;

export type EmbeddedOptions = {
  /** Holds the cluster (`postgres/`) and its password; created when missing. */
  dataDir: string;
  /** False gives up durability for speed, and stops without saving: only for data that is thrown away. */
  durable?: boolean;
  log?: (message: string, fields: Record<string, unknown>) => void;
};

export type EmbeddedChange =
  | { state: 'down' }
  /** Served again; the port, and with it `url`, can be another one when the old one was taken. */
  | { state: 'up'; url: string }
  /** It could not be started; tried again after a pause. */
  | { state: 'failed'; error: Error };

/**
 * The PostgreSQL that comes with us, for those who have none: found running or
 * started, ready for connections. Any number of processes may call this for the
 * same folder (commands beside a running `serve`); each one calls `stop()`, and
 * the last one out stops the server.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const cluster = await prepareCluster(options.dataDir, { durable: options.durable ?? true });
  const database = new EmbeddedDatabase(cluster, options);
  await database.ensureRunning();
  return database;
}

export class EmbeddedDatabase {
  readonly #cluster: Cluster;
  readonly #durable: boolean;
  readonly #log: NonNullable<EmbeddedOptions['log']>;
  #presence: Presence | null = null;
  #port = 0;
  #pid = 0;
  #adopted = false;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #stopSupervision: () => Promise<void> = async () => {};

  /** Use `startEmbedded`. */
  constructor(cluster: Cluster, options: EmbeddedOptions) {
    this.#cluster = cluster;
    this.#durable = options.durable ?? true;
    this.#log = options.log ?? (() => {});
  }

  /** Contains the password. */
  get url(): string {
    return `postgresql://${superuser}:${this.#cluster.password}@127.0.0.1:${this.#port}/${superuser}`;
  }

  get port(): number {
    return this.#port;
  }

  /** True when the server was already running: left by a killed process, or in use by another one. */
  get adopted(): boolean {
    return this.#adopted;
  }

  /** Brings the server up if it is not; concurrent calls share one attempt. */
  async ensureRunning(): Promise<void> {
    this.#starting ??= this.#bringUp().finally(() => {
      this.#starting = null;
    });
    await this.#starting;
  }

  /**
   * Looks about twice a second whether the server lives, and restarts it when it
   * died. The function given back ends the watch and waits for a restart under way.
   */
  supervise(onChange: (change: EmbeddedChange) => void): () => Promise<void> {
    const controller = new AbortController();
    const watch = this.#watch(onChange, controller.signal);
    const stopSupervision = async (): Promise<void> => {
      controller.abort();
      await watch;
    };
    this.#stopSupervision = stopSupervision;
    return stopSupervision;
  }

  /** Leaves, and stops the server unless another process of ours uses it. Call it once our own connections are closed. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    await this.#stopping;
  }

  /** Ends the server at once and without waiting, whoever uses it. For exit handlers of test runs, which cannot wait. */
  kill(): void {
    if (this.#stopping !== null || this.#pid === 0) return;
    try {
      process.kill(this.#pid, 'SIGQUIT');
    } catch {
      // Already gone.
    }
  }

  async #watch(onChange: (change: EmbeddedChange) => void, signal: AbortSignal): Promise<void> {
    let pauseMs = shortestPauseMs;
    while (!signal.aborted) {
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || this.#presence?.isOpen === true) continue;
      onChange({ state: 'down' });
      try {
        await this.ensureRunning();
        pauseMs = shortestPauseMs;
        onChange({ state: 'up', url: this.url });
      } catch (error) {
        onChange({ state: 'failed', error: error as Error });
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      }
    }
  }

  async #leave(): Promise<void> {
    await this.#stopSupervision();
    await this.#starting?.catch(() => undefined);
    if (this.#presence?.isOpen !== true) {
      // Our session broke. If the server is there all the same, it is still ours to leave in order.
      const running = await findRunning(this.#cluster);
      if (running === null) return;
      const opened = await this.#openPresence(running.port);
      if (!opened.ok) return;
      this.#presence = opened.presence;
    }
    const presence = this.#presence;
    this.#presence = null;
    const isLast = await presence.leave().catch(() => false);
    if (isLast) {
      await shutDown(this.#cluster, this.#durable ? 'fast' : 'immediate');
      this.#log('embedded PostgreSQL stopped', { port: this.#port });
    }
    await presence.close();
  }

  /** Looks, starts, looks again, until there is a server that lets us in: other processes may do the same at the same time. */
  async #bringUp(): Promise<void> {
    const deadline = Date.now() + startTimeoutMs;
    let startedByUs = false;
    let preferredPort: number | null = this.#port === 0 ? null : this.#port;
    let lastDetail = 'timed out';
    while (Date.now() < deadline) {
      const running = await findRunning(this.#cluster);
      if (running !== null) {
        const opened = await this.#openPresence(running.port);
        if (opened.ok) {
          this.#presence = opened.presence;
          this.#port = running.port;
          this.#pid = running.pid;
          this.#adopted = !startedByUs;
          this.#log(startedByUs ? 'embedded PostgreSQL started' : 'embedded PostgreSQL found running', {
            port: running.port,
          });
          return;
        }
        if (!opened.retry)
          throw this.#failure(`${opened.error.message} (postgres.password does not fit this data folder)`);
        lastDetail = opened.error.message;
        await sleep(50);
        continue;
      }
      const port = preferredPort ?? (await findFreePort());
      preferredPort = null;
      const outcome = await launch(this.#cluster, { port, durable: this.#durable, timeoutMs: 60_000 });
      startedByUs = outcome.started;
      if (outcome.started) continue;
      if (!outcome.transient && (await findRunning(this.#cluster)) === null)
        throw this.#failure(outcome.detail);
      lastDetail = outcome.detail;
      await sleep(200);
    }
    throw this.#failure(lastDetail);
  }

  #openPresence(port: number): ReturnType<typeof Presence.open> {
    return Presence.open({ port, password: this.#cluster.password, dataFolder: this.#cluster.dataFolder });
  }

  #failure(detail: string): Error {
    return new Error(
      `the embedded PostgreSQL in ${this.#cluster.dataFolder} does not come up: ${detail}\n` +
        'Its log is server.log in that folder; DATABASE_URL can name another PostgreSQL.',
    );
  }
}
