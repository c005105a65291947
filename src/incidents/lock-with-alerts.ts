import { lockByIds } from '../alerts/alert-store.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import type { Tx } from '../db/pool.ts';
import type { Incident } from './incident.ts';
import { membersOf } from './incident-queries.ts';
import { lockIncidents } from './incident-store.ts';

/** Incidents with all their active alerts, locked: alerts first, as everywhere. */
export async function lockWithAlerts(
  tx: Tx,
  incidentIds: string[],
): Promise<{ incidents: Incident[]; alerts: KnownAlert[] }> {
  const activeIds = async (): Promise<string[]> =>
    (await membersOf(tx, incidentIds)).flatMap((member) => (member.archivedAt === null ? member.id : []));
  const alerts = await lockByIds(tx, await activeIds());
  const incidents = await lockIncidents(tx, incidentIds);
  // Tied to it before the incident was locked. Out of order, but nobody can tie more to it now; at worst PostgreSQL
  // ends one of two that wait for each other.
  const known = new Set(alerts.map((alert) => alert.id));
  const late = (await activeIds()).filter((id) => !known.has(id));
  const locked = [...alerts, ...(await lockByIds(tx, late))];
  const wanted = new Set(incidentIds);
  return {
    incidents,
    alerts: locked.filter((alert) => alert.incidentId !== null && wanted.has(alert.incidentId)),
  };
}
