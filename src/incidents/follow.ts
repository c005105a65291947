import { type AuditEntry, audit, lockByIds } from '../alerts/alert-store.ts';
import { alertsOfIncident, findAlerts, type StoredAlert } from '../alerts/alert-queries.ts';
import { changedJobs } from '../alerts/changed.ts';
import { isGraver, isOpen } from '../alerts/lifecycle.ts';
import type { Severity } from '../alerts/alert.ts';
import type { Db, Tx } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { type Incident, isOpenIncident } from './incident.ts';
import { type CommandPayload, enqueueCommands, lockIncidents, updateIncident } from './incident-store.ts';

/**
 * What the state of its alerts means for an incident: it is acknowledged with the
 * first of them, as grave as the gravest, and resolved with the last.
 */
export async function followAlerts(db: Db, alertIds: string[], now: Date): Promise<void> {
  const changed = await findAlerts(db, alertIds);
  const incidentIds = [
    ...new Set(changed.flatMap((alert) => (alert.incidentId === null ? [] : [alert.incidentId]))),
  ];
  for (const incidentId of incidentIds.toSorted()) {
    await db.transaction().execute((tx) => followOne(tx, incidentId, now));
  }
}

async function followOne(tx: Tx, incidentId: string, now: Date): Promise<void> {
  const seen = await alertsOfIncident(tx, incidentId);
  // Locked in the usual order, alerts before incidents, so that a refire cannot slip in between.
  await lockByIds(
    tx,
    seen.map((alert) => alert.id),
  );
  const [incident] = await lockIncidents(tx, [incidentId]);
  if (incident === undefined || !isOpenIncident(incident.status)) return;
  const alerts = await alertsOfIncident(tx, incidentId);
  const step = nextState(incident, alerts, now);
  if (step.commands.length === 0) return;
  await updateIncident(tx, step.incident);
  await audit(tx, step.audits);
  await enqueueCommands(
    tx,
    step.commands.map((command) => ({ incident: step.incident, command, by: step.by })),
    now,
  );
  // The other alerts of the incident show its state, too.
  await enqueue(tx, changedJobs(alerts.filter((alert) => alert.archivedAt === null && isOpen(alert.status))));
}

type Step = { incident: Incident; commands: CommandPayload[]; audits: AuditEntry[]; by: string };

/** Pure: what an open incident becomes, and what the provider has to be told. */
export function nextState(incident: Incident, alerts: StoredAlert[], now: Date): Step {
  const open = alerts.filter((alert) => alert.archivedAt === null && isOpen(alert.status));
  if (alerts.length > 0 && open.length === 0) return resolved(incident, alerts, now);
  const commands: CommandPayload[] = [];
  const next = { ...incident };
  const gravest = open
    .map((alert) => alert.severity)
    .reduce<Severity>((a, b) => (isGraver(b, a) ? b : a), 'P4');
  if (open.length > 0 && isGraver(gravest, incident.severity)) {
    next.severity = gravest;
    commands.push({ kind: 'set-severity', severity: gravest });
  }
  const acknowledged = open.find((alert) => alert.status === 'acknowledged');
  let by = 'system';
  if (incident.acknowledgedAt === null && acknowledged !== undefined) {
    by = acknowledged.acknowledgedBy ?? 'system';
    next.acknowledgedAt = acknowledged.acknowledgedAt ?? now;
    next.acknowledgedBy = by;
    commands.push({ kind: 'acknowledge' });
  }
  if (commands.length > 0) next.updatedAt = now;
  return { incident: next, commands, audits: [], by };
}

function resolved(incident: Incident, alerts: StoredAlert[], now: Date): Step {
  const by = alerts.map((alert) => alert.resolvedBy).find((person) => person !== null) ?? 'system';
  const next: Incident = { ...incident, status: 'resolved', resolvedAt: now, updatedAt: now };
  const audits: AuditEntry[] = [
    {
      alertId: null,
      incidentId: incident.id,
      action: 'incident_status',
      userId: 'system',
      door: 'system',
      at: now,
      details: { from: incident.status, to: 'resolved', reason: 'its last alert was resolved' },
    },
  ];
  return { incident: next, commands: [{ kind: 'close', note: 'All alerts are resolved.' }], audits, by };
}
