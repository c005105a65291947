import type pg from 'pg';
import type { SourceName } from '../../src/alerts/alert.ts';
import type { DescribedSignal } from '../../src/alerts/describe.ts';
import { Intake } from '../../src/alerts/intake.ts';
import { type Db, openPool } from '../../src/db/pool.ts';
import { createTestDatabase } from './postgres.ts';
import { takeIn } from './alerts.ts';

/** A database of its own with a pool on it, for tests of one room. */
export type DomainDatabase = {
  url: string;
  db: Db;
  pool: pg.Pool;
  intake: Intake;
  /** Stores alerts as a source would; answers their ids in order. */
  store(signals: DescribedSignal[], receivedAt: Date, source?: SourceName): Promise<string[]>;
  rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** The one row an SQL text answers. */
  row<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row>;
  /** Takes jobs out of the queue and answers them, oldest first. */
  takeJobs(): Promise<TakenJob[]>;
  /** Empties every table, which is quicker than another database. */
  reset(): Promise<void>;
  close(): Promise<void>;
};

export type TakenJob = {
  task: string;
  payload: Record<string, unknown>;
  priority: number;
  /** How long it was to wait when it was added. */
  delayMs: number;
  key: string | null;
};

export async function openDomainDatabase(size = 6): Promise<DomainDatabase> {
  const database = await createTestDatabase();
  const opened = openPool({ url: database.url, size, purpose: 'test' });
  const { db, pool } = opened;
  const intake = new Intake({
    db,
    limits: { queuedAlerts: 100_000, alertsPerCommit: 200 },
    observe: () => undefined,
  });
  const rows = async <Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]> =>
    (await pool.query<Row>(text, values)).rows;
  return {
    url: database.url,
    db,
    pool,
    intake,
    rows,
    async store(signals, receivedAt, source = 'grafana') {
      const results = await takeIn(intake, signals, receivedAt, { source });
      return results.map((result) => result.id ?? '');
    },
    async row<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row> {
      const [first, ...others] = await rows<Row>(text, values);
      if (first === undefined || others.length > 0)
        throw new Error(`expected one row, found ${others.length + (first ? 1 : 0)}`);
      return first;
    },
    takeJobs: () =>
      rows<TakenJob>(`
        WITH taken AS (DELETE FROM graphile_worker._private_jobs RETURNING *)
        SELECT t.identifier AS task, j.payload, j.priority::int, round(extract(epoch FROM j.run_at - j.updated_at) * 1000)::float8 AS "delayMs", j.key
        FROM taken j JOIN graphile_worker._private_tasks t ON t.id = j.task_id ORDER BY j.id`),
    async reset() {
      const tables = await rows<{ name: string }>(`
        SELECT format('%I', c.relname) AS name FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE '%migration%'`);
      await rows(`TRUNCATE graphile_worker._private_jobs, ${tables.map((table) => table.name).join(', ')}`);
    },
    async close() {
      await intake.stop();
      await opened.close();
      await database.drop();
    },
  };
}
