import { type Selectable, sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import type { ChannelsTable } from '../db/schema.ts';
import { toStorable } from '../db/text.ts';
import { urgentPriority } from './claim.ts';
import { editLane, lineLane, noticeLane, postLane } from './lanes.ts';
import { ensureBudgets, pauseLane, wakeDispatchers } from './ledger.ts';
import { endNotice, planNotice } from './notice.ts';
import { placeFor, type StandIns, standInFor } from './stand-in.ts';

/**
 * Channels that cannot be posted to: what is known of them is in the database, so
 * that every process acts and answers alike.
 */
export type ChannelState = Selectable<ChannelsTable>;

/** While a channel and its stand-in are both dead, and between looks at a dead one. */
export const probeEveryMs = 60_000;

/** Channels in trouble or just out of it, by name; there are hardly ever any. */
export async function troubledChannels(db: Db | Tx, notifier: string): Promise<Map<string, ChannelState>> {
  const rows = await db
    .selectFrom('channels')
    .selectAll()
    .where('notifier', '=', notifier)
    .where('state', '<>', 'ok')
    .orderBy('channel')
    .execute();
  return new Map(rows.map((row) => [row.channel, row]));
}

export function isDead(states: Map<string, ChannelState>): (channel: string) => boolean {
  return (channel) => states.get(channel)?.state === 'dead';
}

/**
 * The channel takes nothing: it is dead, its messages go to its stand-in,
 * and people are told there, once per outage. One that was thought to recover goes
 * on with the outage it had.
 * @returns true when it was thought alive before.
 */
export async function markDead(
  db: Db,
  died: { notifier: string; channel: string; channelId: string | null; code: string; detail: string },
  standIns: StandIns,
  now: Date,
): Promise<boolean> {
  const { notifier, channel, channelId } = died;
  const code = toStorable(died.code).slice(0, 200);
  const detail = toStorable(died.detail).slice(0, 500);
  return db.transaction().execute(async (tx) => {
    await tx
      .insertInto('channels')
      .values({
        notifier,
        channel,
        state: 'ok',
        channel_id: channelId,
        code,
        detail,
        since: now,
        checked_at: now,
        trial: false,
        outage: 0,
        updated_at: now,
      })
      .onConflict((conflict) => conflict.columns(['notifier', 'channel']).doNothing())
      .execute();
    const known = await tx
      .selectFrom('channels')
      .selectAll()
      .where('notifier', '=', notifier)
      .where('channel', '=', channel)
      .forUpdate()
      .executeTakeFirstOrThrow();
    const isNew = known.state === 'ok';
    const outage = isNew ? known.outage + 1 : known.outage;
    await tx
      .updateTable('channels')
      .set({
        state: 'dead',
        code,
        detail,
        trial: false,
        outage,
        checked_at: now,
        updated_at: now,
        since: isNew ? now : known.since,
        channel_id: known.channel_id ?? channelId,
      })
      .where('notifier', '=', notifier)
      .where('channel', '=', channel)
      .execute();
    if (isNew) {
      const standIn = standInFor(channel, urgentPriority, standIns);
      const where = standIn ?? channel;
      const states = await troubledChannels(tx, notifier);
      const meanwhile =
        standIn === null
          ? 'Its messages wait until that is mended.'
          : states.get(standIn)?.state === 'dead'
            ? `Neither can ${standIn}, which stands in for it: its messages wait until one of them is mended.`
            : 'Its messages come here until that is mended.';
      const text = `${channel} cannot be posted to (${code}). ${meanwhile} ${detail}`;
      await planNotice(
        tx,
        { notifier, channel: where, subject: subjectOfChannel(channel), outage, text },
        now,
      );
    }
    if (known.state !== 'dead') {
      // What should make people look goes to the stand-in as well, and need not wait for its card.
      await sql`
        UPDATE notifications SET due_at = ${now}
        WHERE state = 'due' AND due_at > ${now} AND notifier = ${notifier} AND lane = ${lineLane(channel)}`.execute(
        tx,
      );
      await moveWaiting(tx, notifier, standIns, now);
    }
    return isNew;
  });
}

/**
 * A channel is said to be usable again, or (`proved`) took a message. What waits for
 * it goes to it; what was told in the stand-in stays there.
 */
export async function markUsable(
  db: Db,
  usable: { notifier: string; channel: string; channelId: string | null; proved: boolean },
  standIns: StandIns,
  now: Date,
): Promise<void> {
  const { notifier, channel, channelId, proved } = usable;
  await db.transaction().execute(async (tx) => {
    const known = await tx
      .selectFrom('channels')
      .selectAll()
      .where('notifier', '=', notifier)
      .where('channel', '=', channel)
      .where('state', '<>', 'ok')
      .forUpdate()
      .executeTakeFirst();
    if (known === undefined || (known.state === 'recovering' && !proved)) return;
    await tx
      .updateTable('channels')
      .set({
        state: proved ? 'ok' : 'recovering',
        trial: false,
        checked_at: now,
        updated_at: now,
        channel_id: channelId ?? known.channel_id,
      })
      .where('notifier', '=', notifier)
      .where('channel', '=', channel)
      .execute();
    if (proved) {
      const text = `${channel} could not be posted to (${known.code}) from ${minute(known.since)} to ${minute(now)}. Its messages came here meanwhile.`;
      await endNotice(tx, { notifier, subject: subjectOfChannel(channel), outage: known.outage, text }, now);
    }
    if (known.state === 'dead') {
      await sql`UPDATE send_budgets SET paused_until = NULL WHERE lane = ${postLane(channel)}`.execute(tx);
      await moveWaiting(tx, notifier, standIns, now);
      await sql`
        UPDATE notifications SET due_at = ${now}
        WHERE state = 'due' AND due_at > ${now} AND notifier = ${notifier}
          AND (lane LIKE 'line:%' OR (lane = ${editLane} AND coalesce(sent_to, channel) = ${channel}))`.execute(
        tx,
      );
    }
    await wakeDispatchers(tx);
  });
}

/** Puts every message that waits to be posted into the lane of the place where it goes now; nowhere: it waits for the next look. */
async function moveWaiting(tx: Tx, notifier: string, standIns: StandIns, now: Date): Promise<void> {
  const states = await troubledChannels(tx, notifier);
  const groups = await sql<{ channel: string; lane: string; purpose: string; urgent: boolean }>`
    SELECT DISTINCT channel, lane, purpose, priority <= ${urgentPriority} AS urgent FROM notifications
    WHERE state = 'due' AND notifier = ${notifier} AND message_id IS NULL AND purpose IN ('card', 'notice')`.execute(
    tx,
  );
  for (const { channel, lane, purpose, urgent } of groups.rows) {
    const priority = urgent ? urgentPriority : urgentPriority + 1;
    const place = placeFor({ channel, priority }, isDead(states), standIns);
    const to = purpose === 'card' ? postLane(place ?? channel) : noticeLane(place ?? channel);
    await ensureBudgets(tx, [to], now);
    if (place === null) await pauseLane(tx, to, new Date(now.getTime() + probeEveryMs));
    if (to === lane) continue;
    await sql`
      UPDATE notifications SET lane = ${to}, due_at = least(due_at, ${now})
      WHERE state = 'due' AND notifier = ${notifier} AND message_id IS NULL AND lane = ${lane} AND channel = ${channel}
        AND purpose = ${purpose} AND (priority <= ${urgentPriority}) = ${urgent}`.execute(tx);
  }
  await wakeDispatchers(tx);
}

/** Edits that wait in a place that refuses them all wait for the same: one of them has asked just now. */
export async function postponeEdits(db: Db, notifier: string, channelId: string, until: Date): Promise<void> {
  await sql`
    UPDATE notifications SET due_at = greatest(due_at, ${until})
    WHERE state = 'due' AND lane = ${editLane} AND notifier = ${notifier} AND channel_id = ${channelId}`.execute(
    db,
  );
}

/** Lets one message find out whether a channel can be posted to again. True for the one that may. */
export async function takeTrial(db: Db, notifier: string, channel: string): Promise<boolean> {
  const row = await db
    .updateTable('channels')
    .set({ trial: false })
    .where('notifier', '=', notifier)
    .where('channel', '=', channel)
    .where('state', '=', 'dead')
    .where('trial', '=', true)
    .returning('channel')
    .executeTakeFirst();
  return row !== undefined;
}

/** The vendor's id of a channel, as other messages to it have learned it. */
export async function knownChannelId(db: Db | Tx, notifier: string, channel: string): Promise<string | null> {
  const known = await db
    .selectFrom('notifications')
    .select('channel_id')
    .where('notifier', '=', notifier)
    .where((where) => where(where.fn.coalesce('sent_to', 'channel'), '=', channel))
    .where('channel_id', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return known?.channel_id ?? null;
}

function subjectOfChannel(channel: string): string {
  return `channel:${channel}`;
}

function minute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
