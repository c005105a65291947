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

/** A worker can take a job once in the middle of being replaced; that it does so again and again is not to be expected. */
const maxRounds = 10;

/** Adds jobs inside the caller's transaction: they exist if and only if it commits. */
export async function enqueue(db: Db | Tx, jobs: Job[]): Promise<void> {
  let missing = jobs;
  for (let round = 0; missing.length > 0; round += 1) {
    if (round === maxRounds) throw new Error(`jobs could not be added: ${missing[0]?.key ?? ''}`);
    const added = await addJobs(db, missing);
    // graphile-worker clears the key of a job that runs, then replaces the one that waits. One that begins to run in
    // between is neither, and nothing is added: what it does not see any more would be seen by nobody.
    missing = missing.filter((job) => job.key !== undefined && !added.has(job.key));
  }
}

/** Answers the keys of those that were added. */
async function addJobs(db: Db | Tx, jobs: Job[]): Promise<Set<string>> {
  const specs = jobs.map((job) => ({
    identifier: job.task,
    payload: job.payload,
    delay_ms: job.delayMs ?? null,
    max_attempts: tasks[job.task].maxAttempts,
    job_key: job.key ?? null,
    priority: job.priority ?? 0,
  }));
  const added = await sql<{ key: string | null }>`
    ${prepared} SELECT key FROM graphile_worker.add_jobs(ARRAY(
      SELECT ROW(identifier, payload, NULL, now() + delay_ms * interval '1 millisecond', max_attempts, job_key, priority, NULL)::graphile_worker.job_spec
      FROM json_to_recordset(${JSON.stringify(specs)}::json)
        AS r (identifier text, payload json, delay_ms float8, max_attempts smallint, job_key text, priority smallint)
    ))`.execute(db);
  return new Set(added.rows.flatMap(({ key }) => key ?? []));
}
