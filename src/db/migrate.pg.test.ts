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

it('frees open alerts whose start was the time of their receipt', async () => {
  await client.query(`DELETE FROM gomon_migrations WHERE name = '0010-guessed-times.sql'`);
  for (const table of ['alerts_active', 'alerts_archive'])
    await client.query(`ALTER TABLE ${table} DROP COLUMN expiry_guessed`);
  await client.query(`
    INSERT INTO alerts_active (id, correlation_id, source, fingerprint, severity, status, title, starts_at,
      latest_starts_at, received_at, last_seen_at, created_at, updated_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'api', name, 'P3', status::alert_status, name, start, start,
      received, received, timestamptz '2026-11-20 08:00:00Z', received
    FROM (VALUES
      ('guessed', 'firing', timestamptz '2026-11-20 08:00:00Z', timestamptz '2026-11-20 08:05:00Z'),
      ('guessed again', 'acknowledged', '2026-11-20 08:05:00Z', '2026-11-20 08:05:00Z'),
      ('far ahead', 'firing', '2099-01-01 00:00:00Z', '2026-11-20 08:00:00Z'),
      ('named', 'firing', '2026-11-20 07:59:59Z', '2026-11-20 08:00:00Z'),
      ('over', 'resolved', '2026-11-20 08:00:00Z', '2026-11-20 08:05:00Z')
    ) AS old (name, status, start, received)`);
  expect((await migrate(database.url)).applied).toEqual(['0010-guessed-times.sql']);
  const { rows } = await client.query<{ name: string }>(
    `SELECT fingerprint AS name FROM alerts_active WHERE latest_starts_at = 'epoch' ORDER BY 1`,
  );
  expect(rows.map((row) => row.name)).toEqual(['far ahead', 'guessed', 'guessed again']);
});
