import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { newId } from '../lib/ids.ts';
import { lineLane, postLane } from './lanes.ts';
import { addNotifications, cardPurpose, type Notification, wakeDispatchers } from './ledger.ts';

/**
 * Tells in the stand-in what cannot be told in the thread of its card, because that
 * one's channel is dead: a card of the alert comes there, with its buttons, and the
 * line goes into its thread. People see one message: the new card; or, where a card
 * was in the stand-in before, the line, which is then shown in the channel.
 * @returns null when the card there tells it by a line of its own.
 */
export async function moveLine(
  db: Db,
  { line, card, to }: { line: Notification; card: Notification; to: string },
  now: Date,
): Promise<{ lane: string } | null> {
  return db.transaction().execute(async (tx) => {
    const find = async (): Promise<{ id: string; there: boolean; told: boolean } | undefined> => {
      const found = await sql<{ id: string; there: boolean; told: boolean }>`
        SELECT n.id, n.message_id IS NOT NULL AS there,
          EXISTS (SELECT FROM notifications l WHERE l.parent_id = n.id AND l.purpose = ${line.purpose} AND l.id <> ${line.id}) AS told
        FROM notifications n
        WHERE n.subject = ${card.subject} AND n.episode = ${card.episode} AND n.notifier = ${card.notifier}
          AND n.purpose = ${cardPurpose} AND n.id <> ${card.id} AND coalesce(n.sent_to, n.channel) = ${to}
          AND (n.message_id IS NOT NULL OR n.state IN ('due', 'sending', 'unknown'))
        ORDER BY n.id LIMIT 1`.execute(tx);
      return found.rows[0];
    };
    const before = await find();
    if (before === undefined) {
      const reason = `${card.sent_to ?? card.channel} cannot be posted to, and this could not be told there`;
      const { subject, alert_id: alertId, notifier, episode, priority, closed } = card;
      const receivedAt = line.received_at;
      await addNotifications(
        tx,
        [
          {
            id: newId(),
            subject,
            alertId,
            notifier,
            channel: to,
            episode,
            priority,
            closed,
            reason,
            receivedAt,
          },
        ],
        now,
      );
    }
    const there = before ?? (await find());
    if (there === undefined || there.told) return null;
    const lane = lineLane(to);
    await sql`
      UPDATE notifications
      SET parent_id = ${there.id}, lane = ${lane}, content = jsonb_set(content, '{broadcast}', ${there.there ? 'true' : 'false'}::jsonb)
      WHERE id = ${line.id} AND claimed_at = ${line.claimed_at}`.execute(tx);
    await wakeDispatchers(tx, [postLane(to)]);
    return { lane };
  });
}
