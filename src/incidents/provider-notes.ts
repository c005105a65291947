import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { audit } from '../alerts/alert-store.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import type { Tx } from '../db/pool.ts';
import { fromStorableJson } from '../db/text.ts';
import type { StoredEvent } from './inbound-events.ts';
import type { Incident } from './incident.ts';
import type { CommandPayload } from './incident-store.ts';
import { actorThere } from './provider-actor.ts';

/**
 * Writes the notes that people left at the provider into the audit log of a locked
 * incident and of the alert it was opened for, each once: however often and by
 * however many of the vendor's integrations it is told. Our own come back as
 * events, too, and are known by their text. Answers how many were new.
 */
export async function takeOverNotes(
  tx: Tx,
  incident: Incident,
  alerts: KnownAlert[],
  events: StoredEvent[],
  provider: string,
  now: Date,
): Promise<number> {
  const notes = events.filter((event) => event.note !== null && event.note.trim() !== '');
  if (notes.length === 0) return 0;
  const said = await notesWeSaid(tx, incident.id);
  const wanted = new Map(
    notes.filter((event) => !isOurs(event, said)).map((event) => [noteKey(event), event]),
  );
  const known = await sql<{ key: string }>`
    SELECT details->>'noteKey' AS key FROM alert_actions
    WHERE incident_id = ${incident.id} AND action = 'note' AND details->>'noteKey' = ANY(${[...wanted.keys()]}::text[])`.execute(
    tx,
  );
  for (const { key } of known.rows) wanted.delete(key);
  // Where it still is: on its message the note is seen by those who work on it.
  const shownOn = alerts.find((alert) => alert.id === incident.primaryAlertId) ?? alerts[0];
  await audit(
    tx,
    [...wanted].map(([key, event]) => ({
      alertId: shownOn?.id ?? null,
      incidentId: incident.id,
      action: 'note' as const,
      ...actorThere(provider, event.actor, 'webhook'),
      details: { text: event.note, provider, noteKey: key, notedAt: event.occurredAt },
      at: now,
    })),
  );
  return wanted.size;
}

/** The same note told twice has the same text, author, thing and time, whatever else the bodies differ in. */
function noteKey(event: StoredEvent): string {
  const parts = [event.subject, event.actor, event.note, event.occurredAt ?? event.id];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22);
}

type SaidNote = { text: string; by: string };

async function notesWeSaid(tx: Tx, incidentId: string): Promise<SaidNote[]> {
  const rows = await tx
    .selectFrom('incident_commands')
    .select(['payload', 'requested_by'])
    .where('incident_id', '=', incidentId)
    .where('kind', 'in', ['add-note', 'close', 'acknowledge'])
    .orderBy('created_at', 'desc')
    .limit(500)
    .execute();
  return rows.flatMap((row) => {
    const payload = fromStorableJson(row.payload) as CommandPayload;
    const text = payload.kind === 'add-note' ? payload.text : 'note' in payload ? (payload.note ?? '') : '';
    return text === '' ? [] : [{ text, by: row.requested_by }];
  });
}

/** The vendor may show the note as it was sent, cut, or with its author in front. A person who types the same words in the vendor's own app is heard. */
function isOurs(event: StoredEvent, said: SaidNote[]): boolean {
  const note = plain(event.note ?? '');
  return said.some(({ text, by }) => {
    const same = [text, `${by}: ${text}`].map(plain).some((ours) => note === ours || isCut(note, ours));
    return same && (event.byApi || event.actor === null || !event.actor.includes('@') || event.actor === by);
  });
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** A long note comes back shorter. */
function isCut(note: string, ours: string): boolean {
  return (
    note.length >= 900 && ours.length > note.length && ours.startsWith(note.replace(/(?:…|\.\.\.)$/, ''))
  );
}
