import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { goneProcesses } from '../db/worker-presence.ts';

/**
 * Gives back incidents that a process had in hand which is not there any more, so
 * that their next job need not wait until the claim is old. Calling the provider
 * twice is harmless; see `sync.ts`.
 * @param claimedBefore younger claims are left alone: a process that only lost its connection comes back.
 * @returns how many.
 */
export async function releaseGoneSyncClaims(db: Db, claimedBefore: Date): Promise<number> {
  const held = await db
    .selectFrom('incidents')
    .select('sync_claimed_by')
    .distinct()
    .where('sync_claimed_at', '<', claimedBefore)
    .where('sync_claimed_by', 'is not', null)
    .execute();
  const gone = await goneProcesses(
    db,
    held.flatMap((row) => row.sync_claimed_by ?? []),
  );
  if (gone.length === 0) return 0;
  const released = await db
    .updateTable('incidents')
    .set({ sync_claimed_at: null, sync_claimed_by: null })
    .where('sync_claimed_by', '=', sql<string>`ANY(${gone}::text[])`)
    .where('sync_claimed_at', '<', claimedBefore)
    .executeTakeFirst();
  return Number(released.numUpdatedRows);
}
