import { type Selectable, sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { prepared } from '../db/prepared.ts';
import type { ActionKind, ActionSource, AlertsTable } from '../db/schema.ts';
import { toStorable, toStorableJson } from '../db/text.ts';
import { newId } from '../lib/ids.ts';
import { openStatuses, type SourceName } from './alert.ts';
import { alertColumnNames, alertColumns, fromRow, toLatestStart, toRowJson } from './alert-row.ts';
import type { KnownAlert } from './apply-signal.ts';
import { missingHeartbeat } from './missing-heartbeat.ts';

/** SQL that writes or locks alerts and their audit log. Everything works on sets. */

export type AlertKey = { source: SourceName; tenant: string; fingerprint: string };

const columnList = sql.raw(alertColumnNames.map((name) => `"${name}"`).join(', '));
const recordType = sql.raw(
  Object.entries(alertColumns)
    .map(([name, type]) => `"${name}" ${type}`)
    .join(', '),
);
const assignments = sql.raw(
  alertColumnNames
    .filter((name) => name !== 'id')
    .map((name) => `"${name}" = r."${name}"`)
    .join(', '),
);

export type LockedAlert = { alert: KnownAlert; incidentStillOpen: boolean };

/** Locks the rows with these identities, in the order of the identity so that batches that overlap wait instead of deadlocking. */
export async function lockByKeys(tx: Tx, keys: AlertKey[]): Promise<LockedAlert[]> {
  const rows = await sql<Selectable<AlertsTable>>`
    SELECT a.*
    FROM unnest(
      ${keys.map((key) => key.source)}::text[],
      ${keys.map((key) => toStorable(key.tenant))}::text[],
      ${keys.map((key) => toStorable(key.fingerprint))}::text[]
    ) AS k (source, tenant, fingerprint)
    JOIN alerts_active a ON a.source = k.source AND a.tenant = k.tenant AND a.fingerprint = k.fingerprint
    ORDER BY a.source, a.tenant, a.fingerprint
    FOR UPDATE OF a`.execute(tx);
  const stillOpen = await openIncidents(
    tx,
    rows.rows.flatMap((row) => row.incident_id ?? []),
  );
  return rows.rows.map((row) => ({
    alert: fromRow(row),
    incidentStillOpen: row.incident_id !== null && stillOpen.has(row.incident_id),
  }));
}

/**
 * Asked only after the alerts are locked, in a statement of its own: while the first
 * one waited for a lock, whoever held it may have closed the incident, and a
 * statement sees nothing that was committed after it began.
 */
async function openIncidents(tx: Tx, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await tx
    .selectFrom('incidents')
    .select('id')
    .where('id', '=', sql<string>`ANY(${[...new Set(ids)]}::uuid[])`)
    .where('status', 'in', ['open', 'assigned'])
    .execute();
  return new Set(rows.map((row) => row.id));
}

export async function lockByIds(tx: Tx, ids: string[]): Promise<KnownAlert[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .selectFrom('alerts_active')
    .selectAll()
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .orderBy('source')
    .orderBy('tenant')
    .orderBy('fingerprint')
    .forUpdate()
    .execute();
  return rows.map(fromRow);
}

/**
 * Inserts new alerts. Answers the ids that made it: an identity that another
 * transaction took in the meantime is skipped, and the caller judges that report
 * again against the row that is there now.
 */
export async function insertAlerts(tx: Tx, alerts: KnownAlert[]): Promise<Set<string>> {
  if (alerts.length === 0) return new Set();
  const rows = await sql<{ id: string }>`
    ${prepared} INSERT INTO alerts_active (${columnList})
    SELECT ${columnList} FROM json_to_recordset(${toStorableJson(alerts.map(toRowJson))}::json) AS r (${recordType})
    ORDER BY source, tenant, fingerprint
    ON CONFLICT (source, tenant, fingerprint) DO NOTHING
    RETURNING id`.execute(tx);
  return new Set(rows.rows.map((row) => row.id));
}

/** Writes locked alerts back, whole. */
export async function updateAlerts(tx: Tx, alerts: KnownAlert[]): Promise<void> {
  if (alerts.length === 0) return;
  await sql`
    UPDATE alerts_active a SET ${assignments}
    FROM json_to_recordset(${toStorableJson(alerts.map(toRowJson))}::json) AS r (${recordType})
    WHERE a.id = r.id`.execute(tx);
}

/**
 * Notes that locked alerts were seen again, in place: no indexed column changes.
 * This is what nearly every report of a busy Prometheus comes down to.
 */
export async function touchAlerts(tx: Tx, alerts: KnownAlert[]): Promise<void> {
  if (alerts.length === 0) return;
  await sql`
    UPDATE alerts_active a
    SET last_seen_at = r.last_seen_at, occurrences = r.occurrences, expires_at = r.expires_at,
        starts_at = r.starts_at, latest_starts_at = r.latest_starts_at
    FROM unnest(
      ${alerts.map((alert) => alert.id)}::uuid[],
      ${alerts.map((alert) => alert.lastSeenAt)}::timestamptz[],
      ${alerts.map((alert) => alert.occurrences)}::integer[],
      ${alerts.map((alert) => alert.expiresAt)}::timestamptz[],
      ${alerts.map((alert) => alert.startsAt)}::timestamptz[],
      ${alerts.map((alert) => toLatestStart(alert.latestStartsAt))}::timestamptz[]
    ) AS r (id, last_seen_at, occurrences, expires_at, starts_at, latest_starts_at)
    WHERE a.id = r.id`.execute(tx);
}

export type AuditEntry = {
  alertId: string | null;
  incidentId?: string | null;
  action: ActionKind;
  /** E-mail or vendor id of a person, `token:<name>`, `source:<name>` or `system`. */
  userId: string;
  /** The door the change came through. */
  door: ActionSource;
  details: Record<string, unknown>;
  at: Date;
};

/** Appends to the audit log; nothing ever changes or deletes a row of it. */
export async function audit(db: Db | Tx, entries: AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const rows = entries.map((entry) => ({
    id: newId(),
    alert_id: entry.alertId,
    incident_id: entry.incidentId ?? null,
    user_id: entry.userId.slice(0, 320),
    action: entry.action,
    details: entry.details,
    source: entry.door,
    created_at: entry.at.toISOString(),
  }));
  await sql`
    ${prepared} INSERT INTO alert_actions (id, alert_id, incident_id, user_id, action, details, source, created_at)
    SELECT id, alert_id, incident_id, user_id, action, details, source, created_at
    FROM json_to_recordset(${toStorableJson(rows)}::json)
      AS r (id uuid, alert_id uuid, incident_id uuid, user_id text, action action_kind, details jsonb, source action_source, created_at timestamptz)`.execute(
    db,
  );
}

/** As the column has it; the audit log keeps the whole of it. */
const longestReason = 255;

/** Moves locked alerts into the archive. */
export async function archiveAlerts(tx: Tx, ids: string[], reason: string, at: Date): Promise<void> {
  if (ids.length === 0) return;
  const archived = sql.raw(
    alertColumnNames.map((name) => (name === 'status' ? `'archived'::alert_status` : `"${name}"`)).join(', '),
  );
  await sql`
    WITH moved AS (DELETE FROM alerts_active WHERE id = ANY(${ids}::uuid[]) RETURNING *)
    INSERT INTO alerts_archive (${columnList}, archived_at, archive_reason)
    SELECT ${archived}, ${at}, ${toStorable(reason).slice(0, longestReason)} FROM moved`.execute(tx);
}

/** Locks open alerts whose sender's word ran out; at most `limit`, so that one pass stays short. */
export async function lockExpired(tx: Tx, now: Date, limit: number): Promise<KnownAlert[]> {
  const rows = await tx
    .selectFrom('alerts_active')
    .selectAll()
    .where('status', 'in', ['firing', 'acknowledged', 'escalated'])
    .where('expires_at', '<=', now)
    .orderBy('source')
    .orderBy('tenant')
    .orderBy('fingerprint')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute();
  return rows.map(fromRow);
}

/**
 * Locks open alerts without an end that are not called stale yet and of which nothing was
 * heard since then, while somebody listened all the time; at most `limit`. The alert that
 * says that its source is silent is ours, and nobody repeats it.
 */
export async function lockSilent(
  tx: Tx,
  source: SourceName,
  since: Date,
  limit: number,
): Promise<KnownAlert[]> {
  const rows = await sql<Selectable<AlertsTable>>`
    SELECT * FROM alerts_active
    WHERE source = ${source} AND status = ANY(${[...openStatuses]}::alert_status[])
      AND expires_at IS NULL AND stale_at IS NULL AND fingerprint <> ${missingHeartbeat}
      AND greatest(last_seen_at, (SELECT l.since FROM listening l)) <= ${since}
    ORDER BY source, tenant, fingerprint LIMIT ${limit}
    FOR UPDATE SKIP LOCKED`.execute(tx);
  return rows.rows.map(fromRow);
}
