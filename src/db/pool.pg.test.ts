import { expect, it } from 'vitest';
import { createTestDatabase } from '../../test/support/postgres.ts';
import { openPool } from './pool.ts';

it('a transaction that nobody goes on with holds its locks for a quarter of a minute at most', async () => {
  const database = await createTestDatabase();
  const opened = openPool({ url: database.url, size: 1, purpose: 'test' });
  try {
    const { rows } = await opened.pool.query<{ ms: number }>(
      `SELECT setting::int AS ms FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`,
    );
    expect(rows[0]?.ms).toBeGreaterThan(0);
    expect(rows[0]?.ms).toBeLessThanOrEqual(15_000);
  } finally {
    await opened.close();
    await database.drop();
  }
});
