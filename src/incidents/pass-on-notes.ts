import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable, fromStorableJson } from '../db/text.ts';
import { enqueueCommands, lockIncidents } from './incident-store.ts';

/** Older ones were written before anybody passed them on. */
const passedOnWithinMs = 86_400_000;
/** In one go; what is left goes with the next change. */
const notesAtOnce = 100;

/**
 * Says at the provider what people noted on alerts that have an incident there, each
 * note once: the command carries the id of its row in the audit log. What came from
 * the provider is not said back.
 */
export async function passOnNotes(db: Db, alertIds: string[], now: Date): Promise<void> {
  const waiting = await unsaidNotes(db, alertIds, now);
  if (waiting.length === 0) return;
  await db.transaction().execute(async (tx) => {
    const incidents = await lockIncidents(tx, [...new Set(waiting.map((note) => note.incidentId))]);
    const byId = new Map(incidents.map((incident) => [incident.id, incident]));
    // Again, under the lock: two jobs may have seen the same note.
    const notes = await unsaidNotes(tx, alertIds, now);
    await enqueueCommands(
      tx,
      notes.flatMap(({ noteId, incidentId, text, by }) => {
        const incident = byId.get(incidentId);
        return incident === undefined
          ? []
          : [{ incident, command: { kind: 'add-note' as const, text, noteId }, by }];
      }),
      now,
    );
  });
}

type UnsaidNote = { noteId: string; incidentId: string; text: string; by: string };

async function unsaidNotes(db: Db | Tx, alertIds: string[], now: Date): Promise<UnsaidNote[]> {
  const rows = await sql<{ id: string; incident_id: string; user_id: string; details: unknown }>`
    SELECT a.id, a.incident_id, a.user_id, a.details
    FROM alert_actions a JOIN incidents i ON i.id = a.incident_id
    WHERE a.alert_id = ANY(${alertIds}::uuid[]) AND a.action = 'note' AND i.provider IS NOT NULL
      AND a.created_at > ${new Date(now.getTime() - passedOnWithinMs)} AND a.details->>'noteKey' IS NULL
      AND NOT EXISTS (
        SELECT FROM incident_commands c
        WHERE c.incident_id = a.incident_id AND c.kind = 'add-note' AND c.payload->>'noteId' = a.id::text
      )
    ORDER BY a.created_at, a.id LIMIT ${notesAtOnce}`.execute(db);
  return rows.rows.flatMap((row) => {
    const { text } = fromStorableJson(row.details) as { text?: unknown };
    if (typeof text !== 'string' || text.trim() === '') return [];
    return [{ noteId: row.id, incidentId: row.incident_id, text, by: fromStorable(row.user_id) }];
  });
}
