import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Severity } from '../alerts/alert.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import type { Db, Tx } from '../db/pool.ts';
import { type CursorPosition, type Page, toPage } from '../db/page.ts';
import type { AlertsTable, IncidentStatus, IncidentsTable } from '../db/schema.ts';
import { fromStorable, toStorable } from '../db/text.ts';
import type { Incident } from './incident.ts';
import { fromIncidentRow } from './incident-store.ts';

export type IncidentFilter = {
  status?: IncidentStatus[] | undefined;
  severity?: Severity[] | undefined;
  assignedTo?: string[] | undefined;
  /** Part of a word of the title, whatever its case. */
  q?: string | undefined;
};

export const incidentOrder = 'incidents createdAt desc';

/** Newest first. */
export async function listIncidents(
  db: Db,
  filter: IncidentFilter,
  page: { limit: number; after: CursorPosition | null },
): Promise<Page<Incident>> {
  const conditions: RawBuilder<unknown>[] = [];
  if (filter.status !== undefined) conditions.push(sql`status = ANY(${filter.status}::incident_status[])`);
  if (filter.severity !== undefined)
    conditions.push(sql`severity = ANY(${filter.severity}::alert_severity[])`);
  if (filter.assignedTo !== undefined)
    conditions.push(sql`assigned_to = ANY(${filter.assignedTo.map(toStorable)}::text[])`);
  if (filter.q !== undefined) {
    conditions.push(sql`title ILIKE ${`%${toStorable(filter.q).replaceAll(/[\\%_]/g, String.raw`\$&`)}%`}`);
  }
  if (page.after !== null) {
    conditions.push(sql`(created_at, id) < (${page.after.key}::timestamptz, ${page.after.id}::uuid)`);
  }
  const where = conditions.length === 0 ? sql`` : sql`WHERE ${sql.join(conditions, sql` AND `)}`;
  const rows = await sql<Selectable<IncidentsTable> & { sort_key: string }>`
    SELECT *, created_at::text AS sort_key FROM incidents ${where}
    ORDER BY created_at DESC, id DESC LIMIT ${page.limit + 1}`.execute(db);
  return toPage(rows.rows, page.limit, incidentOrder, fromIncidentRow, (row) => ({
    key: row.sort_key,
    id: row.id,
  }));
}

export async function findIncidents(db: Db | Tx, ids: string[]): Promise<Incident[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('incidents')
    .selectAll()
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .execute();
  return rows.map(fromIncidentRow);
}

/**
 * The same incidents with their alerts as they are now. What is stored counts those
 * that were ever attached: one that fired again later has left for a newer incident.
 */
export async function withAlertCounts(db: Db, incidents: Incident[]): Promise<Incident[]> {
  const ids = incidents.map((incident) => incident.id);
  const rows = await sql<{ incident_id: string; count: number }>`
    SELECT incident_id, count(*)::int AS count FROM (
      SELECT incident_id FROM alerts_active WHERE incident_id = ANY(${ids}::uuid[])
      UNION ALL SELECT incident_id FROM alerts_archive WHERE incident_id = ANY(${ids}::uuid[])
    ) AS members GROUP BY incident_id`.execute(db);
  const counts = new Map(rows.rows.map((row) => [row.incident_id, row.count]));
  return incidents.map((incident) => ({ ...incident, alertCount: counts.get(incident.id) ?? 0 }));
}

/** The incidents that any of these alerts belongs to, archived alerts too. */
export async function incidentIdsOf(db: Db | Tx, alertIds: string[]): Promise<string[]> {
  if (alertIds.length === 0) return [];
  const rows = await sql<{ incident_id: string }>`
    SELECT incident_id FROM alerts_active WHERE id = ANY(${alertIds}::uuid[]) AND incident_id IS NOT NULL
    UNION SELECT incident_id FROM alerts_archive WHERE id = ANY(${alertIds}::uuid[]) AND incident_id IS NOT NULL`.execute(
    db,
  );
  return rows.rows.map((row) => row.incident_id);
}

/** An alert as the rules of its incident see it. */
export type Member = Pick<
  KnownAlert,
  | 'id'
  | 'incidentId'
  | 'severity'
  | 'status'
  | 'stateReason'
  | 'acknowledgedAt'
  | 'acknowledgedBy'
  | 'resolvedBy'
  | 'resolveReceivedAt'
> & { archivedAt: Date | null };

/** All alerts of these incidents, however many: a rule that overlooks one ends an incident too early. Hence few columns. */
export async function membersOf(db: Db | Tx, incidentIds: string[]): Promise<Member[]> {
  if (incidentIds.length === 0) return [];
  const columns = sql.raw(
    'id, incident_id, severity, status, state_reason, acknowledged_at, acknowledged_by, resolved_by, resolve_received_at, created_at',
  );
  type Row = Pick<
    Selectable<AlertsTable>,
    | 'id'
    | 'incident_id'
    | 'severity'
    | 'status'
    | 'state_reason'
    | 'acknowledged_at'
    | 'acknowledged_by'
    | 'resolved_by'
    | 'resolve_received_at'
  > & { archived_at: Date | null };
  const rows = await sql<Row>`
    SELECT ${columns}, NULL::timestamptz AS archived_at FROM alerts_active WHERE incident_id = ANY(${incidentIds}::uuid[])
    UNION ALL
    SELECT ${columns}, archived_at FROM alerts_archive WHERE incident_id = ANY(${incidentIds}::uuid[])
    ORDER BY created_at, id`.execute(db);
  return rows.rows.map((row) => ({
    id: row.id,
    incidentId: row.incident_id,
    severity: row.severity,
    status: row.status,
    stateReason: row.state_reason === null ? null : fromStorable(row.state_reason),
    acknowledgedAt: row.acknowledged_at,
    acknowledgedBy: row.acknowledged_by === null ? null : fromStorable(row.acknowledged_by),
    resolvedBy: row.resolved_by === null ? null : fromStorable(row.resolved_by),
    resolveReceivedAt: row.resolve_received_at,
    archivedAt: row.archived_at,
  }));
}
