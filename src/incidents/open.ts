import type { Alert, Severity } from '../alerts/alert.ts';
import { findAlerts } from '../alerts/alert-queries.ts';
import { type AuditEntry, audit, lockByIds } from '../alerts/alert-store.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { isCanary } from '../alerts/canary-alert.ts';
import { changedJobs } from '../alerts/changed.ts';
import { isGraver, isOpen } from '../alerts/lifecycle.ts';
import { isDevelopment, isOwnDependency } from '../alerts/match.ts';
import type { Actor } from '../alerts/actions.ts';
import type { Db, Tx } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { newId } from '../lib/ids.ts';
import { type AssignmentRule, respondersFor } from './assignment.ts';
import { type Incident, isOpenIncident } from './incident.ts';
import { findIncidents } from './incident-queries.ts';
import { attachAlerts, enqueueCommands, insertIncidents, lockIncidents } from './incident-store.ts';
import type { OpenIncident } from './provider.ts';

/** When an incident is opened, by a rule or by a person, and what it starts with. */

export type IncidentPolicy = {
  /** Severities that open one by themselves. */
  autoCreate: Severity[];
  assignment: AssignmentRule[];
  /** Where commands go; null while no provider is configured. */
  provider: { name: string; connectionId: string; externalKind?: string } | null;
  /** Our own address, for the link in the incident. */
  alertUrl: (alertId: string) => string;
};

export type AutoOpenVerdict = { open: boolean; reason: string };

/** Whether an alert opens an incident by itself. */
export function opensByItself(alert: Alert, autoCreate: Severity[]): AutoOpenVerdict {
  if (isCanary(alert)) return { open: false, reason: 'our own test alerts open no incident' };
  if (alert.mute !== null)
    return { open: false, reason: `alerts that are not told (${alert.mute}) open no incident` };
  if (isOwnDependency(alert))
    return { open: false, reason: 'our own database and vendors open no incident by themselves' };
  if (isDevelopment(alert)) {
    return {
      open: false,
      reason: `label environment is ${alert.labels['environment']}: opens no incident by itself`,
    };
  }
  if (!autoCreate.includes(alert.severity)) {
    return { open: false, reason: `${alert.severity} opens no incident by itself (incidents.autoCreate)` };
  }
  return { open: true, reason: `${alert.severity} opens an incident by itself (incidents.autoCreate)` };
}

/**
 * Opens what the rules ask for among these alerts; those that have one keep it,
 * unless it is over: then nobody is called to an alert that is still open. Answers
 * how many were opened.
 */
export async function openForChanged(
  db: Db,
  alertIds: string[],
  policy: IncidentPolicy,
  now: Date,
): Promise<number> {
  const mayNeedOne = (alert: KnownAlert): boolean =>
    isOpen(alert.status) && opensByItself(alert, policy.autoCreate).open;
  const needsOne = (alert: KnownAlert, stillOpen: Set<string>): boolean =>
    mayNeedOne(alert) && (alert.incidentId === null || !stillOpen.has(alert.incidentId));
  // Nearly every change opens nothing, and then locks nothing.
  const found = (await findAlerts(db, alertIds)).filter(mayNeedOne);
  const known = openOnes(await findIncidents(db, incidentIdsIn(found)));
  const candidates = found.filter((alert) => needsOne(alert, known)).map((alert) => alert.id);
  if (candidates.length === 0) return 0;
  return db.transaction().execute(async (tx) => {
    const locked = await lockByIds(tx, candidates);
    const stillOpen = openOnes(await lockIncidents(tx, incidentIdsIn(locked)));
    const alerts = locked.filter((alert) => needsOne(alert, stillOpen));
    const opened = alerts.map((alert) => ({
      alert,
      incident: newIncident(alert, {}, policy, 'system', now),
    }));
    const reason = (alert: Alert): string => opensByItself(alert, policy.autoCreate).reason;
    await store(tx, opened, policy, { userId: 'system', door: 'system' }, reason, now);
    return opened.length;
  });
}

function incidentIdsIn(alerts: KnownAlert[]): string[] {
  return [...new Set(alerts.flatMap((alert) => alert.incidentId ?? []))];
}

function openOnes(incidents: Incident[]): Set<string> {
  return new Set(
    incidents.filter((incident) => isOpenIncident(incident.status)).map((incident) => incident.id),
  );
}

export type OpenResult =
  | { ok: true; incidentId: string; created: boolean }
  | { ok: false; reason: 'not-found'; detail: string }
  | { ok: false; reason: 'forbidden'; detail: string };

/**
 * Opens an incident for an alert at a person's wish, or ties it to one that is
 * open. An alert that already has an open incident keeps it: success, nothing
 * is written.
 */
export async function openForAlert(
  db: Db,
  request: {
    alertId: string;
    title?: string | undefined;
    severity?: Severity | undefined;
    incidentId?: string | undefined;
  },
  policy: IncidentPolicy,
  actor: Actor,
  now: Date,
): Promise<OpenResult> {
  return db.transaction().execute(async (tx): Promise<OpenResult> => {
    const [alert] = await lockByIds(tx, [request.alertId]);
    if (alert === undefined) {
      const [archived] = await findAlerts(tx, [request.alertId]);
      return archived === undefined
        ? { ok: false, reason: 'not-found', detail: `there is no alert ${request.alertId}` }
        : { ok: false, reason: 'forbidden', detail: 'the alert is archived; archived alerts do not change' };
    }
    if (!isOpen(alert.status)) {
      return {
        ok: false,
        reason: 'forbidden',
        detail: `the alert is ${alert.status}; an incident needs an open alert`,
      };
    }
    // Both at once, so that two requests the other way round wait for each other instead of deadlocking.
    const concerned = await lockIncidents(
      tx,
      [alert.incidentId, request.incidentId].filter((id) => typeof id === 'string'),
    );
    const current = concerned.find((incident) => incident.id === alert.incidentId);
    if (request.incidentId !== undefined) {
      const target = concerned.find((incident) => incident.id === request.incidentId?.toLowerCase());
      if (target === undefined)
        return { ok: false, reason: 'not-found', detail: `there is no incident ${request.incidentId}` };
      return attach(tx, alert, current, target, actor, now);
    }
    if (current !== undefined && isOpenIncident(current.status)) {
      return { ok: true, incidentId: current.id, created: false };
    }
    const incident = newIncident(alert, request, policy, actor.userId, now);
    await store(tx, [{ alert, incident }], policy, actor, () => 'opened by hand', now);
    await enqueue(tx, changedJobs([alert]));
    return { ok: true, incidentId: incident.id, created: true };
  });
}

async function attach(
  tx: Tx,
  alert: KnownAlert,
  current: Incident | undefined,
  target: Incident,
  actor: Actor,
  now: Date,
): Promise<OpenResult> {
  const incidentId = target.id;
  if (current?.id === incidentId) return { ok: true, incidentId, created: false };
  if (!isOpenIncident(target.status)) {
    return {
      ok: false,
      reason: 'forbidden',
      detail: `incident ${incidentId} is ${target.status}; only an open one takes alerts`,
    };
  }
  if (current !== undefined && isOpenIncident(current.status)) {
    return {
      ok: false,
      reason: 'forbidden',
      detail: `the alert belongs to incident ${current.id}, which is still open`,
    };
  }
  await attachAlerts(tx, [{ alertId: alert.id, incidentId }], now);
  await audit(tx, [
    {
      alertId: alert.id,
      incidentId,
      action: 'attach_incident',
      userId: actor.userId,
      door: actor.door,
      details: { ...actor.about },
      at: now,
    },
  ]);
  const by = actor.userId;
  await enqueueCommands(
    tx,
    [{ incident: target, command: { kind: 'add-note', text: `Alert attached: ${alert.title}` }, by }],
    now,
  );
  await enqueue(tx, changedJobs([alert]));
  return { ok: true, incidentId, created: false };
}

function newIncident(
  alert: Alert,
  wish: { title?: string | undefined; severity?: Severity | undefined },
  policy: IncidentPolicy,
  openedBy: string,
  now: Date,
): Incident {
  const severity = wish.severity ?? alert.severity;
  return {
    id: newId(),
    title: wish.title ?? alert.title,
    severity,
    status: 'open',
    assignedTo: null,
    provider: policy.provider?.name ?? null,
    connectionId: policy.provider?.connectionId ?? null,
    externalKind: policy.provider?.externalKind ?? null,
    externalId: null,
    externalUrl: null,
    alertCount: 0,
    primaryAlertId: alert.id,
    openedBy,
    acknowledgedAt: null,
    acknowledgedBy: null,
    overruledSeverity: isGraver(alert.severity, severity) ? alert.severity : null,
    createdAt: now,
    updatedAt: now,
    resolvedAt: null,
  };
}

async function store(
  tx: Tx,
  opened: { alert: KnownAlert; incident: Incident }[],
  policy: IncidentPolicy,
  actor: Actor,
  reason: (alert: Alert) => string,
  now: Date,
): Promise<void> {
  await insertIncidents(
    tx,
    opened.map(({ incident }) => incident),
  );
  await attachAlerts(
    tx,
    opened.map(({ alert, incident }) => ({ alertId: alert.id, incidentId: incident.id })),
    now,
  );
  const assigned = opened.map((pair) => ({
    ...pair,
    assignment: respondersFor(pair.alert, policy.assignment),
  }));
  await audit(
    tx,
    assigned.map(({ alert, incident, assignment }): AuditEntry => ({
      alertId: alert.id,
      incidentId: incident.id,
      action: 'create_incident',
      userId: actor.userId,
      door: actor.door,
      at: now,
      details: {
        ...actor.about,
        decisions: [
          { stage: 'incident', outcome: 'opened', reason: reason(alert) },
          {
            stage: 'incident',
            outcome: describeResponders(assignment.responders),
            reason: assignment.reason,
          },
        ],
      },
    })),
  );
  await enqueueCommands(
    tx,
    assigned.map(({ alert, incident, assignment }) => ({
      incident,
      by: actor.userId,
      command: { kind: 'open', incident: openingOf(alert, incident, assignment.responders, policy) },
    })),
    now,
  );
}

function describeResponders(responders: OpenIncident['responders']): string {
  if (responders.length === 0) return 'nobody named';
  return responders
    .map((responder) => `${responder.type} ${responder.name ?? responder.id ?? ''}`)
    .join(', ');
}

function openingOf(
  alert: Alert,
  incident: Incident,
  responders: OpenIncident['responders'],
  policy: IncidentPolicy,
): OpenIncident {
  const details: Record<string, string> = {
    gomonIncidentId: incident.id,
    gomonAlertId: alert.id,
    gomonUrl: policy.alertUrl(alert.id),
    source: alert.source,
    ...(alert.namespace === null ? {} : { namespace: alert.namespace }),
    ...(alert.traceId === null ? {} : { traceId: alert.traceId }),
    ...alert.labels,
  };
  return {
    title: `[${incident.severity}] ${incident.title}`,
    description: [alert.description, ...alert.links.map((link) => `${link.rel}: ${link.url}`)]
      .filter(Boolean)
      .join('\n'),
    severity: incident.severity,
    details,
    tags: ['gomon', incident.severity, alert.source],
    source: 'GoMon',
    responders,
  };
}
