import { type Severity, severities } from '../alerts/alert.ts';
import type { RecordedAction } from '../alerts/alert-queries.ts';
import { isGraver } from '../alerts/lifecycle.ts';
import type { Person } from './message.ts';
import { personOf } from './people.ts';

/** What a line in a card's thread says of one entry of the audit log. Pure. */

/** A line is news for so long; later the card says it. */
export const lineIsNewsForMs = 10 * 60_000;

/** Transitions that people follow; all else is seen on the card. Of updates only those of the severity, see `isTold`. */
export const toldActions = ['acknowledge', 'escalate', 'assign', 'resolve', 'update'] as const;

export function isTold(action: RecordedAction): boolean {
  return action.action !== 'update' || sourceSeverity(action) !== null;
}

export function lineText(action: RecordedAction, people: Map<string, Person>, title: string | null): string {
  const about = title === null ? '' : ` “${title}”`;
  const by = byWhom(action, people);
  const note = typeof action.details['note'] === 'string' ? `: ${action.details['note']}` : '';
  switch (action.action) {
    case 'acknowledge':
      return `Acknowledged${about}${by}${note}`;
    case 'escalate': {
      const severity = changeOf(action.details['severity']);
      const step = severity === null ? '' : ` from ${severity.from} to ${severity.to}`;
      return `Escalated${about}${step}${by}${note}`;
    }
    case 'update': {
      const change = sourceSeverity(action);
      const step = change === null ? '' : ` from ${change.from} to ${change.to}`;
      const way = change !== null && isGraver(change.from, change.to) ? 'lowered' : 'raised';
      return `Severity${about} ${way}${step}${by}`;
    }
    case 'assign': {
      const assigned = changeOf(action.details['assignedTo']);
      const to = assigned === null ? '' : ` to ${personOf(people, assigned.to).name}`;
      return `Assigned${about}${to}${by}`;
    }
    default: {
      const reason = action.details['reason'] ?? action.details['stateReason'];
      const why = typeof reason === 'string' ? `: ${reason}` : '';
      return `Resolved${about}${by}${why}`;
    }
  }
}

/** The people a line names, as the audit log has them. */
export function namedIn(actions: RecordedAction[]): string[] {
  return actions.flatMap((action) => {
    const assigned = changeOf(action.details['assignedTo']);
    return assigned === null ? [action.userId] : [action.userId, assigned.to];
  });
}

/** Shown in the channel as well: what should make somebody look again. */
export function isBroadcast(action: RecordedAction, severity: Severity): boolean {
  const change = action.action === 'update' ? sourceSeverity(action) : null;
  if (change !== null) return isGraver(change.to, change.from);
  return action.action === 'escalate' || severity === 'P0';
}

/** What the source made of the severity in this report; null when it left it. */
function sourceSeverity({ details }: RecordedAction): { from: Severity; to: Severity } | null {
  const named = (value: unknown): Severity | undefined => severities.find((one) => one === value);
  const from = named(details['severityBefore']);
  const to = named(details['severity']);
  return from === undefined || to === undefined || from === to ? null : { from, to };
}

function byWhom(action: RecordedAction, people: Map<string, Person>): string {
  if (action.userId === 'system') return '';
  const source = /^source:(.+)$/.exec(action.userId)?.[1];
  if (source !== undefined) return ` by its source (${source})`;
  const { name } = action.details;
  return ` by ${typeof name === 'string' && name !== '' ? name : personOf(people, action.userId).name}`;
}

function changeOf(value: unknown): { from: string; to: string } | null {
  if (typeof value !== 'object' || value === null) return null;
  const { from, to } = value as Record<string, unknown>;
  return typeof to === 'string' ? { from: typeof from === 'string' ? from : '', to } : null;
}
