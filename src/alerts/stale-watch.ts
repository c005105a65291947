import type { Db } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import type { SourceName } from './alert.ts';
import { audit, lockSilent, updateAlerts } from './alert-store.ts';
import { changedJobs } from './changed.ts';

/**
 * A resolve may never come: its alert was silenced while it cleared, left out of a group
 * that was too large, or resolves are not sent at all (prometheus/alertmanager#226). What
 * its source has neither repeated nor ended for long is therefore called stale, once:
 * people look whether it is over. It is never resolved for that; the next report ends it.
 */
export type StaleSource = { name: SourceName; staleSeconds: number };

/** Marks the alerts of one source that went silent, on sets. Answers how many, so that the caller goes on while a full set came back. */
export async function markStale(db: Db, source: StaleSource, now: Date, limit: number): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const since = new Date(now.getTime() - source.staleSeconds * 1_000);
    const silent = await lockSilent(tx, source.name, since, limit);
    const after = silent.map((alert) => ({ ...alert, staleAt: now, updatedAt: now }));
    await updateAlerts(tx, after);
    await audit(
      tx,
      silent.map((alert) => {
        const reason = `not heard of since ${alert.lastSeenAt.toISOString()}, longer than ${source.staleSeconds} s: it may be over without its source having said so`;
        return {
          alertId: alert.id,
          incidentId: alert.incidentId,
          action: 'update' as const,
          userId: 'system',
          door: 'system' as const,
          at: now,
          details: { reason, decisions: [{ stage: 'dedup', outcome: 'stale', reason }] },
        };
      }),
    );
    await enqueue(tx, changedJobs(after));
    return silent.length;
  });
}
