import { type Severity, type Status, severities } from './alert.ts';

/**
 * What may happen to an alert, as a table. Sources fire and resolve (see
 * `apply-signal.ts` for how their reports are matched); people and rules do the
 * rest. `already` is success with nothing to do; `forbidden` is a 409.
 */
export type LifecycleEvent =
  | 'fire'
  | 'acknowledge'
  | 'unacknowledge'
  | 'escalate'
  | 'resolve'
  | 'archive'
  | 'assign'
  | 'note';

type Verdict = Status | 'already' | { forbidden: string };

const resolvedAlready = { forbidden: 'the alert is resolved; it can be acted on again when it fires again' };
const archivedAlready = { forbidden: 'the alert is archived; archived alerts are history and do not change' };

export const lifecycle: Record<LifecycleEvent, Record<Status, Verdict>> = {
  fire: {
    firing: 'already',
    acknowledged: 'already',
    escalated: 'already',
    resolved: 'firing',
    archived: archivedAlready,
  },
  acknowledge: {
    firing: 'acknowledged',
    acknowledged: 'already',
    escalated: 'acknowledged',
    resolved: resolvedAlready,
    archived: archivedAlready,
  },
  unacknowledge: {
    firing: 'already',
    acknowledged: 'firing',
    escalated: 'already',
    resolved: resolvedAlready,
    archived: archivedAlready,
  },
  escalate: {
    firing: 'escalated',
    acknowledged: 'escalated',
    escalated: 'escalated',
    resolved: resolvedAlready,
    archived: archivedAlready,
  },
  resolve: {
    firing: 'resolved',
    acknowledged: 'resolved',
    escalated: 'resolved',
    resolved: 'already',
    archived: 'already',
  },
  archive: {
    firing: { forbidden: 'the alert is still open; resolve it first' },
    acknowledged: { forbidden: 'the alert is still open; resolve it first' },
    escalated: { forbidden: 'the alert is still open; resolve it first' },
    resolved: 'archived',
    archived: 'already',
  },
  assign: {
    firing: 'firing',
    acknowledged: 'acknowledged',
    escalated: 'escalated',
    resolved: resolvedAlready,
    archived: archivedAlready,
  },
  note: {
    firing: 'firing',
    acknowledged: 'acknowledged',
    escalated: 'escalated',
    resolved: 'resolved',
    archived: archivedAlready,
  },
};

export type Transition =
  | { kind: 'changed'; status: Status }
  /** It is so already: success, and nothing is written. */
  | { kind: 'already' }
  | { kind: 'forbidden'; reason: string };

export function transition(status: Status, event: LifecycleEvent): Transition {
  const verdict = lifecycle[event][status];
  if (verdict === 'already') return { kind: 'already' };
  if (typeof verdict === 'object') return { kind: 'forbidden', reason: verdict.forbidden };
  return { kind: 'changed', status: verdict };
}

/** The next graver severity; P0 stays P0. */
export function oneLevelUp(severity: Severity): Severity {
  return severities[Math.max(0, severities.indexOf(severity) - 1)] ?? 'P0';
}

/** True when `a` is graver than `b`. */
export function isGraver(a: Severity, b: Severity): boolean {
  return severities.indexOf(a) < severities.indexOf(b);
}

export function isOpen(status: Status): boolean {
  return status === 'firing' || status === 'acknowledged' || status === 'escalated';
}

/**
 * What an escalation leads to. Without a wish it is one level up; at P0 only the
 * status can still rise. `atLeast` is for an escalation that already happened
 * elsewhere and named its level: the status rises once, the severity to that level
 * when it is graver.
 */
export function escalation(
  alert: { status: Status; severity: Severity },
  wished: Severity | undefined,
  atLeast?: Severity,
): Transition & { severity?: Severity } {
  const step = transition(alert.status, 'escalate');
  if (step.kind !== 'changed') return step;
  if (atLeast !== undefined) {
    const severity = isGraver(atLeast, alert.severity) ? atLeast : alert.severity;
    if (alert.status === 'escalated' && severity === alert.severity) return { kind: 'already' };
    return { kind: 'changed', status: 'escalated', severity };
  }
  const target = wished ?? oneLevelUp(alert.severity);
  if (isGraver(alert.severity, target)) {
    return {
      kind: 'forbidden',
      reason: `escalating cannot lower the severity: the alert is ${alert.severity}, ${target} was asked for`,
    };
  }
  if (target === alert.severity && alert.status === 'escalated') return { kind: 'already' };
  if (target === alert.severity && wished !== undefined && alert.severity !== 'P0')
    return { kind: 'already' };
  return { kind: 'changed', status: 'escalated', severity: target };
}
