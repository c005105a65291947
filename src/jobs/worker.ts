import { EventEmitter } from 'node:events';
import {
  Logger as GraphileLogger,
  type Runner,
  run,
  type TaskList,
  type WorkerEvents,
} from 'graphile-worker';
import pg from 'pg';
import { DatabaseAwayError, databaseAway, databaseTrouble } from '../db/errors.ts';
import { locks } from '../db/locks.ts';
import { endSession } from '../db/sockets.ts';
import { type TaskName, type TaskPayloads, tasks } from './catalog.ts';

/** What does the work of each kind of job. Given up when its time is over or the worker is killed. */
export type Handlers = {
  [Name in TaskName]: (payload: TaskPayloads[Name], signal: AbortSignal) => Promise<void>;
};

export type JobFailure = { task: string; attempts: number; final: boolean; error: unknown };

export type JobWorkerOptions = {
  pool: pg.Pool;
  url: string;
  /** Jobs of other kinds are left to other workers. */
  handlers: Partial<Handlers>;
  concurrency: number;
  onFailure: (failure: JobFailure) => void;
  onTrouble: (error: unknown) => void;
};

/**
 * Runs jobs. When the database goes away the runner ends; this starts it again
 * until it is stopped.
 *
 * A job that a killed process held would stay locked for hours: every worker
 * therefore holds an advisory lock under its name for as long as its connection
 * lives, and jobs of names whose lock is free are given back (`releaseOrphans`).
 * So would one that was given to a living worker in an answer that never arrived,
 * because the connection broke: `releaseLost` gives back what it knows nothing of.
 */
export class JobWorker {
  readonly #options: JobWorkerOptions;
  #runner: Runner | null = null;
  #presence: pg.Client | null = null;
  #supervision: Promise<void> | null = null;
  #stopping = false;
  #pause: { end: () => void } | null = null;
  /** Under which the present runner, or else the last one, has locked its jobs. */
  #names: string[] = [];
  /** Jobs that arrived, by id, with when nothing is known of them any more (`performance.now()`). */
  readonly #inHand = new Map<string, number>();

  constructor(options: JobWorkerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#supervision ??= this.#supervise();
  }

  /** Takes nothing more, gives running jobs a few seconds, then hands them back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#pause?.end();
    // Not waited for: where the database is away it may never end, and then it is left behind.
    void this.#runner?.stop().catch(() => undefined);
    await this.#supervision;
  }

  async #supervise(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#runOnce();
      } catch (error) {
        if (!this.#stopping) this.#options.onTrouble(error);
      }
      if (this.#presence !== null) await endSession(this.#presence);
      this.#presence = null;
      this.#runner = null;
      if (!this.#stopping) await this.#wait(1_000);
    }
  }

  async #runOnce(): Promise<void> {
    const presence = new pg.Client({
      connectionString: this.#options.url,
      application_name: 'gomon worker presence',
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
    });
    presence.on('error', () => void this.#runner?.stop().catch(() => undefined));
    await presence.connect();
    this.#presence = presence;
    const { pool } = this.#options;
    // The last runner has ended, or was left behind: what it still holds need not wait until it counts as gone.
    await pool.query('SELECT graphile_worker.force_unlock_workers($1)', [this.#names]);
    await releaseOrphans(pool);
    await forgiveOutages(pool);
    const names: string[] = [];
    this.#names = names;
    const events: WorkerEvents = new EventEmitter();
    // Jobs are locked under the name of the pool, not of the single worker in it.
    events.on('pool:create', ({ workerPool }) => names.push(workerPool.id));
    this.#watchJobs(events);
    const {
      given: abandoned,
      begin,
      end,
    } = deadline(shutdownWithinMs, 'the job runner did not end by itself');
    events.on('pool:gracefulShutdown', begin);
    const runner = await run({
      pgPool: pool,
      taskList: this.#taskList(),
      concurrency: this.#options.concurrency,
      noHandleSignals: true,
      pollInterval: 1_000,
      events,
      logger: new GraphileLogger(() => () => undefined),
      preset: {
        worker: {
          gracefulShutdownAbortTimeout: abortAfterMs,
          // One by one the library does not wait for the answer, and a database that dies just then would be an
          // unhandled rejection: the end of the process. In batches it minds, and ends the runner.
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
    });
    this.#runner = runner;
    const work = async (): Promise<void> => {
      for (const name of names)
        await presence.query('SELECT pg_advisory_lock($1, hashtext($2))', [locks.workerPresence, name]);
      if (this.#stopping) await runner.stop();
      await runner.promise;
    };
    // When it is left behind, its lock is not: what it holds is given back.
    await Promise.race([work(), abandoned]).finally(end);
  }

  /** Gives back jobs that are locked under our name without our having them. Answers how many. */
  async releaseLost(): Promise<number> {
    const now = performance.now();
    for (const [id, untilMs] of this.#inHand) if (untilMs < now) this.#inHand.delete(id);
    if (this.#names.length === 0) return 0;
    const released = await this.#options.pool.query(
      `UPDATE graphile_worker._private_jobs SET locked_at = NULL, locked_by = NULL
       WHERE locked_by = ANY($1) AND locked_at < now() - make_interval(secs => $2) AND NOT id = ANY($3::bigint[])`,
      [this.#names, arrivedAfterSeconds, [...this.#inHand.keys()]],
    );
    return released.rowCount ?? 0;
  }

  #watchJobs(events: WorkerEvents): void {
    events.on('job:start', ({ job }) => this.#inHand.set(job.id, Number.POSITIVE_INFINITY));
    // That it is done is still to be written down.
    events.on('job:complete', ({ job }) => this.#inHand.set(job.id, performance.now() + shutdownWithinMs));
    events.on('job:error', ({ job, error }) => {
      const final = job.attempts >= job.max_attempts;
      this.#options.onFailure({ task: job.task_identifier, attempts: job.attempts, final, error });
    });
  }

  #taskList(): TaskList {
    const list: TaskList = {};
    for (const name of Object.keys(this.#options.handlers) as TaskName[]) {
      const handle = this.#options.handlers[name] as (payload: unknown, signal: AbortSignal) => Promise<void>;
      list[name] = async (payload, helpers) => {
        const signal = AbortSignal.any([AbortSignal.timeout(tasks[name].timeoutMs), helpers.abortSignal]);
        await unlessAborted(handle(payload, signal), signal).catch(asOutage);
      };
    }
    return list;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#pause = {
        end: () => {
          clearTimeout(timer);
          resolve();
        },
      };
    });
  }
}

/** Jobs that run when the worker is stopped have so long before they are told to give up. */
const abortAfterMs = 2_000;
/** A runner whose database died while it noted what became of a job never ends; any other does by then. */
const shutdownWithinMs = 4_000;

/** Rejects so long after `begin`, unless `end` comes first. */
function deadline(ms: number, reason: string): { given: Promise<never>; begin: () => void; end: () => void } {
  const given = Promise.withResolvers<never>();
  given.promise.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  return {
    given: given.promise,
    begin: () => {
      timer ??= setTimeout(() => given.reject(new Error(reason)), ms);
    },
    end: () => clearTimeout(timer),
  };
}

/** A moment for the handler to notice by itself, and to write down how far it came. */
const noticeWithinMs = 1_000;

/** What does not heed its signal is left behind, so that its place is free for others. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const given = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    timer = setTimeout(() => given.reject(new Error('given up', { cause: signal.reason })), noticeWithinMs);
  };
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    await Promise.race([work, given.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

/** The answer that gives a job to a worker is there by then, or never. No job is in a named queue, which would be locked too. */
const arrivedAfterSeconds = 10;

/** A worker that has just been made may not hold its lock yet. */
const presentAfterSeconds = 10;

/** Gives back the jobs of workers that are not there any more. Answers how many workers. */
export async function releaseOrphans(pool: pg.Pool, olderThanSeconds = presentAfterSeconds): Promise<number> {
  const released = await pool.query<{ count: number }>(
    `WITH holders AS MATERIALIZED (
       SELECT DISTINCT locked_by FROM graphile_worker._private_jobs
       WHERE locked_at < now() - make_interval(secs => $2)
     ), dead AS MATERIALIZED (
       SELECT locked_by FROM holders WHERE pg_try_advisory_xact_lock($1, hashtext(locked_by))
     )
     SELECT count(*)::int AS count, graphile_worker.force_unlock_workers(array_agg(locked_by)) FROM dead HAVING count(*) > 0`,
    [locks.workerPresence, olderThanSeconds],
  );
  return released.rows[0]?.count ?? 0;
}

/** Says in the job's row that it was the database that failed. */
function asOutage(error: unknown): never {
  if (databaseTrouble(error) !== 'unavailable' || error instanceof DatabaseAwayError) throw error;
  throw new DatabaseAwayError(error instanceof Error ? error.message : 'unknown', { cause: error });
}

/**
 * Has jobs that failed because the database was away start over now: an outage says
 * nothing about a job, must not use up its tries, and its growing delay is for others.
 * What a session that was cut off still holds is left for the next time.
 */
export async function forgiveOutages(pool: pg.Pool): Promise<void> {
  await pool.query(
    `UPDATE graphile_worker._private_jobs SET attempts = 0, run_at = now(), updated_at = now()
     WHERE id IN (
       SELECT id FROM graphile_worker._private_jobs
       WHERE locked_at IS NULL AND attempts > 0 AND starts_with(last_error, $1)
       FOR UPDATE SKIP LOCKED
     )`,
    [databaseAway],
  );
}

/** Jobs that wait or run, by kind, and the age of the oldest that could run. */
export async function pendingJobs(
  pool: pg.Pool,
): Promise<{ task: string; count: number; oldestSeconds: number }[]> {
  const rows = await pool.query<{ task: string; count: number; oldest: number }>(
    `SELECT t.identifier AS task, count(j.id)::int AS count,
       coalesce(extract(epoch FROM now() - min(j.run_at) FILTER (WHERE j.run_at <= now())), 0)::float8 AS oldest
     FROM graphile_worker._private_tasks t LEFT JOIN graphile_worker._private_jobs j ON j.task_id = t.id AND j.attempts < j.max_attempts
     GROUP BY t.identifier`,
  );
  return rows.rows.map((row) => ({
    task: row.task,
    count: row.count,
    oldestSeconds: Math.max(0, row.oldest),
  }));
}
