import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { longestSpanDays } from './accounts.ts';

/**
 * Notes which tellings rightly get no message of their own where nothing else would
 * show it afterwards, so that the ledger can tell them from lost ones.
 */

/** Of one alert at once; nothing flaps oftener within the time that an account covers. */
const mostOvertaken = 10_000;

/**
 * Nobody to tell is configured: these alerts were worked on, and stay untold. So do
 * their episodes since the last one known of, which were over before anybody looked.
 */
export async function noteNobodyToTell(db: Db, alertIds: string[], now: Date): Promise<void> {
  if (alertIds.length === 0) return;
  await sql`
    INSERT INTO untold_episodes (alert_id, episode, reason, noted_at)
    SELECT a.id, untold.episode, 'no-notifier', ${now} FROM (
      SELECT id, episode FROM alerts_active WHERE id = ANY(${alertIds}::uuid[])
      UNION ALL SELECT id, episode FROM alerts_archive WHERE id = ANY(${alertIds}::uuid[])
    ) AS a
    CROSS JOIN LATERAL (
      SELECT greatest(
        (SELECT max(u.episode) FROM untold_episodes u WHERE u.alert_id = a.id),
        (SELECT max(n.episode) FROM notifications n WHERE n.subject = 'alert:' || a.id AND n.purpose = 'card'),
        a.episode - ${mostOvertaken}::int - 1, 0) AS last
    ) AS known
    CROSS JOIN LATERAL generate_series(least(known.last + 1, a.episode), a.episode) AS untold (episode)
    ON CONFLICT DO NOTHING`.execute(db);
}

/**
 * An alert that ended and fired again before anybody could be told of the first time
 * is told once, as it now is. Asked before the new episode is planned: whatever is
 * missing later was lost. Alerts that share a message count no episodes there.
 */
export async function noteOvertaken(db: Db, alertIds: string[], now: Date): Promise<void> {
  if (alertIds.length === 0) return;
  await sql`
    INSERT INTO untold_episodes (alert_id, episode, reason, noted_at)
    SELECT a.id, earlier.episode, 'overtaken', ${now}
    FROM alerts_active a
    CROSS JOIN LATERAL (
      SELECT coalesce(max(n.episode), 0) AS last FROM notifications n
      WHERE n.subject = 'alert:' || a.id AND n.purpose = 'card'
    ) AS told
    CROSS JOIN LATERAL generate_series(greatest(told.last + 1, a.episode - ${mostOvertaken}::int), a.episode - 1) AS earlier (episode)
    WHERE a.id = ANY(${alertIds}::uuid[]) AND a.episode > 1 AND a.mute IS NULL AND a.fold_key IS NULL
    ON CONFLICT DO NOTHING`.execute(db);
}

/** Beyond the longest span of an account. */
const keptMs = (longestSpanDays + 9) * 86_400_000;

/** Drops what no account asks for any more. */
export async function forgetUntold(db: Db, now: Date): Promise<void> {
  await db
    .deleteFrom('untold_episodes')
    .where('noted_at', '<', new Date(now.getTime() - keptMs))
    .execute();
}
