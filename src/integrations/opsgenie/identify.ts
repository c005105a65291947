import type { Identified, ProviderFailure } from '../../incidents/provider.ts';
import type { OpsgenieClient } from './client.ts';
import { ourIncident, pagesFor } from './incident-mark.ts';
import { record } from './json.ts';

/**
 * Whose an alert is. Webhooks may name nothing but its id (Escalate does), or come
 * before we know under which id our incident was opened.
 */
export async function identifyAlert(
  client: OpsgenieClient,
  alertId: string,
  signal: AbortSignal,
): Promise<Identified | ProviderFailure> {
  const alert = await readData(client, `/v2/alerts/${encodeURIComponent(alertId)}?identifierType=id`, signal);
  if (!alert.ok) return alert;
  if (alert.data === null) return nobody;
  return { ok: true, found: true, incidentId: ourIncident(alert.data), externalId: alertId };
}

/** Where incidents are opened an alert only pages for one: the incident carries our mark. */
export async function identifyPagingAlert(
  client: OpsgenieClient,
  alertOrIncidentId: string,
  signal: AbortSignal,
): Promise<Identified | ProviderFailure> {
  const id = encodeURIComponent(alertOrIncidentId);
  const alert = await readData(client, `/v2/alerts/${id}?identifierType=id`, signal);
  if (!alert.ok) return alert;
  // No alert of that id: it may be the incident's own.
  const incidentId = alert.data === null ? alertOrIncidentId : pagesFor(alert.data);
  if (incidentId === null) return { ok: true, found: true, incidentId: null, externalId: null };
  const path = `/v1/incidents/${encodeURIComponent(incidentId)}?identifierType=id`;
  const incident = await readData(client, path, signal);
  if (!incident.ok) return incident;
  if (incident.data === null) return nobody;
  return { ok: true, found: true, incidentId: ourIncident(incident.data), externalId: incidentId };
}

const nobody: Identified = { ok: true, found: false, incidentId: null, externalId: null };

/** Null when it is not there. */
async function readData(
  client: OpsgenieClient,
  path: string,
  signal: AbortSignal,
): Promise<{ ok: true; data: Record<string, unknown> | null } | ProviderFailure> {
  const answer = await client.call('GET', path, undefined, signal);
  if (answer.ok) return { ok: true, data: record(record(answer.body)['data']) };
  return answer.code === '404' ? { ok: true, data: null } : answer;
}
