import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';
import { locks } from './locks.ts';
import { migrate } from './migrate.ts';

let database: TestDatabase;
let client: pg.Client;

beforeEach(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

const made = (name: string): Promise<unknown> =>
  client.query('INSERT INTO gomon_migrations (name) VALUES ($1)', [name]);

describe('migrating', () => {
  it('beside a newer version goes on, and says what it does not know', async () => {
    await made('9998-adds-a-column.sql');
    expect(await migrate(database.url)).toMatchObject({ applied: [], newer: ['9998-adds-a-column.sql'] });
  });

  it('refuses one that says of itself that it breaks older versions', async () => {
    await made('9998-adds-a-column.sql');
    await made('9999-drops-a-table-breaking.sql');
    await expect(migrate(database.url)).rejects.toThrow(
      /cannot work \(it has 9999-drops-a-table-breaking\.sql\)/,
    );
  });

  it('does not wait for ever for another one', async () => {
    await client.query('SELECT pg_advisory_lock($1)', [locks.migrate]);
    await expect(migrate(database.url, { lockTimeoutMs: 50 })).rejects.toThrow(
      'another process has been migrating this database for too long',
    );
  });
});
