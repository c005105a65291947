import { sql } from 'kysely';
import type { Severity } from '../alerts/alert.ts';
import type { Db } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { syncJob } from './incident-store.ts';

/** So many jobs are added at once. */
const jobsPerStatement = 500;

/**
 * While calls to the provider are held back somebody has to try whether it is there
 * again, however long everything that waits would still wait: the gravest of it does.
 * Answers how many incidents, which is one or none.
 */
export async function probeSync(db: Db, now: Date): Promise<number> {
  const rows = await sql<{ incident_id: string }>`
    UPDATE incident_commands SET next_at = ${now}
    WHERE id = (
      SELECT c.id FROM incident_commands c JOIN incidents i ON i.id = c.incident_id
      WHERE c.state IN ('pending', 'accepted', 'unknown') ORDER BY i.severity, c.created_at, c.id LIMIT 1
    ) AND next_at > ${now}
    RETURNING incident_id`.execute(db);
  return addJobs(
    db,
    rows.rows.map((row) => row.incident_id),
  );
}

/**
 * The provider is back: whatever waits to be said or asked is due now, however long
 * it would have waited, and its jobs run. A pause that the vendor asked for still
 * holds. Answers how many incidents. Safe to call at any time and by several processes.
 */
export async function resumeSync(db: Db, now: Date): Promise<number> {
  const rows = await sql<{ incident_id: string }>`
    UPDATE incident_commands SET next_at = ${now}
    WHERE state IN ('pending', 'accepted', 'unknown') AND next_at > ${now} RETURNING incident_id`.execute(db);
  return addJobs(db, [...new Set(rows.rows.map((row) => row.incident_id))]);
}

/**
 * Jobs for incidents that have something to be said since before `dueBefore` and
 * nobody at it: their job was given up, or there was no provider at that time.
 * Answers how many.
 */
export async function wakeSync(db: Db, dueBefore: Date): Promise<number> {
  const rows = await db
    .selectFrom('incident_commands')
    .select('incident_id')
    .distinct()
    .where('state', 'in', ['pending', 'accepted', 'unknown'])
    .where('next_at', '<', dueBefore)
    .execute();
  return addJobs(
    db,
    rows.map((row) => row.incident_id),
  );
}

async function addJobs(db: Db, incidentIds: string[]): Promise<number> {
  for (let start = 0; start < incidentIds.length; start += jobsPerStatement) {
    const ids = incidentIds.slice(start, start + jobsPerStatement);
    const rows = await sql<{ id: string; severity: Severity }>`
      SELECT id, severity FROM incidents WHERE id = ANY(${ids}::uuid[])`.execute(db);
    await enqueue(db, rows.rows.map(syncJob));
  }
  return incidentIds.length;
}
