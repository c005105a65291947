import { list, record, text } from './json.ts';

/**
 * How one of our incidents is recognised at Opsgenie: as the alias of its
 * alert, or as a tag of its incident (which has no alias). 42 characters, within
 * both limits, and nothing in it needs encoding in a path.
 */
export function incidentMark(incidentId: string): string {
  return `gomon-${incidentId}`;
}

/** Key of the same id in an alert's or incident's details. */
export const incidentDetail = 'gomonIncidentId';

const marked = /^gomon-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i;

/** The incident id in an alias or tag; null when it is not one of ours. */
export function markedIncident(mark: string): string | null {
  return marked.exec(mark)?.[1]?.toLowerCase() ?? null;
}

/**
 * The incident id that a thing of Opsgenie's carries, from alias, details or tags
 * as any of its bodies show them; null when it is none of ours.
 */
export function ourIncident(thing: Record<string, unknown>): string | null {
  const details = { ...record(thing['extraProperties']), ...record(thing['details']) };
  const detail = text(details[incidentDetail]);
  const marks = [thing['alias'], detail === null ? null : `gomon-${detail}`, ...list(thing['tags'])];
  for (const mark of marks) {
    const incidentId = typeof mark === 'string' ? markedIncident(mark) : null;
    if (incidentId !== null) return incidentId;
  }
  return null;
}

const pagingAlias = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_[0-9a-f-]{36}$/i;

/**
 * The Opsgenie incident that an alert pages for: in its details, or, where a
 * webhook leaves them out, in front of its alias (`<incident id>_<uuid>`).
 */
export function pagesFor(alert: Record<string, unknown>): string | null {
  const detail = text(record(alert['details'])['incident-id']);
  return detail ?? pagingAlias.exec(text(alert['alias']) ?? '')?.[1] ?? null;
}
