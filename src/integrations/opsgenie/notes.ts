import type { NoteThere, ProviderFailure } from '../../incidents/provider.ts';
import type { OpsgenieClient } from './client.ts';
import { list, record, text, time } from './json.ts';

/** Newest first, one page: what was said lately is among them. The vendor gives no more at once. */
const looked = 100;

/** Whether a thing carries exactly this note. `path` leads to its notes and may have a query. */
export async function findNote(
  client: OpsgenieClient,
  path: string,
  note: string,
  signal: AbortSignal,
): Promise<{ ok: true; found: boolean } | ProviderFailure> {
  const read = await readPage(client, path, signal);
  return read.ok ? { ok: true, found: read.notes.some((one) => one['note'] === note) } : read;
}

/** The newest notes of a thing. @param subject its id. */
export async function listNotes(
  client: OpsgenieClient,
  path: string,
  subject: string,
  signal: AbortSignal,
): Promise<{ ok: true; items: NoteThere[] } | ProviderFailure> {
  const read = await readPage(client, path, signal);
  if (!read.ok) return read;
  const items = read.notes.flatMap((note): NoteThere[] => {
    const words = text(note['note']);
    if (words === null) return [];
    return [{ subject, text: words, author: text(note['owner']), at: time(note['createdAt']) }];
  });
  return { ok: true, items };
}

async function readPage(
  client: OpsgenieClient,
  path: string,
  signal: AbortSignal,
): Promise<{ ok: true; notes: Record<string, unknown>[] } | ProviderFailure> {
  const separator = path.includes('?') ? '&' : '?';
  const answer = await client.call('GET', `${path}${separator}limit=${looked}&order=desc`, undefined, signal);
  return answer.ok ? { ok: true, notes: list(record(answer.body)['data']).map(record) } : answer;
}
