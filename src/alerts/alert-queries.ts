import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { type CursorPosition, largestPage, type Page, toPage } from '../db/page.ts';
import type { ActionKind, ActionSource, AlertsTable, Database } from '../db/schema.ts';
import { fromStorable, fromStorableJson, toStorable } from '../db/text.ts';
import { sizeOfTexts } from '../lib/labels.ts';
import type { Decision, Severity, SourceName, Status } from './alert.ts';
import { canaryLabel, canaryTenant } from './canary-alert.ts';
import {
  alertColumnNames,
  fromRow,
  fromShownRow,
  type ShownAlert,
  shownColumnNames,
  type ShownRow,
} from './alert-row.ts';
import type { KnownAlert } from './apply-signal.ts';

/** SQL that lists and reads alerts; nothing here locks or writes. */

export type AlertFilter = {
  status?: Status[] | undefined;
  severity?: Severity[] | undefined;
  source?: SourceName[] | undefined;
  namespace?: string[] | undefined;
  /** By label name; any of the values. */
  labels?: Record<string, string[]> | undefined;
  incidentId?: string[] | undefined;
  correlationId?: string[] | undefined;
  assignedTo?: string[] | undefined;
  role?: ('primary' | 'secondary' | 'standalone')[] | undefined;
  /** Part of a word in title, rule name (label alertname) or namespace, whatever its case. */
  q?: string | undefined;
  /** Half-open interval over the time of creation. */
  from?: Date | undefined;
  to?: Date | undefined;
};

export type AlertSort = { by: 'createdAt' | 'updatedAt' | 'severity'; order: 'asc' | 'desc' };

/** What a cursor of the list belongs to. */
export function alertOrder(sort: AlertSort): string {
  return `alerts ${sort.by} ${sort.order}`;
}

/** An alert as people see it: the archive adds when it was put away. */
export type StoredAlert = KnownAlert & { archivedAt: Date | null };

/** The same, as far as it is shown. */
export type ListedAlert = ShownAlert & { archivedAt: Date | null };

type Row = Selectable<AlertsTable> & { archived_at: Date | null };
type ListedRow = ShownRow & { archived_at: Date | null; sort_key: string };

const listOf = (names: string[]) => sql.raw(names.map((name) => `"${name}"`).join(', '));
const columns = listOf(alertColumnNames);
const shownColumns = listOf(shownColumnNames);

const sortColumns = {
  createdAt: { column: sql.raw('created_at'), type: sql.raw('timestamptz') },
  updatedAt: { column: sql.raw('updated_at'), type: sql.raw('timestamptz') },
  severity: { column: sql.raw('severity'), type: sql.raw('alert_severity') },
} as const;

export async function listAlerts(
  db: Db,
  filter: AlertFilter,
  sort: AlertSort,
  page: { limit: number; after: CursorPosition | null },
): Promise<Page<ListedAlert>> {
  const { column, type } = sortColumns[sort.by];
  const direction = sql.raw(sort.order);
  const conditions = filterConditions(filter);
  if (page.after !== null) {
    const comparison = sql.raw(sort.order === 'asc' ? '>' : '<');
    // The key travels as text with microseconds: a cursor must not round what it compares.
    conditions.push(sql`(${column}, id) ${comparison} (${page.after.key}::${type}, ${page.after.id}::uuid)`);
  }
  const where = conditions.length === 0 ? sql`` : sql`WHERE ${sql.join(conditions, sql` AND `)}`;
  const rows = await sql<ListedRow>`
    SELECT ${shownColumns}, archived_at, ${column}::text AS sort_key FROM ${tablesFor(filter.status)} AS a
    ${where} ORDER BY ${column} ${direction}, id ${direction} LIMIT ${page.limit + 1}`.execute(db);
  return toPage(
    rows.rows,
    page.limit,
    alertOrder(sort),
    (row) => ({ ...fromShownRow(row), archivedAt: row.archived_at }),
    (row) => ({ key: row.sort_key, id: row.id }),
    (row) => sizeOfTexts(row.labels) + sizeOfTexts(row.annotations) + row.description.length,
  );
}

/** Archived alerts are only looked at when they are asked for. */
function tablesFor(status: Status[] | undefined): RawBuilder<unknown> {
  const active = sql`SELECT ${columns}, NULL::timestamptz AS archived_at FROM alerts_active`;
  const archive = sql`SELECT ${columns}, archived_at FROM alerts_archive`;
  if (status === undefined || !status.includes('archived')) return sql`(${active})`;
  if (status.length === 1) return sql`(${archive})`;
  return sql`(${active} UNION ALL ${archive})`;
}

function filterConditions(filter: AlertFilter): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = [];
  const anyOf = (column: string, type: string, values: string[] | undefined): void => {
    if (values === undefined) return;
    conditions.push(sql`${sql.ref(column)} = ANY(${values.map(toStorable)}::${sql.raw(type)}[])`);
  };
  anyOf('status', 'alert_status', filter.status);
  anyOf('severity', 'alert_severity', filter.severity);
  anyOf('source', 'text', filter.source);
  anyOf('namespace', 'text', filter.namespace);
  anyOf('incident_id', 'uuid', filter.incidentId);
  anyOf('correlation_id', 'uuid', filter.correlationId);
  anyOf('assigned_to', 'text', filter.assignedTo);
  anyOf('role', 'alert_role', filter.role);
  // Our own test alerts are hidden from whoever does not ask for them by their label.
  if (filter.labels?.[canaryLabel] === undefined)
    conditions.push(sql`NOT (source = 'api' AND tenant = ${canaryTenant})`);
  for (const [name, values] of Object.entries(filter.labels ?? {})) {
    const matches = values.map(
      (value) => sql`labels @> ${JSON.stringify({ [toStorable(name)]: toStorable(value) })}::jsonb`,
    );
    conditions.push(sql`(${sql.join(matches, sql` OR `)})`);
  }
  if (filter.q !== undefined) {
    const pattern = `%${toStorable(filter.q).replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    // The same expression as alerts_active_search_idx.
    conditions.push(
      sql`(title || ' ' || coalesce(labels ->> 'alertname', '') || ' ' || coalesce(namespace, '')) ILIKE ${pattern}`,
    );
  }
  if (filter.from !== undefined) conditions.push(sql`created_at >= ${filter.from}`);
  if (filter.to !== undefined) conditions.push(sql`created_at < ${filter.to}`);
  return conditions;
}

function fromStoredRow(row: Selectable<AlertsTable> & { archived_at: Date | null }): StoredAlert {
  return { ...fromRow(row), archivedAt: row.archived_at };
}

/** Finds alerts by id, archived ones too, in no order. */
export async function findAlerts(db: Db | Tx, ids: string[]): Promise<StoredAlert[]> {
  if (ids.length === 0) return [];
  const rows = await sql<Row>`
    SELECT ${columns}, NULL::timestamptz AS archived_at FROM alerts_active WHERE id = ANY(${ids}::uuid[])
    UNION ALL
    SELECT ${columns}, archived_at FROM alerts_archive WHERE id = ANY(${ids}::uuid[])`.execute(db);
  return rows.rows.map(fromStoredRow);
}

/** Alerts of broken data sources, archived ones not: what their shared messages show. Oldest first. */
export async function findByFoldKeys(
  db: Db | Tx,
  keys: { source: SourceName; tenant: string; foldKey: string }[],
): Promise<KnownAlert[]> {
  if (keys.length === 0) return [];
  const rows = await sql<Selectable<AlertsTable>>`
    SELECT a.* FROM unnest(
      ${keys.map((key) => key.source)}::text[],
      ${keys.map((key) => toStorable(key.tenant))}::text[],
      ${keys.map((key) => toStorable(key.foldKey))}::text[]
    ) AS k (source, tenant, fold_key)
    JOIN alerts_active a ON a.source = k.source AND a.tenant = k.tenant AND a.fold_key = k.fold_key
    ORDER BY a.created_at, a.id`.execute(db);
  return rows.rows.map(fromRow);
}

/** Alerts that belong together with this one, or to its incident; the newest first. */
export async function relatedAlerts(db: Db, alert: StoredAlert, limit: number): Promise<StoredAlert[]> {
  const rows = await sql<Row>`
    SELECT ${columns}, NULL::timestamptz AS archived_at FROM alerts_active
    WHERE id <> ${alert.id} AND (correlation_id = ${alert.correlationId} OR incident_id = ${alert.incidentId}::uuid)
    ORDER BY created_at DESC, id DESC LIMIT ${limit}`.execute(db);
  return rows.rows.map(fromStoredRow);
}

/** The oldest first; at most 1,000, and fewer where they are so large that no answer should hold them. */
export async function alertsOfIncident(db: Db | Tx, incidentId: string): Promise<StoredAlert[]> {
  const size = sql`length(labels::text) + length(annotations::text) + length(description)`;
  const rows = await sql<Row>`
    SELECT ${columns}, archived_at FROM (
      SELECT a.*, ${size} AS size, sum(${size}) OVER (ORDER BY created_at, id) AS size_so_far FROM (
        SELECT ${columns}, NULL::timestamptz AS archived_at FROM alerts_active WHERE incident_id = ${incidentId}
        UNION ALL
        SELECT ${columns}, archived_at FROM alerts_archive WHERE incident_id = ${incidentId}
        ORDER BY created_at, id LIMIT 1000
      ) AS a
    ) AS a WHERE size_so_far - size < ${largestPage} ORDER BY created_at, id`.execute(db);
  return rows.rows.map(fromStoredRow);
}

export type RecordedAction = {
  id: string;
  alertId: string | null;
  incidentId: string | null;
  userId: string;
  action: ActionKind;
  door: ActionSource;
  details: Record<string, unknown>;
  at: Date;
};

/** The audit log of an alert or an incident, oldest first. */
export async function actionsOf(
  db: Db | Tx,
  of: { alertId: string } | { incidentId: string },
  limit = 500,
): Promise<RecordedAction[]> {
  const rows = await db
    .selectFrom('alert_actions')
    .selectAll()
    .where('alertId' in of ? 'alert_id' : 'incident_id', '=', 'alertId' in of ? of.alertId : of.incidentId)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.toReversed().map(fromAuditRow);
}

type AuditRow = Selectable<Database['alert_actions']>;

function fromAuditRow(row: AuditRow): RecordedAction {
  return {
    id: row.id,
    alertId: row.alert_id,
    incidentId: row.incident_id,
    userId: fromStorable(row.user_id),
    action: row.action,
    door: row.source,
    details: fromStorableJson(row.details) as Record<string, unknown>,
    at: row.created_at,
  };
}

/** Most entries looked at per alert: somebody who clicks more often in so short a time is not told line by line. */
const transitionsPerAlert = 20;

/** What happened to several alerts since then, of these kinds only; one query, oldest first within an alert. */
export async function transitionsOf(
  db: Db | Tx,
  alertIds: string[],
  kinds: readonly ActionKind[],
  since: Date,
): Promise<RecordedAction[]> {
  if (alertIds.length === 0) return [];
  const rows = await sql<AuditRow>`
    SELECT t.* FROM unnest(${alertIds}::uuid[]) AS a (id)
    CROSS JOIN LATERAL (
      SELECT * FROM alert_actions
      WHERE alert_id = a.id AND created_at >= ${since} AND action = ANY(${[...kinds]}::action_kind[])
      ORDER BY created_at DESC, id DESC LIMIT ${transitionsPerAlert}
    ) AS t ORDER BY t.created_at, t.id`.execute(db);
  return rows.rows.map(fromAuditRow);
}

/** The latest notes of several alerts in one query, oldest first within an alert. */
export async function latestNotes(
  db: Db | Tx,
  alertIds: string[],
  perAlert: number,
): Promise<{ alertId: string; userId: string; text: string; about: Record<string, unknown>; at: Date }[]> {
  if (alertIds.length === 0) return [];
  const rows = await sql<{
    alert_id: string;
    user_id: string;
    details: Record<string, unknown>;
    created_at: Date;
  }>`
    SELECT n.* FROM unnest(${alertIds}::uuid[]) AS a (id)
    CROSS JOIN LATERAL (
      SELECT alert_id, user_id, details, created_at FROM alert_actions
      WHERE alert_id = a.id AND action = 'note' ORDER BY created_at DESC LIMIT ${perAlert}
    ) AS n ORDER BY n.created_at`.execute(db);
  return rows.rows.map((row) => ({
    alertId: row.alert_id,
    userId: fromStorable(row.user_id),
    text: typeof row.details['text'] === 'string' ? fromStorable(row.details['text']) : '',
    about: row.details,
    at: row.created_at,
  }));
}

/** The decisions kept with the audit rows, each with when and for which delivery it was made. */
export function decisionsIn(
  actions: RecordedAction[],
): (Decision & { at: Date; deliveryId: string | null })[] {
  return actions.flatMap((action) => {
    const decisions = action.details['decisions'];
    if (!Array.isArray(decisions)) return [];
    const deliveryId = action.details['deliveryId'];
    return (decisions as Decision[]).map((decision) => ({
      ...decision,
      at: action.at,
      deliveryId: typeof deliveryId === 'string' ? deliveryId : null,
    }));
  });
}
