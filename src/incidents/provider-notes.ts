import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { audit } from '../alerts/alert-store.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { changedJobs } from '../alerts/changed.ts';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable, fromStorableJson } from '../db/text.ts';
import { enqueue } from '../jobs/enqueue.ts';
import type { StoredEvent } from './inbound-events.ts';
import type { Incident } from './incident.ts';
import type { CommandPayload } from './incident-store.ts';
import { lockWithAlerts } from './lock-with-alerts.ts';
import type { NoteThere } from './provider.ts';
import { actorThere } from './provider-actor.ts';

/** A note that somebody left at the provider, as an event told it. */
type ToldNote = Pick<StoredEvent, 'id' | 'subject' | 'actor' | 'note' | 'occurredAt' | 'byApi'>;

/**
 * Writes the notes that people left at the provider into the audit log of an
 * incident and of the alert it was opened for, each once: however often and by
 * however many of the vendor's integrations it is told, and whether an event told it
 * or it was found there. Our own come back, too, and are known by their text.
 * Answers how many were new.
 * @param how `webhook`: events told them; `system`: they were read there.
 */
export async function takeOverNotes(
  db: Db,
  incidentId: string,
  notes: ToldNote[],
  how: 'webhook' | 'system',
  provider: string,
  now: Date,
): Promise<number> {
  const wanted = notes.filter((one) => one.note !== null && one.note.trim() !== '');
  if (wanted.length === 0) return 0;
  return db.transaction().execute(async (tx) => {
    const { incidents, alerts } = await lockWithAlerts(tx, [incidentId]);
    const [incident] = incidents;
    if (incident === undefined) return 0;
    const taken = await takeOverLocked(tx, incident, alerts, wanted, how, provider, now);
    if (taken > 0) await enqueue(tx, changedJobs(alerts));
    return taken;
  });
}

/** What was found there is read from the newest on; it is told as it was written. */
export function toldBy(notes: NoteThere[]): ToldNote[] {
  return notes
    .map(({ subject, text, author, at }) => ({
      id: '',
      subject,
      actor: author,
      note: text,
      occurredAt: at?.toISOString() ?? null,
      byApi: false,
    }))
    .toReversed();
}

async function takeOverLocked(
  tx: Tx,
  incident: Incident,
  alerts: KnownAlert[],
  notes: ToldNote[],
  how: 'webhook' | 'system',
  provider: string,
  now: Date,
): Promise<number> {
  const said = await notesWeSaid(tx, incident.id);
  const known = await notesWeHave(tx, incident.id);
  const isNew = (note: ToldNote): boolean =>
    !isOurs(note, said) && !known.some((one) => isSame(note, one, how, provider));
  const wanted = new Map(notes.filter(isNew).map((note) => [noteKey(note), note]));
  // Where it still is: on its message the note is seen by those who work on it.
  const shownOn = alerts.find((alert) => alert.id === incident.primaryAlertId) ?? alerts[0];
  await audit(
    tx,
    [...wanted].map(([key, { note, actor, occurredAt }]) => ({
      alertId: shownOn?.id ?? null,
      incidentId: incident.id,
      action: 'note' as const,
      ...actorThere(provider, actor, how),
      details: { text: note, provider, noteKey: key, notedAt: occurredAt },
      at: now,
    })),
  );
  return wanted.size;
}

/** The same note told twice has the same text, author, thing and time, whatever else the bodies differ in. */
function noteKey(note: ToldNote): string {
  const parts = [note.subject, note.actor, note.note, note.occurredAt ?? note.id];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22);
}

type KnownNote = { key: string; text: string; by: string; at: Date | null; how: string };

async function notesWeHave(tx: Tx, incidentId: string): Promise<KnownNote[]> {
  const rows = await sql<{ details: unknown; user_id: string; source: string }>`
    SELECT details, user_id, source FROM alert_actions
    WHERE incident_id = ${incidentId} AND action = 'note' AND details->>'noteKey' IS NOT NULL
    ORDER BY created_at DESC LIMIT 1000`.execute(tx);
  return rows.rows.map((row) => {
    const { noteKey: key, text, notedAt } = fromStorableJson(row.details) as Record<string, unknown>;
    return {
      key: String(key),
      text: String(text),
      by: fromStorable(row.user_id),
      at: typeof notedAt === 'string' ? new Date(notedAt) : null,
      how: row.source,
    };
  });
}

/** An event names the time of the change, the list that of the note. */
const sameWithinMs = 60_000;

function isSame(note: ToldNote, known: KnownNote, how: 'webhook' | 'system', provider: string): boolean {
  if (noteKey(note) === known.key) return true;
  // Told twice by events they are told alike: these are two.
  if (how === 'webhook' && known.how === 'webhook') return false;
  if (plain(note.note ?? '') !== plain(known.text)) return false;
  if (actorThere(provider, note.actor, how).userId !== known.by) return false;
  if (note.occurredAt === null || known.at === null) return true;
  return Math.abs(new Date(note.occurredAt).getTime() - known.at.getTime()) <= sameWithinMs;
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
    return text === '' && payload.kind === 'add-note' ? [] : [{ text, by: fromStorable(row.requested_by) }];
  });
}

/** The vendor may show the note as it was sent, cut, or with its author in front, and where nothing was said only who did it. A person who types the same words in the vendor's own app is heard. */
function isOurs(event: ToldNote, said: SaidNote[]): boolean {
  const note = plain(event.note ?? '');
  return said.some(({ text, by }) => {
    const same = [text, `${by}: ${text}`, `by ${by}`]
      .map(plain)
      .some((ours) => note === ours || isCut(note, ours));
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
