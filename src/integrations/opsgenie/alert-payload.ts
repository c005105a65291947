import type { OpenIncident, ProviderCommand } from '../../incidents/provider.ts';
import { incidentDetail, incidentMark } from './incident-mark.ts';
import { clipDetails, clipLine, clipTags, clipText, limits, opsgenieResponder } from './limits.ts';
import type { PriorityMap } from './priority.ts';

/** Body of `POST /v2/alerts`. */
export function createAlertBody(
  incidentId: string,
  incident: OpenIncident,
  by: string,
  context: { priorities: PriorityMap; source: string },
): Record<string, unknown> {
  const entity = clipLine(entityOf(incident.details) ?? '', limits.entity);
  return {
    message: messageOf(incidentId, incident),
    alias: incidentMark(incidentId),
    description: clipText(incident.description, limits.description),
    responders: incident.responders
      .flatMap((responder) => opsgenieResponder(responder) ?? [])
      .slice(0, limits.responders),
    tags: clipTags([], incident.tags),
    details: clipDetails({ [incidentDetail]: incidentId }, incident.details),
    ...(entity !== '' && { entity }),
    source: clipLine(incident.source, limits.source) || context.source,
    user: clipLine(by, limits.user),
    priority: context.priorities[incident.severity],
  };
}

/** The one required field: never empty. */
export function messageOf(incidentId: string, incident: OpenIncident): string {
  return clipLine(incident.title, limits.message) || `Incident ${incidentId}`;
}

/** What the alert is about, for Opsgenie's own filters: the most telling label there is. */
function entityOf(details: Record<string, string>): string | undefined {
  return ['service', 'deployment', 'statefulset', 'job', 'pod', 'namespace', 'instance']
    .filter((key) => Object.hasOwn(details, key))
    .map((key) => details[key])
    .find((value) => value !== undefined && value.trim() !== '');
}

export type ActionCommand = Exclude<ProviderCommand, { kind: 'open' }>;

/** Method, last part of the path and body of an action on an alert. */
export function alertAction(
  command: ActionCommand,
  context: { priorities: PriorityMap; source: string },
): { method: 'POST' | 'PUT'; action: string; body: Record<string, unknown> } {
  const actor = { user: clipLine(command.by, limits.user), source: context.source };
  switch (command.kind) {
    case 'acknowledge':
    case 'close':
      return { method: 'POST', action: command.kind, body: { ...actor, ...noteOf(command.note) } };
    case 'assign':
      return { method: 'POST', action: 'assign', body: { ...actor, owner: ownerOf(command.assignee) } };
    case 'set-severity':
      return { method: 'PUT', action: 'priority', body: { priority: context.priorities[command.severity] } };
    case 'add-note':
      return {
        method: 'POST',
        action: 'notes',
        body: { ...actor, note: clipText(command.text, limits.note) },
      };
  }
}

function noteOf(note: string | undefined): { note?: string } {
  return note === undefined || note.trim() === '' ? {} : { note: clipText(note, limits.note) };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Opsgenie's user names are e-mail addresses. */
function ownerOf(assignee: string): { id: string } | { username: string } {
  return uuid.test(assignee) ? { id: assignee } : { username: assignee };
}
