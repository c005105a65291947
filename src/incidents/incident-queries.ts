import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Severity } from '../alerts/alert.ts';
import type { Db, Tx } from '../db/pool.ts';
import { type CursorPosition, type Page, toPage } from '../db/page.ts';
import type { IncidentStatus, IncidentsTable } from '../db/schema.ts';
import { toStorable } from '../db/text.ts';
import type { Incident } from './incident.ts';
import { fromIncidentRow } from './incident-store.ts';

export type IncidentFilter = {
  status?: IncidentStatus[] | undefined;
  severity?: Severity[] | undefined;
  assignedTo?: string[] | undefined;
  /** Part of a word of the title, whatever its case. */
  q?: string | undefined;
};

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
  if (filter.assignedTo !== undefined) conditions.push(sql`assigned_to = ANY(${filter.assignedTo}::text[])`);
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
  return toPage(rows.rows, page.limit, fromIncidentRow, (row) => ({ key: row.sort_key, id: row.id }));
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
