import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { enqueue, type Job } from './enqueue.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const job = (incidentId: string): Job => ({
  task: 'incident.sync',
  payload: { incidentId },
  key: 'incident.sync:1',
});
const jobs = () =>
  database.rows<{ key: string | null; taken: boolean; id: string }>(
    `SELECT key, locked_by IS NOT NULL AS taken, payload->>'incidentId' AS id FROM graphile_worker._private_jobs ORDER BY id`,
  );

it('a job replaces the one that waits under its key', async () => {
  await enqueue(database.db, [job('one')]);
  await enqueue(database.db, [job('two')]);
  expect(await jobs()).toEqual([{ key: 'incident.sync:1', taken: false, id: 'two' }]);
});

it('a job is added beside the one that runs', async () => {
  await enqueue(database.db, [job('one')]);
  await database.rows(`UPDATE graphile_worker._private_jobs SET locked_by = 'w', locked_at = now()`);
  await enqueue(database.db, [job('two')]);
  expect(await jobs()).toEqual([
    { key: null, taken: true, id: 'one' },
    { key: 'incident.sync:1', taken: false, id: 'two' },
  ]);
});

it('a job is added when the one that waits begins to run at that moment', async () => {
  await enqueue(database.db, [job('one')]);
  // A worker takes the job, and its taking is committed only after ours was looked for among those that run.
  const worker = new pg.Client({ connectionString: database.url });
  await worker.connect();
  try {
    await worker.query('BEGIN');
    await worker.query(`UPDATE graphile_worker._private_jobs SET locked_by = 'w', locked_at = now()`);
    const adding = enqueue(database.db, [job('two')]);
    await expect
      .poll(
        async () =>
          (
            await database.rows(
              `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
            )
          ).length,
      )
      .toBe(1);
    await worker.query('COMMIT');
    await adding;
  } finally {
    await worker.end();
  }
  expect(await jobs()).toEqual([
    { key: null, taken: true, id: 'one' },
    { key: 'incident.sync:1', taken: false, id: 'two' },
  ]);
});
