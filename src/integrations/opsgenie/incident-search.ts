import type { OpenThere, ProviderFailure } from '../../incidents/provider.ts';
import type { OpsgenieClient } from './client.ts';
import { incidentMark, markedIncident } from './incident-mark.ts';
import { list, record, text, time } from './json.ts';

const pageSize = 100;
const maxPages = 3;
/** Every incident of ours also carries this tag, so that one list shows them all. */
const commonTag = 'gomon';
const maxListPages = 10;

/**
 * Finds the incident that carries our tag. The index takes a tag apart into
 * words, so its hits are only candidates: the tag is compared in full. Of two
 * with the same tag the older counts. `incident: null` proves nothing for the
 * first minute: the index lags.
 */
export async function findIncidentByTag(
  client: OpsgenieClient,
  incidentId: string,
  signal: AbortSignal,
): Promise<{ ok: true; incident: Record<string, unknown> | null } | ProviderFailure> {
  const tag = incidentMark(incidentId);
  const hits: Record<string, unknown>[] = [];
  for (let page = 0; page < maxPages; page += 1) {
    const query = new URLSearchParams({
      query: `tag: "${tag}"`,
      limit: String(pageSize),
      offset: String(page * pageSize),
      sort: 'createdAt',
      order: 'asc',
    });
    const answer = await client.call('GET', `/v1/incidents?${query.toString()}`, undefined, signal);
    if (!answer.ok) return answer;
    const { data } = record(answer.body);
    if (!Array.isArray(data))
      return {
        ok: false,
        reason: 'unknown',
        code: 'no-list',
        detail: 'Opsgenie: the search answered no list',
      };
    const incidents = data.map(record);
    hits.push(...incidents.filter((incident) => list(incident['tags']).includes(tag)));
    if (incidents.length < pageSize) return { ok: true, incident: oldest(hits) };
  }
  if (hits.length > 0) return { ok: true, incident: oldest(hits) };
  return {
    ok: false,
    reason: 'unknown',
    code: 'too-many-hits',
    detail: 'Opsgenie: the search for our tag finds too much to look through',
  };
}

function oldest(incidents: Record<string, unknown>[]): Record<string, unknown> | null {
  const byAge = incidents.toSorted((a, b) => createdMs(a) - createdMs(b));
  return byAge[0] ?? null;
}

function createdMs(incident: Record<string, unknown>): number {
  return time(incident['createdAt'])?.getTime() ?? Number.POSITIVE_INFINITY;
}

/**
 * The open incidents that carry a mark of ours, oldest first; at most the oldest
 * thousand. Made for finding two with one mark: what the index does not show yet
 * is found the next time.
 */
export async function listMarked(
  client: OpsgenieClient,
  urlOf: (incident: Record<string, unknown>) => string | null,
  signal: AbortSignal,
): Promise<{ ok: true; items: OpenThere[] } | ProviderFailure> {
  const found: (OpenThere & { createdMs: number })[] = [];
  for (let page = 0; page < maxListPages; page += 1) {
    const query = new URLSearchParams({
      query: `tag: "${commonTag}" AND status: open`,
      limit: String(pageSize),
      offset: String(page * pageSize),
      sort: 'createdAt',
      order: 'asc',
    });
    const answer = await client.call('GET', `/v1/incidents?${query.toString()}`, undefined, signal);
    if (!answer.ok) return answer;
    const incidents = list(record(answer.body)['data']).map(record);
    for (const incident of incidents) {
      const externalId = text(incident['id']);
      if (externalId === null || incident['status'] !== 'open') continue;
      for (const tag of list(incident['tags'])) {
        const incidentId = typeof tag === 'string' ? markedIncident(tag) : null;
        if (incidentId === null) continue;
        found.push({ incidentId, externalId, externalUrl: urlOf(incident), createdMs: createdMs(incident) });
      }
    }
    if (incidents.length < pageSize) break;
  }
  return {
    ok: true,
    items: found
      .toSorted((a, b) => a.createdMs - b.createdMs)
      .map(({ incidentId, externalId, externalUrl }) => ({ incidentId, externalId, externalUrl })),
  };
}
