import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';
import { createDatabaseCheck, troubleText } from './database-check.ts';

let database: TestDatabase;
const pools: pg.Pool[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const pool of pools) await pool.end();
  await database.drop();
});

function poolOn(url: string, more: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 500, ...more });
  pool.on('error', () => undefined);
  pools.push(pool);
  return pool;
}

describe('the database check', () => {
  it('asks once for many who ask at once', async () => {
    const pool = poolOn(database.url);
    let queries = 0;
    const ask = pool.query.bind(pool) as (text: string) => Promise<pg.QueryResult>;
    pool.query = ((text: string) => {
      queries += 1;
      return ask(text);
    }) as unknown as typeof pool.query;
    const check = createDatabaseCheck({ pool, url: database.url });
    const states = await Promise.all(Array.from({ length: 50 }, () => check()));
    expect(new Set(states.map((state) => state.state))).toEqual(new Set(['ok']));
    expect(await check()).toEqual({ state: 'ok' });
    expect(queries).toBe(1);
  });

  it('tells a full pool from a database that is away', async () => {
    const pool = poolOn(database.url);
    const held = [await pool.connect(), await pool.connect()];
    const waiting = pool.query('SELECT 1').catch(() => undefined);
    const check = createDatabaseCheck({ pool, url: database.url });
    expect(await check()).toEqual({ state: 'full', detail: 'all 2 connections of the pool are in use' });
    for (const client of held) client.release();
    await waiting;
  });

  it('is content with one that is busy while nobody waits', async () => {
    const pool = poolOn(database.url);
    const held = [await pool.connect(), await pool.connect()];
    expect(await createDatabaseCheck({ pool, url: database.url })()).toEqual({ state: 'ok' });
    for (const client of held) client.release();
  });

  it('says in a few words why it is away, and names nothing of ours', async () => {
    const url = new URL(database.url);
    url.username = 'somebody_of_ours';
    url.password = 'secret-of-ours';
    const refused = await createDatabaseCheck({ pool: poolOn(url.href), url: url.href })();
    const nobody = new URL('postgresql://somebody_of_ours:x@127.0.0.1:1/nowhere_of_ours');
    const away = await createDatabaseCheck({ pool: poolOn(nobody.href), url: nobody.href })();
    expect(away).toEqual({ state: 'away', detail: 'no connection (ECONNREFUSED)' });
    expect(refused.state).toBe('away');
    expect(JSON.stringify([refused, away])).not.toMatch(/of_ours|of-ours|127\.0\.0\.1/);
  });

  it('does not wait for one that hangs', async () => {
    const hanging: Server = createServer(() => undefined);
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    const url = `postgresql://x:y@127.0.0.1:${(hanging.address() as AddressInfo).port}/x`;
    const state = await createDatabaseCheck({ pool: poolOn(url, { connectionTimeoutMillis: 300 }), url })();
    expect(state).toEqual({ state: 'away', detail: 'no answer in time' });
    hanging.close();
  });

  it('counts one that takes no writes as away', async () => {
    const readOnly = poolOn(database.url, { options: '-c default_transaction_read_only=on' });
    expect(await createDatabaseCheck({ pool: readOnly, url: database.url })()).toMatchObject({
      state: 'away',
      detail: expect.stringContaining('no writes'),
    });
  });

  it.each([
    [
      Object.assign(new Error('the database system is starting up'), { code: '57P03' }),
      'it is starting or recovering (57P03)',
    ],
    [
      Object.assign(new Error('password authentication failed for user "x"'), { code: '28P01' }),
      'it refuses our password (28P01)',
    ],
    [new Error('Connection terminated unexpectedly'), 'the connection broke'],
    [
      new AggregateError([Object.assign(new Error('::1'), { code: 'ECONNREFUSED' })]),
      'no connection (ECONNREFUSED)',
    ],
    [Object.assign(new Error('x'), { code: 'host db.internal' }), 'it does not answer as it should'],
    ['what', 'it does not answer as it should'],
  ])('%s is said as: %s', (error, text) => {
    expect(troubleText(error)).toBe(text);
  });
});
