import { type AuditEntry, audit } from '../alerts/alert-store.ts';
import { changedJobs } from '../alerts/changed.ts';
import { isGraver, isOpen } from '../alerts/lifecycle.ts';
import type { Severity } from '../alerts/alert.ts';
import type { Db, Tx } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { type Incident, isOpenIncident } from './incident.ts';
import { findIncidents, incidentIdsOf, type Member, membersOf } from './incident-queries.ts';
import { type CommandPayload, enqueueCommands, updateIncidents } from './incident-store.ts';
import { lockWithAlerts } from './lock-with-alerts.ts';
import { passOnNotes } from './pass-on-notes.ts';

/**
 * What the state of its alerts means for an incident: it is acknowledged with the
 * first of them, as grave as the gravest, and resolved with the last. What people
 * note on them is said at the provider.
 */
export async function followAlerts(db: Db, alertIds: string[], now: Date): Promise<void> {
  const incidentIds = await incidentIdsOf(db, alertIds);
  if (incidentIds.length > 0) await passOnNotes(db, alertIds, now);
  // Most changes of alerts change nothing for their incident: those lock nothing. Whatever is being changed
  // at this moment comes here again, with its own job.
  const moving = (await stepsFor(db, await findIncidents(db, incidentIds), now)).map(
    (step) => step.incident.id,
  );
  if (moving.length > 0) await db.transaction().execute((tx) => followLocked(tx, moving, now));
}

async function followLocked(tx: Tx, incidentIds: string[], now: Date): Promise<void> {
  const { incidents, alerts } = await lockWithAlerts(tx, incidentIds);
  const steps = await stepsFor(tx, incidents, now);
  const moved = new Set(steps.map((step) => step.incident.id));
  await updateIncidents(
    tx,
    steps.map((step) => step.incident),
  );
  await audit(
    tx,
    steps.flatMap((step) => step.audits),
  );
  await enqueueCommands(
    tx,
    steps.flatMap((step) =>
      step.commands.map((command) => ({ incident: step.incident, command, by: step.by })),
    ),
    now,
  );
  // The other alerts of the incident show its state, too.
  await enqueue(
    tx,
    changedJobs(alerts.filter((alert) => isOpen(alert.status) && moved.has(alert.incidentId ?? ''))),
  );
}

/** Of the incidents that are open, those that something has to be done about. */
async function stepsFor(db: Db | Tx, incidents: Incident[], now: Date): Promise<Step[]> {
  const open = incidents.filter((incident) => isOpenIncident(incident.status));
  const members = await membersOf(
    db,
    open.map((incident) => incident.id),
  );
  const byIncident = Map.groupBy(members, (member) => member.incidentId);
  return open
    .map((incident) => nextState(incident, byIncident.get(incident.id) ?? [], now))
    .filter((step) => step.commands.length > 0);
}

type Step = { incident: Incident; commands: CommandPayload[]; audits: AuditEntry[]; by: string };

/** Pure: what an open incident becomes, and what the provider has to be told. */
export function nextState(incident: Incident, alerts: Member[], now: Date): Step {
  const open = alerts.filter((alert) => alert.archivedAt === null && isOpen(alert.status));
  if (alerts.length > 0 && open.length === 0) return resolved(incident, alerts, now);
  const commands: CommandPayload[] = [];
  const audits: AuditEntry[] = [];
  const next = { ...incident };
  const gravest = open
    .map((alert) => alert.severity)
    .reduce<Severity>((a, b) => (isGraver(b, a) ? b : a), 'P4');
  if (open.length > 0 && raises(gravest, incident)) {
    next.severity = gravest;
    next.overruledSeverity = null;
    commands.push({ kind: 'set-severity', severity: gravest });
    audits.push(raised(incident, open.find((alert) => alert.severity === gravest)?.id ?? null, gravest, now));
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
  return { incident: next, commands, audits, by };
}

function raised(incident: Incident, byAlert: string | null, to: Severity, now: Date): AuditEntry {
  return {
    alertId: null,
    incidentId: incident.id,
    action: 'update',
    userId: 'system',
    door: 'system',
    at: now,
    details: {
      severity: { from: incident.severity, to },
      reason: 'it is as grave as the gravest of its alerts',
      gravestAlertId: byAlert,
    },
  };
}

/** A severity that a person chose below that of the alerts stays, until one of them is graver than what the person saw. */
function raises(gravest: Severity, incident: Incident): boolean {
  const { severity, overruledSeverity } = incident;
  if (!isGraver(gravest, severity)) return false;
  return overruledSeverity === null || isGraver(gravest, overruledSeverity);
}

function resolved(incident: Incident, alerts: Member[], now: Date): Step {
  const by = alerts.map((alert) => alert.resolvedBy).find((person) => person !== null) ?? 'system';
  const why = reasonsOf(alerts);
  const next: Incident = { ...incident, status: 'resolved', resolvedAt: now, updatedAt: now };
  const audits: AuditEntry[] = [
    {
      alertId: null,
      incidentId: incident.id,
      action: 'incident_status',
      userId: 'system',
      door: 'system',
      at: now,
      details: {
        from: incident.status,
        to: 'resolved',
        reason: `its last alert was resolved${why === '' ? '' : `; ${why}`}`,
      },
    },
  ];
  const note = `All alerts are resolved${why === '' ? '' : `; ${why}`}.`;
  return { incident: next, commands: [{ kind: 'close', note }], audits, by };
}

/** Enough to know what happened; an incident may have hundreds of alerts. */
const mostReasons = 5;

/**
 * What sources said of why they ended alerts (Grafana: Paused, Updated, RuleDeleted,
 * MissingSeries, NoData …): then nobody knows that the condition is over, and an
 * incident must not end without a word of it. '' when none said anything.
 */
function reasonsOf(alerts: Member[]): string {
  const reasons = alerts.flatMap((alert) => {
    const endedBySource = alert.resolvedBy === null && alert.resolveReceivedAt !== null;
    return endedBySource && alert.stateReason !== null ? [alert.stateReason.slice(0, 80)] : [];
  });
  if (reasons.length === 0) return '';
  const counted = [...Map.groupBy(reasons, (reason) => reason)].map(([reason, { length }]) =>
    length === 1 ? reason : `${reason} (${length})`,
  );
  const more = counted.length > mostReasons ? ` and ${counted.length - mostReasons} more` : '';
  const of = alerts.length === 1 ? '' : ` of ${reasons.length} of ${alerts.length}`;
  return `its source says${of}: ${counted.slice(0, mostReasons).join(', ')}${more}, which need not mean that the condition is over`;
}
