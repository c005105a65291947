import { type Selectable, sql } from 'kysely';
import type { Tx } from '../db/pool.ts';
import type { IncidentsTable } from '../db/schema.ts';
import { fromStorable, toStorable, toStorableJson } from '../db/text.ts';
import { priorities } from '../jobs/catalog.ts';
import { enqueue, type Job } from '../jobs/enqueue.ts';
import { newId } from '../lib/ids.ts';
import type { Incident } from './incident.ts';
import type { OpenIncident } from './provider.ts';

/** SQL that writes or locks incidents and what is to be said of them to the provider. */

export function fromIncidentRow(row: Selectable<IncidentsTable>): Incident {
  return {
    id: row.id,
    title: fromStorable(row.title),
    severity: row.severity,
    status: row.status,
    assignedTo: row.assigned_to === null ? null : fromStorable(row.assigned_to),
    provider: row.provider,
    connectionId: row.connection_id,
    externalKind: row.external_kind,
    externalId: row.external_id,
    externalUrl: row.external_url,
    alertCount: row.alert_count,
    primaryAlertId: row.primary_alert_id,
    openedBy: fromStorable(row.opened_by),
    acknowledgedAt: row.acknowledged_at,
    acknowledgedBy: row.acknowledged_by === null ? null : fromStorable(row.acknowledged_by),
    overruledSeverity: row.overruled_severity,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    resolvedAt: row.resolved_at,
  };
}

/** Locks incidents in the order of their ids. Alerts are always locked before incidents. */
export async function lockIncidents(tx: Tx, ids: string[]): Promise<Incident[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .selectFrom('incidents')
    .selectAll()
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .orderBy('id')
    .forUpdate()
    .execute();
  return rows.map(fromIncidentRow);
}

export async function insertIncidents(tx: Tx, incidents: Incident[]): Promise<void> {
  if (incidents.length === 0) return;
  await tx
    .insertInto('incidents')
    .values(
      incidents.map((incident) => ({
        id: incident.id,
        title: toStorable(incident.title),
        severity: incident.severity,
        status: incident.status,
        assigned_to: incident.assignedTo,
        alert_count: incident.alertCount,
        primary_alert_id: incident.primaryAlertId,
        provider: incident.provider,
        connection_id: incident.connectionId,
        external_kind: incident.externalKind,
        external_id: null,
        external_url: null,
        opened_by: toStorable(incident.openedBy),
        acknowledged_at: incident.acknowledgedAt,
        acknowledged_by: incident.acknowledgedBy,
        sync_claimed_at: null,
        overruled_severity: incident.overruledSeverity,
        created_at: incident.createdAt,
        updated_at: incident.updatedAt,
        resolved_at: incident.resolvedAt,
      })),
    )
    .execute();
}

/** Writes the parts of locked incidents that we decide ourselves. */
export async function updateIncidents(tx: Tx, incidents: Incident[]): Promise<void> {
  if (incidents.length === 0) return;
  const rows = incidents.map((incident) => ({
    id: incident.id,
    title: toStorable(incident.title),
    severity: incident.severity,
    status: incident.status,
    assigned_to: incident.assignedTo === null ? null : toStorable(incident.assignedTo),
    acknowledged_at: incident.acknowledgedAt,
    acknowledged_by: incident.acknowledgedBy === null ? null : toStorable(incident.acknowledgedBy),
    overruled_severity: incident.overruledSeverity,
    updated_at: incident.updatedAt,
    resolved_at: incident.resolvedAt,
  }));
  await sql`
    UPDATE incidents i
    SET title = r.title, severity = r.severity, status = r.status, assigned_to = r.assigned_to,
        acknowledged_at = r.acknowledged_at, acknowledged_by = r.acknowledged_by,
        overruled_severity = r.overruled_severity, updated_at = r.updated_at, resolved_at = r.resolved_at
    FROM json_to_recordset(${JSON.stringify(rows)}::json) AS r (
      id uuid, title text, severity alert_severity, status incident_status, assigned_to text,
      acknowledged_at timestamptz, acknowledged_by text, overruled_severity alert_severity,
      updated_at timestamptz, resolved_at timestamptz
    )
    WHERE i.id = r.id`.execute(tx);
}

/** Ties locked alerts to an incident and counts them. */
export async function attachAlerts(
  tx: Tx,
  pairs: { alertId: string; incidentId: string }[],
  now: Date,
): Promise<void> {
  if (pairs.length === 0) return;
  await sql`
    UPDATE alerts_active a SET incident_id = p.incident_id, updated_at = ${now}
    FROM unnest(${pairs.map((pair) => pair.alertId)}::uuid[], ${pairs.map((pair) => pair.incidentId)}::uuid[]) AS p (alert_id, incident_id)
    WHERE a.id = p.alert_id`.execute(tx);
  await sql`
    UPDATE incidents i SET alert_count = (
      SELECT count(*) FROM (
        SELECT id FROM alerts_active WHERE incident_id = i.id
        UNION ALL SELECT id FROM alerts_archive WHERE incident_id = i.id
      ) AS members
    ) WHERE i.id = ANY(${[...new Set(pairs.map((pair) => pair.incidentId))]}::uuid[])`.execute(tx);
}

/** What a command carries beside its kind; see `ProviderCommand`. */
export type CommandPayload =
  | { kind: 'open'; incident: OpenIncident }
  | { kind: 'acknowledge'; note?: string }
  | { kind: 'assign'; assignee: string }
  | { kind: 'set-severity'; severity: Incident['severity'] }
  /** `noteId`: the row of the audit log that it comes from, where it was written on an alert. */
  | { kind: 'add-note'; text: string; noteId?: string }
  /** `twin`: the external id of a second thing that was opened for the same incident, to be closed instead of it. */
  | { kind: 'close'; note?: string; twin?: string };

/**
 * Puts commands to the provider into the outbox of their incidents, in order, and
 * wakes the job that works them off. Nothing for incidents without a provider.
 */
export async function enqueueCommands(
  tx: Tx,
  commands: { incident: Incident; command: CommandPayload; by: string }[],
  now: Date,
): Promise<void> {
  const wanted = commands.filter(({ incident }) => incident.provider !== null);
  if (wanted.length === 0) return;
  await tx
    .insertInto('incident_commands')
    .values(
      wanted.map(({ incident, command, by }) => ({
        id: newId(),
        incident_id: incident.id,
        kind: command.kind,
        payload: toStorableJson(command),
        requested_by: toStorable(by),
        state: 'pending' as const,
        request_id: null,
        next_at: now,
        last_error: null,
        created_at: now,
        updated_at: now,
      })),
    )
    .execute();
  await enqueue(
    tx,
    [...new Map(wanted.map(({ incident }) => [incident.id, incident])).values()].map(syncJob),
  );
}

/** The job that works off what is to be said about an incident; one waits at most. */
export function syncJob({ id, severity }: Pick<Incident, 'id' | 'severity'>): Job {
  return {
    task: 'incident.sync',
    payload: { incidentId: id },
    key: `incident.sync:${id}`,
    priority: severity === 'P0' || severity === 'P1' ? priorities.urgent : priorities.normal,
  };
}
