import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DatabaseProxy, startDatabaseProxy } from '../../test/support/database-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';
import { DatabaseWatch, type DatabaseWatchOptions } from './database-watch.ts';
import { DatabaseAwayError, databaseTrouble } from './errors.ts';
import { type DatabasePool, openPool } from './pool.ts';

let database: TestDatabase;
let proxy: DatabaseProxy;
let watches: DatabaseWatch[];
let pools: DatabasePool[];
let said: string[];

beforeEach(async () => {
  database = await createTestDatabase();
  proxy = await startDatabaseProxy(database.url);
  [watches, pools, said] = [[], [], []];
});
afterEach(async () => {
  for (const watch of watches) await watch.stop();
  for (const pool of pools) await pool.close();
  await proxy.close();
  await database.drop();
});

function watchOver(options: Partial<DatabaseWatchOptions> = {}): {
  watch: DatabaseWatch;
  pool: DatabasePool;
} {
  const watch = new DatabaseWatch({
    url: proxy.url,
    onAway: (detail) => void said.push(`away: ${detail}`),
    onBack: () => void said.push('back'),
    answerWithinMs: 200,
    ...options,
  });
  const pool = openPool({
    url: proxy.url,
    size: 2,
    purpose: 'test',
    gate: watch.gate,
    onError: () => watch.suspect(),
  });
  watch.onCut(() => pool.cutAll());
  watches.push(watch);
  pools.push(pool);
  return { watch, pool };
}

const until = (look: () => void): Promise<void> => vi.waitFor(look, { timeout: 10_000, interval: 5 });

describe('the watch over the database', () => {
  it('keeps everybody out until it has seen it, and again while it is gone', async () => {
    const { watch, pool } = watchOver();
    await expect(pool.pool.query('SELECT 1')).rejects.toBeInstanceOf(DatabaseAwayError);
    await watch.start();
    expect((await pool.pool.query('SELECT 1')).rowCount).toBe(1);
    await proxy.refuse();
    await until(() => expect(watch.gate()).not.toBeNull());
    const asked = performance.now();
    await expect(pool.pool.query('SELECT 1')).rejects.toThrow(
      'the database is away: no connection (ECONNREFUSED)',
    );
    expect(performance.now() - asked).toBeLessThan(100);
    await proxy.mend();
    await until(() => expect(watch.gate()).toBeNull());
    expect((await pool.pool.query('SELECT 1')).rowCount).toBe(1);
    expect(said).toEqual([expect.stringMatching(/^away: /), 'back']);
  });

  it('cuts off who waits for an answer of a server that hangs', async () => {
    const { watch, pool } = watchOver();
    await watch.start();
    const held = pool.pool.query('SELECT pg_sleep(60)').catch((error: unknown) => databaseTrouble(error));
    await until(() => expect(pool.pool.totalCount).toBe(1));
    proxy.hang();
    expect(await watch.check(0)).toBe('no answer in time');
    expect(await held).toBe('unavailable');
  });

  it('sends away who waits for a connection that will not come, and keeps none for them', async () => {
    const { watch, pool } = watchOver();
    await watch.start();
    const ask = (text: string): Promise<string> =>
      pool.pool.query(text).then(
        () => 'answered',
        (error: unknown) => databaseTrouble(error),
      );
    const held = [ask('SELECT pg_sleep(60)'), ask('SELECT pg_sleep(60)')];
    await until(() => expect(pool.pool.totalCount).toBe(2));
    const waiting = [ask('SELECT 1'), pool.pool.connect().catch((error: unknown) => databaseTrouble(error))];
    await until(() => expect(pool.pool.waitingCount).toBe(2));
    proxy.hang();
    const hung = performance.now();
    expect(await watch.check(0)).toBe('no answer in time');
    expect(await Promise.all([...held, ...waiting])).toEqual(Array.from({ length: 4 }, () => 'unavailable'));
    // The pool itself lets them wait for three seconds.
    expect(performance.now() - hung).toBeLessThan(2_000);
    await proxy.mend();
    await until(() => expect(watch.gate()).toBeNull());
    expect(await Promise.all([ask('SELECT 1'), ask('SELECT 1'), ask('SELECT 1')])).toEqual(
      Array.from({ length: 3 }, () => 'answered'),
    );
  });

  it('does not take a session of its own that was cut for more than that', async () => {
    const { watch, pool } = watchOver();
    await watch.start();
    await pool.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gomon watch'`,
    );
    await until(() => expect(watch.gate()).toBeNull());
    expect(await watch.check(0)).toBeNull();
    expect(said).toEqual([]);
  });

  it('leaves nobody a session that was made while it took no writes', async () => {
    const { watch } = watchOver();
    await watch.start();
    // Without the gate: as one that was connecting when the gate closed.
    const late = openPool({ url: proxy.url, size: 1, purpose: 'test' });
    pools.push(late);
    watch.onCut(() => late.cutAll());
    const admin = openPool({ url: database.url, size: 1, purpose: 'admin' });
    pools.push(admin);
    const name = new URL(database.url).pathname.slice(1);
    await admin.pool.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await admin.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gomon watch'`,
    );
    await until(() => expect(watch.gate()).not.toBeNull());
    const readOnly = await late.pool.query('SHOW transaction_read_only');
    expect(readOnly.rows).toEqual([{ transaction_read_only: 'on' }]);
    await admin.pool.query(
      `SET default_transaction_read_only = off; ALTER DATABASE ${name} RESET default_transaction_read_only`,
    );
    await until(() => expect(watch.gate()).toBeNull());
    expect((await late.pool.query('SHOW transaction_read_only')).rows).toEqual([
      { transaction_read_only: 'off' },
    ]);
  });

  it('lets nobody in before what has to be done first, and not when the database fails it', async () => {
    const gate = Promise.withResolvers<void>();
    const tries: number[] = [];
    const { watch, pool } = watchOver({
      beforeOpen: async () => {
        tries.push(tries.length);
        if (tries.length === 1) throw new DatabaseAwayError('again');
        await gate.promise;
      },
    });
    const started = watch.start();
    await until(() => expect(tries).toEqual([0, 1]));
    await expect(pool.pool.query('SELECT 1')).rejects.toBeInstanceOf(DatabaseAwayError);
    gate.resolve();
    await started;
    expect((await pool.pool.query('SELECT 1')).rowCount).toBe(1);
  });

  it('shares a look among all who ask, and can be stopped while it waits', async () => {
    const { watch } = watchOver();
    await watch.start();
    const answers = await Promise.all(Array.from({ length: 50 }, () => watch.check()));
    expect(new Set(answers)).toEqual(new Set([null]));
    await proxy.refuse();
    const { watch: other } = watchOver();
    const starting = other.start();
    const stopping = other.stop();
    await expect(starting).rejects.toThrow('the service is stopping');
    await stopping;
  });
});
