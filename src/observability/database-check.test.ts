import { describe, expect, it } from 'vitest';
import { createDatabaseCheck } from './database-check.ts';

const pool = { idleCount: 0, totalCount: 2, waitingCount: 1, options: { max: 2 } } as Parameters<
  typeof createDatabaseCheck
>[0]['pool'];
const there = (): Promise<null> => Promise.resolve(null);

describe('the database check', () => {
  it('tells a full pool from a database that is away', async () => {
    expect(await createDatabaseCheck({ pool, whyAway: there })()).toEqual({
      state: 'full',
      detail: 'all 2 connections of the pool are in use',
    });
    const whyAway = (): Promise<string> => Promise.resolve('no answer in time');
    expect(await createDatabaseCheck({ pool, whyAway })()).toEqual({
      state: 'away',
      detail: 'no answer in time',
    });
  });

  it('is content with one that is busy while nobody waits', async () => {
    const busy = { ...pool, waitingCount: 0 };
    expect(await createDatabaseCheck({ pool: busy, whyAway: there })()).toEqual({ state: 'ok' });
  });
});
