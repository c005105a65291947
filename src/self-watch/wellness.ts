import type pg from 'pg';
import type { Db } from '../db/pool.ts';
import { pendingJobs } from '../jobs/worker.ts';
import { lastRun, type LastRun } from './canary-store.ts';

/** Work that waits longer than this is not being done. */
const jobsMayWaitSeconds = 60;
/** A run may be late, or its process may have been replaced; the third missing one is no accident. */
const runsMayMiss = 3;

/** With a canary: its last run has to be a good one, and not long ago. */
export async function canaryTrouble(db: Db, now: Date, intervalMs: number): Promise<string | null> {
  return judgeLastRun(await lastRun(db), now, intervalMs);
}

/** Pure. */
export function judgeLastRun(last: LastRun | null, now: Date, intervalMs: number): string | null {
  if (last === null) return 'no canary has come through yet';
  if (last.outcome !== 'ok' && last.outcome !== 'late') return `the last canary ended as ${last.outcome}`;
  return now.getTime() - last.startedAt.getTime() > runsMayMiss * intervalMs
    ? `the last canary was sent at ${last.startedAt.toISOString()}`
    : null;
}

/** Without one: the database answers, and jobs are being done. */
export async function queueTrouble(pool: pg.Pool): Promise<string | null> {
  const late = (await pendingJobs(pool)).find((job) => job.oldestSeconds > jobsMayWaitSeconds);
  return late === undefined ? null : `a job ${late.task} has waited for ${Math.round(late.oldestSeconds)} s`;
}
