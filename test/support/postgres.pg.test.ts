import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from './postgres.ts';

async function ask<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('test databases', () => {
  it('are migrated and independent of each other', async () => {
    const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    await ask(one.url, 'CREATE TABLE mine (id int)');
    const tables = `SELECT to_regclass('mine') IS NOT NULL AS mine, to_regclass('alerts_active') IS NOT NULL AS migrated`;
    expect(await ask(one.url, tables)).toEqual([{ mine: true, migrated: true }]);
    expect(await ask(other.url, tables)).toEqual([{ mine: false, migrated: true }]);
    await Promise.all([one.drop(), other.drop()]);
    await expect(ask(one.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  });

  it('are dropped also while somebody is connected', async () => {
    const database = await createTestDatabase();
    const client = new pg.Client({ connectionString: database.url });
    const ended = new Promise((resolve) => void client.once('end', resolve));
    client.on('error', () => {});
    await client.connect();
    await database.drop();
    await ended;
  });
});
