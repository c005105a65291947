import type { ProviderFailure } from '../../incidents/provider.ts';
import type { OpsgenieClient } from './client.ts';
import { list, record, text, time } from './json.ts';

/** The alert by which Opsgenie pages an incident's owner team; it carries acknowledgement and owner. */
export type OwnerAlert = { id: string; acknowledged: boolean; owner: string | null; updatedAt: Date | null };

/** An incident pages each responder with an alert; beyond these the rest is not looked at. */
const maxAlerts = 10;

/**
 * Finds it among the incident's responder alerts: the one whose details say
 * "Owner", else the first. `alert: null` when the incident has no alerts.
 */
export async function findOwnerAlert(
  client: OpsgenieClient,
  incidentId: string,
  signal: AbortSignal,
): Promise<{ ok: true; alert: OwnerAlert | null } | ProviderFailure> {
  const answer = await client.call(
    'GET',
    `/v1/incidents/${encodeURIComponent(incidentId)}/responder-alert-ids`,
    undefined,
    signal,
  );
  if (!answer.ok) return answer.code === '404' ? { ok: true, alert: null } : answer;
  const ids = list(record(answer.body)['data']).flatMap((id) => text(id) ?? []);
  let first: OwnerAlert | null = null;
  for (const id of ids.slice(0, maxAlerts)) {
    const read = await client.call(
      'GET',
      `/v2/alerts/${encodeURIComponent(id)}?identifierType=id`,
      undefined,
      signal,
    );
    if (!read.ok) {
      if (read.code === '404') continue;
      return read;
    }
    const alert = record(record(read.body)['data']);
    const found: OwnerAlert = {
      id,
      acknowledged: alert['acknowledged'] === true,
      owner: text(alert['owner']),
      updatedAt: time(alert['updatedAt']),
    };
    if (record(alert['details'])['incident-alert-type'] === 'Owner') return { ok: true, alert: found };
    first ??= found;
  }
  return { ok: true, alert: first };
}
