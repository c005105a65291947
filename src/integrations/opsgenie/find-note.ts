import type { ProviderFailure } from '../../incidents/provider.ts';
import type { OpsgenieClient } from './client.ts';
import { list, record } from './json.ts';

/** Newest first, one page: a note that was just said is among them. */
const looked = 100;

/** Whether a thing carries exactly this note. `path` leads to its notes and may have a query. */
export async function findNote(
  client: OpsgenieClient,
  path: string,
  note: string,
  signal: AbortSignal,
): Promise<{ ok: true; found: boolean } | ProviderFailure> {
  const separator = path.includes('?') ? '&' : '?';
  const answer = await client.call('GET', `${path}${separator}limit=${looked}&order=desc`, undefined, signal);
  if (!answer.ok) return answer;
  const notes = list(record(answer.body)['data']).map(record);
  return { ok: true, found: notes.some((one) => one['note'] === note) };
}
