import type { Db } from '../db/pool.ts';
import { followAlerts } from './follow.ts';
import { type IncidentPolicy, openForChanged } from './open.ts';

/** What changed alerts mean for incidents: first those they open, then those they belong to. Doing it twice changes nothing. */
export async function reviewIncidents(
  db: Db,
  alertIds: string[],
  policy: IncidentPolicy,
  now: Date,
): Promise<void> {
  await openForChanged(db, alertIds, policy, now);
  await followAlerts(db, alertIds, now);
}
