import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable, toStorable } from '../db/text.ts';

/** When each source whose silence is an alert was last heard of. */

export async function noteHeartbeats(
  tx: Tx,
  beats: { source: string; tenant: string; at: Date }[],
): Promise<void> {
  if (beats.length === 0) return;
  // One row per source: ON CONFLICT cannot touch a row twice in one statement.
  const latest = new Map<string, { source: string; tenant: string; at: Date }>();
  for (const beat of beats) {
    const key = JSON.stringify([beat.source, beat.tenant]);
    const seen = latest.get(key);
    if (seen === undefined || seen.at < beat.at) latest.set(key, beat);
  }
  const rows = [...latest.values()].toSorted((a, b) => (a.source + a.tenant < b.source + b.tenant ? -1 : 1));
  await tx
    .insertInto('source_heartbeats')
    .values(rows.map((row) => ({ source: row.source, tenant: toStorable(row.tenant), last_seen_at: row.at })))
    .onConflict((conflict) =>
      conflict
        .columns(['source', 'tenant'])
        .doUpdateSet({ last_seen_at: sql`greatest(source_heartbeats.last_seen_at, excluded.last_seen_at)` }),
    )
    .execute();
}

/** Starts the watch over a source that has not been heard of yet, so that its silence counts from now. */
export async function expectHeartbeat(db: Db, source: string, now: Date): Promise<void> {
  await sql`
    INSERT INTO source_heartbeats (source, tenant, last_seen_at)
    SELECT ${source}, '', ${now}
    WHERE NOT EXISTS (SELECT FROM source_heartbeats WHERE source = ${source})`.execute(db);
}

export async function heartbeatsOf(db: Db, source: string): Promise<{ tenant: string; lastSeenAt: Date }[]> {
  const rows = await db
    .selectFrom('source_heartbeats')
    .select(['tenant', 'last_seen_at'])
    .where('source', '=', source)
    .execute();
  return rows.map((row) => ({ tenant: fromStorable(row.tenant), lastSeenAt: row.last_seen_at }));
}
