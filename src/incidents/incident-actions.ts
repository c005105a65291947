import { type Actor, resolveLocked } from '../alerts/actions.ts';
import { audit } from '../alerts/alert-store.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { changedJobs } from '../alerts/changed.ts';
import type { Db, Tx } from '../db/pool.ts';
import type { IncidentStatus } from '../db/schema.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { type Incident, isOpenIncident } from './incident.ts';
import { type CommandPayload, enqueueCommands, updateIncidents } from './incident-store.ts';
import { lockWithAlerts } from './lock-with-alerts.ts';

/** What people do to an incident itself, through any door. */

export type IncidentActionResult =
  | { ok: true; already: boolean }
  | { ok: false; reason: 'not-found' }
  | { ok: false; reason: 'forbidden'; detail: string };

/** Puts a person in charge, here and at the provider. An open incident becomes assigned. */
export async function assignIncident(
  db: Db,
  incidentId: string,
  assignedTo: string,
  actor: Actor,
  now: Date,
): Promise<IncidentActionResult> {
  return onIncident(db, incidentId, async (tx, incident, alerts) => {
    if (!isOpenIncident(incident.status)) return closedAlready(incident);
    if (incident.assignedTo === assignedTo && incident.status === 'assigned')
      return { ok: true, already: true };
    const after: Incident = { ...incident, assignedTo, status: 'assigned', updatedAt: now };
    await record(tx, incident, after, actor, now, [{ kind: 'assign', assignee: assignedTo }]);
    await enqueue(tx, changedJobs(alerts));
    return { ok: true, already: false };
  });
}

/**
 * Sets the status by hand. `resolved` and `closed` also resolve the alerts that
 * are still open; one whose source goes on firing reopens by itself. What was
 * closed does not open again: a new incident is opened instead.
 */
export async function setIncidentStatus(
  db: Db,
  incidentId: string,
  status: IncidentStatus,
  actor: Actor,
  now: Date,
): Promise<IncidentActionResult> {
  return onIncident(db, incidentId, async (tx, incident, alerts) => {
    if (incident.status === status) return { ok: true, already: true };
    const forbidden = forbiddenStatus(incident, status);
    if (forbidden !== null) return { ok: false, reason: 'forbidden', detail: forbidden };
    const ends = isOpenIncident(incident.status) && !isOpenIncident(status);
    if (ends) await resolveLocked(tx, alerts, 'its incident was resolved', actor, now);
    const after: Incident = {
      ...incident,
      status,
      assignedTo: status === 'open' ? null : incident.assignedTo,
      resolvedAt: isOpenIncident(status) ? null : (incident.resolvedAt ?? now),
      updatedAt: now,
    };
    await record(tx, incident, after, actor, now, ends ? [{ kind: 'close' }] : []);
    await enqueue(tx, changedJobs(alerts));
    return { ok: true, already: false };
  });
}

/** Pure: why the status cannot be set, or null when it can. */
export function forbiddenStatus(
  incident: Pick<Incident, 'status' | 'assignedTo'>,
  status: IncidentStatus,
): string | null {
  if (!isOpenIncident(incident.status) && isOpenIncident(status)) {
    return `the incident is ${incident.status} and does not open again; open a new one for the alert`;
  }
  if (status === 'assigned' && incident.assignedTo === null) {
    return 'nobody is assigned yet: PUT …/assign with assignedTo makes it assigned';
  }
  if (incident.status === 'closed') return 'the incident is closed';
  return null;
}

/** Adds a note here and at the provider; notes of closed incidents are welcome (post-mortems). */
export async function noteOnIncident(
  db: Db,
  incidentId: string,
  text: string,
  actor: Actor,
  now: Date,
): Promise<IncidentActionResult> {
  return onIncident(db, incidentId, async (tx, incident) => {
    await audit(tx, [
      {
        alertId: null,
        incidentId,
        action: 'note',
        userId: actor.userId,
        door: actor.door,
        details: { ...actor.about, text },
        at: now,
      },
    ]);
    await enqueueCommands(tx, [{ incident, command: { kind: 'add-note', text }, by: actor.userId }], now);
    return { ok: true, already: false };
  });
}

async function onIncident(
  db: Db,
  incidentId: string,
  work: (tx: Tx, incident: Incident, alerts: KnownAlert[]) => Promise<IncidentActionResult>,
): Promise<IncidentActionResult> {
  return db.transaction().execute(async (tx) => {
    const { incidents, alerts } = await lockWithAlerts(tx, [incidentId]);
    const [incident] = incidents;
    if (incident === undefined) return { ok: false, reason: 'not-found' };
    return work(tx, incident, alerts);
  });
}

function closedAlready(incident: Incident): IncidentActionResult {
  return { ok: false, reason: 'forbidden', detail: `the incident is ${incident.status}` };
}

/** Writes a locked incident as it is after a change of its status or its assignee, with the audit row and what is to be said of it. */
export async function record(
  tx: Tx,
  before: Incident,
  after: Incident,
  actor: Actor,
  now: Date,
  commands: CommandPayload[],
): Promise<void> {
  await updateIncidents(tx, [after]);
  const assigned = before.assignedTo !== after.assignedTo;
  await audit(tx, [
    {
      alertId: null,
      incidentId: after.id,
      action: before.status === after.status || assigned ? 'assign' : 'incident_status',
      userId: actor.userId,
      door: actor.door,
      at: now,
      details: {
        ...actor.about,
        from: before.status,
        to: after.status,
        ...(assigned ? { assignedTo: { from: before.assignedTo, to: after.assignedTo } } : {}),
      },
    },
  ]);
  await enqueueCommands(
    tx,
    commands.map((command) => ({ incident: after, command, by: actor.userId })),
    now,
  );
}
