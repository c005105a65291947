import { sql } from 'kysely';
import { canaryTenant } from '../alerts/canary-alert.ts';
import type { Db } from '../db/pool.ts';
import { newId } from '../lib/ids.ts';
import { addNotifications, wakeDispatchers } from './ledger.ts';

/**
 * The second path for P0 and P1: what the chat has not taken after a while goes to
 * another notifier as well. It is a row of the ledger like any other, one for each
 * message, and comes to its final state like any other.
 */
export type FallbackPath = {
  /** The notifiers by name: whose messages wait, and who carries them. */
  from: string;
  to: string;
  /** A message may wait so long. */
  afterMs: number;
};

/** P0 and P1; see `notificationPriority`. */
const lowestPriority = 1;
const atOnce = 500;

/** It was not tried, because its channel is known to take nothing. */
const placeIsDead = sql<boolean>`EXISTS (
  SELECT FROM channels c
  WHERE c.notifier = n.notifier AND c.channel = coalesce(n.sent_to, n.channel) AND c.state = 'dead')`;

/** The message is there, in a channel that is dead now, and what people should hear of it (an escalation) waits. */
const newsWaits = (before: Date) => sql<boolean>`(${placeIsDead} AND EXISTS (
  SELECT FROM notifications l
  WHERE l.parent_id = n.id AND l.state = 'due' AND l.content ->> 'broadcast' = 'true' AND l.created_at <= ${before}))`;

/**
 * Plans the second path for messages that wait although they were tried or, with
 * `isDown`, cannot be tried. Those that only wait their turn are left alone.
 * @returns how many were planned.
 */
export async function planFallback(db: Db, path: FallbackPath, isDown: boolean, now: Date): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const waiting = await tx
      .selectFrom('notifications as n')
      .select([
        'n.subject',
        'n.alert_id',
        'n.episode',
        'n.priority',
        'n.channel',
        'n.last_error',
        'n.received_at',
      ])
      .where('n.notifier', '=', path.from)
      .where('n.purpose', '=', 'card')
      .where('n.state', 'in', ['due', 'sending', 'unknown'])
      .where(sql<boolean>`(n.message_id IS NULL OR ${newsWaits(new Date(now.getTime() - path.afterMs))})`)
      .where('n.closed', '=', false)
      .where('n.priority', '<=', lowestPriority)
      .where('n.created_at', '<=', new Date(now.getTime() - path.afterMs))
      .$if(!isDown, (query) => query.where(sql<boolean>`(n.last_error IS NOT NULL OR ${placeIsDead})`))
      .where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom('notifications as other')
              .select('other.id')
              .whereRef('other.subject', '=', 'n.subject')
              .whereRef('other.episode', '=', 'n.episode')
              .where('other.notifier', '=', path.to),
          ),
        ),
      )
      // Our own test alerts measure the first path, and page nobody by the second.
      .where(
        sql<boolean>`NOT EXISTS (SELECT FROM alerts_active a WHERE a.id = n.alert_id AND a.source = 'api' AND a.tenant = ${canaryTenant})`,
      )
      .orderBy('n.priority')
      .orderBy('n.created_at')
      .limit(atOnce)
      .execute();
    await addNotifications(
      tx,
      waiting.map((row) => ({
        id: newId(),
        subject: row.subject,
        alertId: row.alert_id,
        notifier: path.to,
        channel: path.to,
        episode: row.episode,
        priority: row.priority,
        closed: false,
        reason: `${path.from} has not taken it for ${row.channel}: ${row.last_error ?? 'it is down'}`.slice(
          0,
          500,
        ),
        receivedAt: row.received_at,
      })),
      now,
    );
    if (waiting.length > 0) await wakeDispatchers(tx);
    return waiting.length;
  });
}
