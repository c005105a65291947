import type { Db, Tx } from '../db/pool.ts';
import type { ActionKind, ActionSource } from '../db/schema.ts';
import { enqueue } from '../jobs/enqueue.ts';
import type { Severity } from './alert.ts';
import { archiveAlerts, audit, lockByIds, lockExpired, updateAlerts } from './alert-store.ts';
import type { KnownAlert } from './apply-signal.ts';
import { changedJobs } from './changed.ts';
import { escalation, type LifecycleEvent, type Transition, transition } from './lifecycle.ts';

/**
 * What people (and rules acting for them) do to an alert. Every door ends here:
 * lock the row, ask the lifecycle, write, audit, enqueue — in one transaction.
 */

export type Actor = {
  /** For the audit log: an e-mail, a Slack id, `token:<name>`, `system`. */
  userId: string;
  door: ActionSource;
  /** How they are called and where they were, kept in the audit row's details. */
  about?: Record<string, unknown>;
};

export type AlertAction =
  | { kind: 'acknowledge'; note?: string | undefined }
  /** Taken back where it was given: only the provider's people can. */
  | { kind: 'unacknowledge' }
  /** `atLeast`: it was escalated elsewhere, to this level; see `escalation`. */
  | {
      kind: 'escalate';
      severity?: Severity | undefined;
      atLeast?: Severity | undefined;
      note?: string | undefined;
    }
  | { kind: 'assign'; assignedTo: string }
  /** `why` is kept with the audit row; a person's resolve needs none. */
  | { kind: 'resolve'; why?: string | undefined }
  /** Resolves if need be and moves the alert to the archive. */
  | { kind: 'resolve-and-archive'; why?: string | undefined }
  | { kind: 'note'; text: string };

export type ActionResult =
  /** `already`: it was so before, nothing was written. */
  | { ok: true; already: boolean; alertId: string }
  | { ok: false; reason: 'not-found' | 'archived' }
  | { ok: false; reason: 'forbidden'; detail: string };

/** Does one thing to one alert, in a transaction of its own. */
export async function act(
  db: Db,
  alertId: string,
  action: AlertAction,
  actor: Actor,
  now: Date,
): Promise<ActionResult> {
  return db.transaction().execute((tx) => actWithin(tx, alertId, action, actor, now));
}

/** The same inside the caller's transaction. */
export async function actWithin(
  tx: Tx,
  alertId: string,
  action: AlertAction,
  actor: Actor,
  now: Date,
): Promise<ActionResult> {
  const [alert] = await lockByIds(tx, [alertId]);
  if (alert === undefined) return missing(tx, alertId);
  const step = nextStep(alert, action);
  if (step.kind === 'forbidden') return { ok: false, reason: 'forbidden', detail: step.reason };
  if (action.kind === 'resolve-and-archive') return archive(tx, alert, step, action.why, actor, now);
  if (step.kind === 'already') return { ok: true, already: true, alertId };
  const after = applyAction(alert, action, step.status, actor, now);
  await updateAlerts(tx, [after]);
  await audit(tx, [entry(alert, after, action, actor, now)]);
  await enqueue(tx, changedJobs([after]));
  return { ok: true, already: false, alertId };
}

/** Resolves those of these locked alerts that are open, on the set. Whoever calls it tells that they changed. */
export async function resolveLocked(
  tx: Tx,
  alerts: KnownAlert[],
  why: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  await actOnLocked(tx, alerts, { kind: 'resolve', why }, actor, now);
}

/**
 * Does one thing to those of these locked alerts that it changes, on the set, and
 * answers all of them as they are afterwards. Whoever calls it tells that they changed.
 */
export async function actOnLocked(
  tx: Tx,
  alerts: KnownAlert[],
  action: Exclude<AlertAction, { kind: 'resolve-and-archive' }>,
  actor: Actor,
  now: Date,
): Promise<KnownAlert[]> {
  const pairs = alerts.flatMap((before) => {
    const step = nextStep(before, action);
    return step.kind === 'changed'
      ? [{ before, after: applyAction(before, action, step.status, actor, now) }]
      : [];
  });
  await updateAlerts(
    tx,
    pairs.map(({ after }) => after),
  );
  await audit(
    tx,
    pairs.map(({ before, after }) => entry(before, after, action, actor, now)),
  );
  const changed = new Map(pairs.map(({ after }) => [after.id, after]));
  return alerts.map((alert) => changed.get(alert.id) ?? alert);
}

async function missing(tx: Tx, alertId: string): Promise<ActionResult> {
  const archived = await tx
    .selectFrom('alerts_archive')
    .select('id')
    .where('id', '=', alertId)
    .executeTakeFirst();
  return { ok: false, reason: archived === undefined ? 'not-found' : 'archived' };
}

const events = {
  acknowledge: 'acknowledge',
  unacknowledge: 'unacknowledge',
  assign: 'assign',
  resolve: 'resolve',
  'resolve-and-archive': 'resolve',
  note: 'note',
} as const satisfies Record<Exclude<AlertAction['kind'], 'escalate'>, LifecycleEvent>;

function nextStep(alert: KnownAlert, action: AlertAction): Transition {
  if (action.kind === 'escalate') return escalation(alert, action.severity, action.atLeast);
  const step = transition(alert.status, events[action.kind]);
  if (action.kind === 'assign' && step.kind === 'changed' && alert.assignedTo === action.assignedTo) {
    return { kind: 'already' };
  }
  return step;
}

function applyAction(
  alert: KnownAlert,
  action: AlertAction,
  status: KnownAlert['status'],
  actor: Actor,
  now: Date,
): KnownAlert {
  const changed = { ...alert, status, updatedAt: now };
  switch (action.kind) {
    case 'acknowledge':
      return { ...changed, acknowledgedAt: now, acknowledgedBy: actor.userId, receivedAt: now };
    case 'unacknowledge':
      return { ...changed, acknowledgedAt: null, acknowledgedBy: null, receivedAt: now };
    case 'escalate': {
      const step = escalation(alert, action.severity, action.atLeast);
      const severity = step.severity ?? alert.severity;
      // Escalated elsewhere without a level, it goes on following its source's severity.
      const severityPinned =
        alert.severityPinned || action.atLeast === undefined || severity !== alert.severity;
      return { ...changed, severity, severityPinned, receivedAt: now };
    }
    case 'assign':
      return { ...changed, assignedTo: action.assignedTo };
    case 'resolve':
    case 'resolve-and-archive':
      return {
        ...changed,
        resolvedAt: now,
        resolvedBy: actor.userId,
        resolveReceivedAt: now,
        expiresAt: null,
        expiryGuessed: false,
        staleAt: null,
        receivedAt: now,
      };
    case 'note':
      return changed;
    default:
      return action satisfies never;
  }
}

const auditKinds = {
  acknowledge: 'acknowledge',
  unacknowledge: 'unacknowledge',
  escalate: 'escalate',
  assign: 'assign',
  resolve: 'resolve',
  'resolve-and-archive': 'resolve',
  note: 'note',
} as const satisfies Record<AlertAction['kind'], ActionKind>;

function entry(before: KnownAlert, after: KnownAlert, action: AlertAction, actor: Actor, now: Date) {
  const said: Record<string, unknown> = { ...actor.about };
  if ('note' in action && action.note !== undefined) said['note'] = action.note;
  if (action.kind === 'note') said['text'] = action.text;
  if ('why' in action && action.why !== undefined) said['reason'] = action.why;
  if (before.status !== after.status) Object.assign(said, { from: before.status, to: after.status });
  if (before.severity !== after.severity) said['severity'] = { from: before.severity, to: after.severity };
  if (before.assignedTo !== after.assignedTo)
    said['assignedTo'] = { from: before.assignedTo, to: after.assignedTo };
  return {
    alertId: after.id,
    incidentId: after.incidentId,
    action: auditKinds[action.kind],
    userId: actor.userId,
    door: actor.door,
    details: said,
    at: now,
  };
}

async function archive(
  tx: Tx,
  alert: KnownAlert,
  step: Transition,
  why: string | undefined,
  actor: Actor,
  now: Date,
): Promise<ActionResult> {
  const action: AlertAction = { kind: 'resolve-and-archive', why };
  if (step.kind === 'changed') {
    const after = applyAction(alert, action, step.status, actor, now);
    await updateAlerts(tx, [after]);
    await audit(tx, [entry(alert, after, action, actor, now)]);
  }
  await archiveAlerts(tx, [alert.id], why ?? 'deleted by request', now);
  await audit(tx, [
    {
      alertId: alert.id,
      incidentId: alert.incidentId,
      action: 'archive',
      userId: actor.userId,
      door: actor.door,
      details: { ...actor.about, reason: why ?? 'deleted by request' },
      at: now,
    },
  ]);
  await enqueue(tx, changedJobs([alert]));
  return { ok: true, already: false, alertId: alert.id };
}

/**
 * Resolves alerts whose sender's word ran out (`expires_at`), on sets. Answers how
 * many, so that the caller goes on while a full set came back.
 */
export async function resolveExpired(db: Db, now: Date, limit: number): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const expired = await lockExpired(tx, now, limit);
    const after = expired.map((alert) => ({
      ...applyAction(alert, { kind: 'resolve' }, 'resolved', { userId: 'system', door: 'system' }, now),
      resolvedBy: null,
      resolvedAt: alert.expiresAt ?? now,
      // No report ended it, so none can have overtaken its end: the next one reopens it.
      resolveReceivedAt: null,
    }));
    await updateAlerts(tx, after);
    await audit(
      tx,
      expired.map((alert) => ({
        alertId: alert.id,
        incidentId: alert.incidentId,
        action: 'resolve' as const,
        userId: 'system',
        door: 'system' as const,
        at: now,
        details: {
          from: alert.status,
          to: 'resolved',
          reason: `not heard of since ${alert.lastSeenAt.toISOString()}; its source vouched for it until ${alert.expiresAt?.toISOString()}`,
        },
      })),
    );
    await enqueue(tx, changedJobs(after));
    return expired.length;
  });
}
