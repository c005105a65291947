import type { Alert } from '../alerts/alert.ts';
import { type AlertMatch, matches } from '../alerts/match.ts';
import type { Responder } from './provider.ts';

/** One line of the assignment table: whoever fits is told. */
export type AssignmentRule = AlertMatch & { responders: Responder[] };

/**
 * Who is told of an incident: the first line whose conditions all fit decides. No
 * line fits: nobody is named, and the provider's own routing applies.
 */
export function respondersFor(
  alert: Alert,
  rules: AssignmentRule[],
): { responders: Responder[]; reason: string } {
  const position = rules.findIndex((rule) => matches(alert, rule));
  const rule = rules[position];
  if (rule === undefined) {
    return {
      responders: [],
      reason: 'no line of incidents.assignment fits: the provider decides who is told',
    };
  }
  return { responders: rule.responders, reason: `line ${position + 1} of incidents.assignment fits` };
}
