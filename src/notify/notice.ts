import { sql } from 'kysely';
import type { Tx } from '../db/pool.ts';
import { toStorableJson } from '../db/text.ts';
import { newId } from '../lib/ids.ts';
import { addTexts, wakeDispatchers } from './ledger.ts';
import { noticeLane } from './lanes.ts';

/** A message that is about no alert but about ourselves: what does not work, and since when. */
export type PlannedNotice = {
  notifier: string;
  channel: string;
  /** What it is about: `channel:#alert-critical`, `breaker:opsgenie`. */
  subject: string;
  /** Which time: people are told once of each. */
  outage: number;
  text: string;
  /** As that of an alert, 0 to 4; 1 when not given. */
  priority?: number;
};

const noticePurpose = 'notice';

/**
 * Tells people something once: a row of the ledger like any other, sent with the
 * same care. Planned again for the same outage it changes nothing.
 */
export async function planNotice(tx: Tx, notice: PlannedNotice, now: Date): Promise<void> {
  const lane = noticeLane(notice.channel);
  const added = await addTexts(
    tx,
    [
      {
        id: newId(),
        subject: notice.subject,
        alertId: null,
        notifier: notice.notifier,
        channel: notice.channel,
        purpose: noticePurpose,
        lane,
        episode: notice.outage,
        priority: notice.priority ?? 1,
        closed: false,
        reason: 'about the service itself',
        receivedAt: now,
        content: { text: notice.text },
        parentId: null,
        expiresAt: null,
      },
    ],
    now,
  );
  if (added > 0) await wakeDispatchers(tx, [lane]);
}

/**
 * Says in the notice of an outage that it is over. One that nobody has seen yet is
 * not sent any more: it would tell of something that is past.
 */
export async function endNotice(
  tx: Tx,
  notice: Pick<PlannedNotice, 'notifier' | 'subject' | 'outage' | 'text'>,
  now: Date,
): Promise<void> {
  await sql`
    UPDATE notifications
    SET content = ${toStorableJson({ text: notice.text })}::jsonb, closed = true, wanted = wanted + 1, updated_at = ${now},
        due_at = CASE WHEN state IN ('sent', 'failed') THEN ${now} ELSE due_at END,
        state = CASE
          WHEN state = 'due' AND message_id IS NULL THEN 'superseded'
          WHEN state IN ('sent', 'failed') THEN 'due' ELSE state END
    WHERE subject = ${notice.subject} AND notifier = ${notice.notifier} AND purpose = ${noticePurpose}
      AND episode = ${notice.outage} AND NOT closed`.execute(tx);
  await wakeDispatchers(tx);
}
