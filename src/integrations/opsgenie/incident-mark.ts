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
export function markedIncident(text: string): string | null {
  return marked.exec(text)?.[1]?.toLowerCase() ?? null;
}
