import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';

export type QueueAges = {
  /** Seconds; 0 when nothing waits. */
  notificationsOldestSeconds: number;
  incidentCommandsPending: number;
  incidentCommandsOldestSeconds: number;
};

/**
 * How long the oldest of what waits has waited. Lines in threads may wait, and are dropped when they are
 * no news any more: of messages only cards count. One that was never posted waits since it was
 * planned, however often it was tried; one that is edited, since its last turn.
 */
export async function queueAges(db: Db, now: Date): Promise<QueueAges> {
  const row = await sql<{ message: Date | null; count: number; command: Date | null }>`
    SELECT waiting.oldest AS message, commands.count, commands.oldest AS command
    FROM (
      SELECT min(since) AS oldest FROM (
        SELECT CASE WHEN posted_at IS NULL THEN created_at ELSE updated_at END AS since FROM notifications WHERE state = 'due' AND purpose = 'card'
        UNION ALL
        SELECT CASE WHEN posted_at IS NULL THEN created_at ELSE updated_at END FROM notifications WHERE state IN ('sending', 'unknown') AND purpose = 'card'
      ) AS messages
    ) AS waiting, (
      SELECT count(*)::int AS count, min(created_at) AS oldest FROM incident_commands WHERE state IN ('pending', 'accepted', 'unknown')
    ) AS commands`.execute(db);
  const found = row.rows[0] ?? { message: null, count: 0, command: null };
  const age = (since: Date | null): number =>
    since === null ? 0 : Math.max(0, (now.getTime() - since.getTime()) / 1_000);
  return {
    notificationsOldestSeconds: age(found.message),
    incidentCommandsPending: found.count,
    incidentCommandsOldestSeconds: age(found.command),
  };
}
