import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { prepared } from '../db/prepared.ts';
import { type TaskName, type TaskPayloads, tasks } from './catalog.ts';

export type Job = {
  [Name in TaskName]: {
    task: Name;
    payload: TaskPayloads[Name];
    priority?: number;
    /** Not before so much time has passed by the database's clock, which all processes share; at once when absent. */
    delayMs?: number;
    /** A waiting job with the same key is replaced by this one; one that already runs is not touched. */
    key?: string;
  };
}[TaskName];

/** Adds jobs inside the caller's transaction: they exist if and only if it commits. */
export async function enqueue(db: Db | Tx, jobs: Job[]): Promise<void> {
  if (jobs.length === 0) return;
  const specs = jobs.map((job) => ({
    identifier: job.task,
    payload: job.payload,
    delay_ms: job.delayMs ?? null,
    max_attempts: tasks[job.task].maxAttempts,
    job_key: job.key ?? null,
    priority: job.priority ?? 0,
  }));
  await sql`
    ${prepared} SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
      SELECT ROW(identifier, payload, NULL, now() + delay_ms * interval '1 millisecond', max_attempts, job_key, priority, NULL)::graphile_worker.job_spec
      FROM json_to_recordset(${JSON.stringify(specs)}::json)
        AS r (identifier text, payload json, delay_ms float8, max_attempts smallint, job_key text, priority smallint)
    ))`.execute(db);
}
