import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { goneProcesses } from '../db/worker-presence.ts';

/**
 * Takes over messages that a process had in hand which is not there any more: an
 * edit is simply repeated, a post has to be looked for first.
 * @param claimedBefore younger claims are left alone: a send takes up to 10 s, and a process that only
 * lost its connection to the database may be in the middle of one.
 * @returns how many.
 */
export async function takeOverGoneClaims(db: Db, claimedBefore: Date, now: Date): Promise<number> {
  const held = await db
    .selectFrom('notifications')
    .select('claimed_by')
    .distinct()
    .where('state', 'in', ['sending', 'unknown'])
    .where('claimed_at', '<', claimedBefore)
    .where('claimed_by', 'is not', null)
    .execute();
  const gone = await goneProcesses(
    db,
    held.flatMap((row) => row.claimed_by ?? []),
  );
  if (gone.length === 0) return 0;
  const taken = await sql`
    UPDATE notifications
    SET state = CASE WHEN message_id IS NULL THEN 'unknown' ELSE 'due' END,
        attempts = CASE WHEN state = 'sending' AND message_id IS NULL THEN 1 ELSE attempts END,
        claimed_at = NULL, claimed_by = NULL, due_at = ${now}, updated_at = ${now}
    WHERE state IN ('sending', 'unknown') AND claimed_by = ANY(${gone}::text[]) AND claimed_at < ${claimedBefore}`.execute(
    db,
  );
  return Number(taken.numAffectedRows ?? 0);
}
