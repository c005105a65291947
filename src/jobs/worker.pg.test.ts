import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { startDatabaseProxy } from '../../test/support/database-proxy.ts';
import { openPool } from '../db/pool.ts';
import { enqueue } from './enqueue.ts';
import {
  forgiveOutages,
  type Handlers,
  JobWorker,
  type JobWorkerOptions,
  pendingJobs,
  releaseOrphans,
} from './worker.ts';

let database: DomainDatabase;
let workers: JobWorker[];
let failures: Parameters<JobWorkerOptions['onFailure']>[0][];
let troubles: unknown[];

beforeEach(async () => {
  database = await openDomainDatabase(10);
  workers = [];
  failures = [];
  troubles = [];
});

afterEach(async () => {
  for (const worker of workers) await worker.stop();
  await database.close();
});

const nothing = (): Promise<void> => Promise.resolve();

function startWorker(handlers: Partial<Handlers>, concurrency = 2, pool = database.pool): JobWorker {
  const worker = new JobWorker({
    pool,
    url: database.url,
    concurrency,
    handlers: {
      'alert.changed': nothing,
      'incident.sync': nothing,
      'provider.events': nothing,
      'slack.interaction': nothing,
      'channel.news': nothing,
      ...handlers,
    },
    onFailure: (failure) => void failures.push(failure),
    onTrouble: (error) => void troubles.push(error),
  });
  workers.push(worker);
  worker.start();
  return worker;
}

const add = (...alertIds: string[]): Promise<void> =>
  enqueue(database.db, [{ task: 'alert.changed', payload: { alertIds } }]);
const until = <Result>(look: () => Result | Promise<Result>): Promise<Result> =>
  vi.waitFor(look, { interval: 5, timeout: 10_000 });
const locked = async (): Promise<number> =>
  (
    await database.row<{ count: number }>(
      'SELECT count(*)::int AS count FROM graphile_worker._private_jobs WHERE locked_by IS NOT NULL',
    )
  ).count;
const present = async (): Promise<number> =>
  (
    await database.row<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'advisory' AND classid = 7306 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
  ).count;

/** A handler that holds on until it is let go, or told to stop. */
function holding() {
  const gate = Promise.withResolvers<void>();
  const seen: { alertIds: string[]; signal: AbortSignal }[] = [];
  const handle: Handlers['alert.changed'] = async ({ alertIds }, signal) => {
    seen.push({ alertIds, signal });
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('told to stop')), { once: true });
    });
    await Promise.race([gate.promise, stopped]);
  };
  return { handle, seen, release: gate.resolve };
}

describe('a worker', () => {
  it('does each job once, the urgent first, with what it was told', async () => {
    const seen: string[] = [];
    await enqueue(database.db, [
      { task: 'incident.sync', payload: { incidentId: 'later' }, priority: 0 },
      { task: 'incident.sync', payload: { incidentId: 'first' }, priority: -10 },
      { task: 'incident.sync', payload: { incidentId: 'NUL-free \u2028 "text"' }, priority: 5 },
    ]);
    const handle: Handlers['incident.sync'] = ({ incidentId }) => Promise.resolve(void seen.push(incidentId));
    startWorker({ 'incident.sync': handle }, 1);
    await until(() => expect(seen).toEqual(['first', 'later', 'NUL-free \u2028 "text"']));
    await until(async () =>
      expect((await pendingJobs(database.pool)).every((row) => row.count === 0)).toBe(true),
    );
    expect(seen).toHaveLength(3);
  });

  it('says that a job failed, and leaves it to be tried again', async () => {
    await add('a');
    startWorker({ 'alert.changed': () => Promise.reject(new Error('no luck')) });
    await until(() => expect(failures).toHaveLength(1));
    expect(failures[0]).toMatchObject({
      task: 'alert.changed',
      attempts: 1,
      final: false,
      error: expect.objectContaining({ message: 'no luck' }),
    });
    await until(async () =>
      expect(
        await database.row(
          'SELECT attempts::int, last_error, locked_by, run_at > now() AS later FROM graphile_worker._private_jobs',
        ),
      ).toMatchObject({
        attempts: 1,
        last_error: expect.stringContaining('no luck'),
        locked_by: null,
        later: true,
      }),
    );
  });

  it('says when it was the last try', async () => {
    await add('a');
    await database.rows('UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1');
    startWorker({ 'alert.changed': () => Promise.reject(new Error('no luck')) });
    await until(() => expect(failures).toMatchObject([{ attempts: 25, final: true }]));
  });

  it('that stops gives back what it cannot finish', async () => {
    const job = holding();
    await add('a');
    const worker = startWorker({ 'alert.changed': job.handle });
    await until(() => expect(job.seen).toHaveLength(1));
    await worker.stop();
    expect(job.seen[0]?.signal.aborted).toBe(true);
    await until(async () => expect(await locked()).toBe(0));
    expect(await database.row('SELECT count(*)::int AS count FROM graphile_worker._private_jobs')).toEqual({
      count: 1,
    });
    expect(await present()).toBe(0);
    expect(troubles).toEqual([]);
  });

  it('that stops takes nothing more, and lets finish what soon does', async () => {
    const job = holding();
    await add('a');
    // A second hand might just be asking for a job.
    const worker = startWorker({ 'alert.changed': job.handle }, 1);
    await until(async () => expect([job.seen.length, await present()]).toEqual([1, 1]));
    const stopped = worker.stop();
    await add('b');
    job.release();
    await stopped;
    expect(job.seen.map((seen) => seen.alertIds)).toEqual([['a']]);
    await until(async () =>
      expect(
        await database.rows(
          'SELECT payload FROM graphile_worker.jobs j JOIN graphile_worker._private_jobs p USING (id)',
        ),
      ).toEqual([{ payload: { alertIds: ['b'] } }]),
    );
  });

  it('can be stopped at any time, also before it has begun, and twice', async () => {
    const worker = startWorker({});
    await worker.stop();
    await worker.stop();
    expect(await present()).toBe(0);
    expect(troubles).toEqual([]);
  });

  it('starts again when its connections are cut, and works on', async () => {
    const seen: string[] = [];
    startWorker({ 'alert.changed': ({ alertIds }) => Promise.resolve(void seen.push(...alertIds)) });
    await until(async () => expect(await present()).toBe(1));
    await database.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gomon worker presence'`,
    );
    await until(async () => expect(await present()).toBe(0));
    await add('after');
    await until(() => expect(seen).toEqual(['after']));
    await until(async () => expect(await present()).toBe(1));
  });

  it('that waits to hear whether it may listen outlives that connection, too', async () => {
    const proxy = await startDatabaseProxy(database.url);
    const through = openPool({ url: proxy.url, size: 5, purpose: 'test' });
    const unheeded: unknown[] = [];
    const hear = (error: unknown): void => void unheeded.push(error);
    process.on('unhandledRejection', hear);
    try {
      const lost = proxy.swallow('LISTEN "jobs:insert"');
      const worker = startWorker({}, 1, through.pool);
      await until(async () => {
        expect(lost.count).toBe(1);
        expect(await present()).toBe(1);
      });
      await database.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gomon worker presence'`,
      );
      // It is stopped, but waits for the answer that does not come.
      await until(() =>
        expect(troubles).toMatchObject([{ message: 'the job runner did not end by itself' }]),
      );
      await proxy.refuse();
      await until(() => expect(troubles.length).toBeGreaterThan(1));
      expect(unheeded).toEqual([]);
      await worker.stop();
    } finally {
      process.off('unhandledRejection', hear);
      await through.close();
      await proxy.close();
    }
  });
});

describe('a job whose giving out was never heard of', () => {
  const lose = (id: string, name: string): Promise<unknown> =>
    database.rows(
      `UPDATE graphile_worker._private_jobs SET run_at = now(), attempts = 1, locked_by = $2, locked_at = now() - interval '11 seconds' WHERE id = $1`,
      [id, name],
    );
  const later = async (): Promise<string> => {
    await enqueue(database.db, [
      { task: 'alert.changed', payload: { alertIds: ['lost'] }, delayMs: 3_600_000 },
    ]);
    const row = await database.row<{ id: string }>(
      'SELECT id FROM graphile_worker._private_jobs ORDER BY id DESC LIMIT 1',
    );
    return row.id;
  };

  it('is given back, and what is in hand is not', async () => {
    const job = holding();
    await add('held');
    const worker = startWorker({ 'alert.changed': job.handle });
    await until(async () => expect([job.seen.length, await present()]).toEqual([1, 1]));
    await database.rows(`UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '1 hour'`);
    const { name } = await database.row<{ name: string }>(
      'SELECT locked_by AS name FROM graphile_worker._private_jobs',
    );
    await lose(await later(), name);
    expect(await releaseOrphans(database.pool)).toBe(0);
    expect(await worker.releaseLost()).toBe(1);
    await until(() => expect(job.seen.map(({ alertIds }) => alertIds)).toEqual([['held'], ['lost']]));
    expect(await worker.releaseLost()).toBe(0);
    job.release();
  });

  it('is done as soon as its worker starts again', async () => {
    const seen: string[] = [];
    const job = holding();
    await add('first');
    startWorker({
      'alert.changed': async (payload, signal) => {
        if (payload.alertIds[0] === 'first') await job.handle(payload, signal);
        seen.push(...payload.alertIds);
      },
    });
    await until(async () => expect([job.seen.length, await present()]).toEqual([1, 1]));
    const { name } = await database.row<{ name: string }>(
      'SELECT locked_by AS name FROM graphile_worker._private_jobs',
    );
    await lose(await later(), name);
    await database.rows(`UPDATE graphile_worker._private_jobs SET locked_at = now()`);
    job.release();
    await database.rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gomon worker presence'`,
    );
    await until(() => expect(seen).toEqual(['first', 'lost']));
  });
});

describe('jobs of workers that are gone', () => {
  const hold = (name: string, ago: string): Promise<unknown> =>
    database.rows(
      `UPDATE graphile_worker._private_jobs SET locked_by = $1, locked_at = now() - $2::interval, attempts = 1`,
      [name, ago],
    );

  it('are given back, once', async () => {
    await add('a');
    await add('b');
    await hold('worker-dead', '11 seconds');
    expect(await releaseOrphans(database.pool)).toBe(1);
    expect(await locked()).toBe(0);
    expect(await releaseOrphans(database.pool)).toBe(0);
  });

  it('are left alone while the worker may only just have started', async () => {
    await add('a');
    await hold('worker-new', '9 seconds');
    expect(await releaseOrphans(database.pool)).toBe(0);
    expect(await locked()).toBe(1);
  });

  it('are not those of a worker that lives, however long they take', async () => {
    const job = holding();
    await add('a');
    startWorker({ 'alert.changed': job.handle });
    await until(async () => expect([job.seen.length, await present()]).toEqual([1, 1]));
    await database.rows(`UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '1 hour'`);
    expect(await releaseOrphans(database.pool)).toBe(0);
    expect(await locked()).toBe(1);
    job.release();
    await until(async () => expect(await locked()).toBe(0));
  });

  it('are done by the next worker that starts', async () => {
    await add('a');
    await hold('worker-dead', '1 minute');
    const seen: string[] = [];
    startWorker({ 'alert.changed': ({ alertIds }) => Promise.resolve(void seen.push(...alertIds)) });
    await until(() => expect(seen).toEqual(['a']));
  });
});

describe('enqueueing', () => {
  it('is part of the transaction', async () => {
    const failing = database.db.transaction().execute(async (tx) => {
      await enqueue(tx, [{ task: 'alert.changed', payload: { alertIds: ['a'] } }]);
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(await database.takeJobs()).toEqual([]);
    await enqueue(database.db, []);
  });

  it('with a key replaces what waits under it', async () => {
    const sync = (second: number): Promise<void> =>
      enqueue(database.db, [
        {
          task: 'incident.sync',
          payload: { incidentId: `i${second}` },
          key: 'k',
          delayMs: second * 1_000,
        },
      ]);
    await sync(10);
    await sync(20);
    expect(await database.takeJobs()).toMatchObject([
      { payload: { incidentId: 'i20' }, key: 'k', delayMs: 20_000 },
    ]);
  });

  it('is counted by kind, with the age of the oldest that could run', async () => {
    await add('a');
    await enqueue(database.db, [{ task: 'incident.sync', payload: { incidentId: 'i' }, delayMs: 3_600_000 }]);
    await database.rows(
      `UPDATE graphile_worker._private_jobs SET run_at = now() - interval '90 seconds' WHERE run_at <= now()`,
    );
    const counts = (await pendingJobs(database.pool)).toSorted((a, b) => a.task.localeCompare(b.task));
    expect(counts).toMatchObject([
      { task: 'alert.changed', count: 1 },
      { task: 'incident.sync', count: 1, oldestSeconds: 0 },
    ]);
    expect(counts[0]?.oldestSeconds).toBeGreaterThanOrEqual(90);
    expect(counts[0]?.oldestSeconds).toBeLessThan(150);
  });
});

describe('a job that failed because the database was away', () => {
  const failed = () =>
    database.row<{ attempts: number; waits: boolean }>(
      'SELECT attempts::int, run_at > now() AS waits FROM graphile_worker._private_jobs',
    );

  it.each([
    ['starts over at once, with all its tries', 'ECONNREFUSED', { attempts: 0, waits: false }],
    ['is told from one that failed by itself', 'EBUG', { attempts: 1, waits: true }],
  ])('%s', async (_, code, expected) => {
    startWorker({
      'alert.changed': () => Promise.reject(Object.assign(new Error(`it was ${code}`), { code })),
    });
    await add('a');
    await until(() => expect(failures).toHaveLength(1));
    await workers[0]?.stop();
    expect(await failed()).toEqual({ attempts: 1, waits: true });
    await forgiveOutages(database.pool);
    expect(await failed()).toEqual(expected);
  });
});
