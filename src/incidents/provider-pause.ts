import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';

/** A provider that asked for silence gets it from all processes and all incidents: the pause is in the database. */

export function providerLane(connectionId: string): string {
  return `provider:${connectionId}`;
}

/** Nothing is said or asked before. Null: at once. */
export async function providerPausedUntil(db: Db, connectionId: string, now: Date): Promise<Date | null> {
  const row = await db
    .selectFrom('send_budgets')
    .select('paused_until')
    .where('lane', '=', providerLane(connectionId))
    .where('paused_until', '>', now)
    .executeTakeFirst();
  return row?.paused_until ?? null;
}

/** A longer pause that is under way stays. */
export async function pauseProvider(db: Db, connectionId: string, until: Date, now: Date): Promise<void> {
  await sql`
    INSERT INTO send_budgets (lane, tokens, refilled_at, paused_until) VALUES (${providerLane(connectionId)}, 0, ${now}, ${until})
    ON CONFLICT (lane) DO UPDATE SET paused_until = greatest(send_budgets.paused_until, excluded.paused_until)`.execute(
    db,
  );
}

/** How long a vendor wants to be left alone after 429. Opsgenie counts per minute: that long when it names no period. */
export function pauseMs(failure: { retryAfterMs?: number }): number {
  return Math.max(failure.retryAfterMs ?? 60_000, 1_000);
}
