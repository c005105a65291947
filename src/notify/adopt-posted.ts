import { sql } from 'kysely';
import { type AlertKey, lockByKeys } from '../alerts/alert-store.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { isOpen } from '../alerts/lifecycle.ts';
import type { Tx } from '../db/pool.ts';
import { toStorableJson } from '../db/text.ts';
import { editLane, postLane } from './lanes.ts';
import { cardPurpose, ensureBudgets, wakeDispatchers } from './ledger.ts';
import { maxReposts } from './outcome.ts';
import { notificationPriority, subjectOf } from './route.ts';

/** A message that was posted, or may have been, before its alert was in the database. */
export type PostedBefore = {
  notificationId: string;
  alert: AlertKey;
  notifier: string;
  channel: string;
  at: Date;
  receivedAt: Date;
  outcome: { state: 'posted'; channelId: string; messageId: string } | { state: 'unknown' };
};

/**
 * Enters such messages into the ledger, so that no second card is posted and theirs
 * comes to the present state: what is known to be there is due for an edit, what is
 * not known is looked for first. Where the alert has its card already theirs is turned
 * into a line that says so. Doing it again changes nothing.
 * @returns how many have no alert to belong to.
 */
export async function adoptPosted(tx: Tx, messages: PostedBefore[], now: Date): Promise<number> {
  if (messages.length === 0) return 0;
  const locked = await lockByKeys(
    tx,
    messages.map((message) => message.alert),
  );
  const alerts = new Map(locked.map(({ alert }) => [keyText(alert), alert]));
  const known = await knownIds(
    tx,
    messages.map((message) => message.notificationId),
  );
  const rows = messages.flatMap((message) => {
    const alert = alerts.get(keyText(message.alert));
    return alert === undefined || known.has(message.notificationId) ? [] : [rowOf(message, alert, now)];
  });
  const placed = await insert(tx, rows);
  // There is a card already, or one is on its way: theirs would stay beside it, so it says that it is none.
  await retire(
    tx,
    rows.filter((row) => !placed.has(row.id) && row.message_id !== null),
  );
  await ensureBudgets(
    tx,
    rows.map((row) => postLane(row.channel)),
    now,
  );
  await wakeDispatchers(tx);
  return messages.filter((message) => !alerts.has(keyText(message.alert))).length;
}

function keyText(key: AlertKey): string {
  return JSON.stringify([key.source, key.tenant, key.fingerprint]);
}

async function knownIds(tx: Tx, ids: string[]): Promise<Set<string>> {
  const rows = await tx
    .selectFrom('notifications')
    .select('id')
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .execute();
  return new Set(rows.map((row) => row.id));
}

const retiredText =
  'This was posted while the database was away. The alert has a message of its own in this channel.';

type Row = ReturnType<typeof rowOf>;

function rowOf(message: PostedBefore, alert: KnownAlert, now: Date) {
  const { outcome } = message;
  const isPosted = outcome.state === 'posted';
  return {
    id: message.notificationId,
    subject: subjectOf(alert),
    alert_id: alert.id,
    notifier: message.notifier,
    channel: message.channel,
    purpose: cardPurpose,
    episode: alert.episode,
    state: isPosted ? ('due' as const) : ('unknown' as const),
    lane: isPosted ? editLane : postLane(message.channel),
    priority: notificationPriority(alert),
    due_at: now,
    attempts: isPosted ? 0 : 1,
    claimed_at: null,
    attempted_at: message.at,
    channel_id: isPosted ? outcome.channelId : null,
    message_id: isPosted ? outcome.messageId : null,
    card_hash: null,
    closed: !isOpen(alert.status),
    reason: 'told while the database was away',
    last_error: null,
    received_at: message.receivedAt,
    created_at: now,
    posted_at: isPosted ? message.at : null,
    updated_at: now,
  };
}

/** Edited once, and never posted anew when somebody has removed it. */
async function retire(tx: Tx, rows: Row[]): Promise<void> {
  if (rows.length === 0) return;
  await tx
    .insertInto('notifications')
    .values(
      rows.map((row) => ({
        ...row,
        purpose: `retired:${row.id}`,
        content: toStorableJson({ text: retiredText }),
        closed: true,
        reposts: maxReposts,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Answers the ids that found a place: their own, or that of a message nobody has begun to post. */
async function insert(tx: Tx, rows: Row[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const placed = await tx
    .insertInto('notifications')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(['subject', 'notifier', 'channel', 'purpose', 'episode'])
        .doUpdateSet({
          id: (eb) => eb.ref('excluded.id'),
          state: (eb) => eb.ref('excluded.state'),
          lane: (eb) => eb.ref('excluded.lane'),
          due_at: (eb) => eb.ref('excluded.due_at'),
          attempts: (eb) => eb.ref('excluded.attempts'),
          attempted_at: (eb) => eb.ref('excluded.attempted_at'),
          channel_id: (eb) => eb.ref('excluded.channel_id'),
          message_id: (eb) => eb.ref('excluded.message_id'),
          posted_at: (eb) => eb.ref('excluded.posted_at'),
          last_error: null,
        })
        .where('notifications.message_id', 'is', null)
        .where('notifications.state', 'in', ['due', 'failed']),
    )
    .returning('id')
    .execute();
  return new Set(placed.map((row) => row.id));
}
