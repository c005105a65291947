import type { OpenIncident } from '../../incidents/provider.ts';
import { messageOf } from './alert-payload.ts';
import { incidentDetail, incidentMark } from './incident-mark.ts';
import { clipDetails, clipTags, clipText, limits, opsgenieResponder } from './limits.ts';
import type { PriorityMap } from './priority.ts';

/**
 * Body of `POST /v1/incidents/create`. Its responders are teams and users only:
 * a schedule or escalation is left out, and the incident's first note says so.
 * https://docs.opsgenie.com/docs/incident-api
 */
export function createIncidentBody(
  incidentId: string,
  incident: OpenIncident,
  context: { priorities: PriorityMap; impactedServices: string[] },
): Record<string, unknown> {
  const allowed = incident.responders.filter(({ type }) => type === 'team' || type === 'user');
  const leftOut = incident.responders.filter((responder) => !allowed.includes(responder));
  return {
    message: messageOf(incidentId, incident),
    description: clipText(incident.description, limits.description),
    responders: allowed
      .flatMap((responder) => opsgenieResponder(responder) ?? [])
      .slice(0, limits.responders),
    // What makes the incident findable: it has no alias.
    tags: clipTags([incidentMark(incidentId)], incident.tags),
    details: clipDetails({ [incidentDetail]: incidentId }, incident.details),
    priority: context.priorities[incident.severity],
    ...(context.impactedServices.length > 0 && { impactedServices: context.impactedServices }),
    ...(leftOut.length > 0 && { note: clipText(leftOutNote(leftOut), limits.note) }),
  };
}

function leftOutNote(leftOut: OpenIncident['responders']): string {
  const names = leftOut.map(({ type, name, id }) => `${type} ${name ?? id ?? ''}`.trim());
  return `Not notified, because an Opsgenie incident takes only teams and users: ${names.join(', ')}`;
}
