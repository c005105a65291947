import type { Db } from '../db/pool.ts';

/** The turn of the clock that a moment is in: turns begin at multiples of the interval, in every process alike. */
export function slotAt(now: Date, intervalMs: number): Date {
  return new Date(Math.floor(now.getTime() / intervalMs) * intervalMs);
}

/** True for the first process that asks for this turn, and nobody after it. */
export async function claimSlot(db: Db, name: string, slot: Date): Promise<boolean> {
  const row = await db
    .insertInto('timetable_claims')
    .values({ name, slot_at: slot })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({ slot_at: slot }).where('timetable_claims.slot_at', '<', slot),
    )
    .returning('name')
    .executeTakeFirst();
  return row !== undefined;
}
