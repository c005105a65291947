import { fromRow } from '../alerts/alert-row.ts';
import { openStatuses } from '../alerts/alert.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import type { Db } from '../db/pool.ts';

/** P0 and P1 that are open, the newest `limit`. */
export async function readUrgent(db: Db, limit: number): Promise<KnownAlert[]> {
  const rows = await db
    .selectFrom('alerts_active')
    .selectAll()
    .where('status', 'in', openStatuses)
    .where('severity', 'in', ['P0', 'P1'])
    .orderBy('created_at', 'desc')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}
