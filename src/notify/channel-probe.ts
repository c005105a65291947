import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import type { DispatchEvent } from '../observability/events.ts';
import { type ChannelState, markDead, markUsable, probeEveryMs, troubledChannels } from './channel-store.ts';
import { postLane } from './lanes.ts';
import { cardPurpose, wakeDispatchers } from './ledger.ts';
import type { ChannelCheck, ChecksChannels, Notifier, NotifyFailure } from './notifier.ts';
import type { StandIns } from './stand-in.ts';

export type ProbeDependencies = {
  db: Db;
  notifier: Notifier & Partial<ChecksChannels>;
  standIns: StandIns;
  clock: Clock;
  observe: (event: DispatchEvent) => void;
};

/** What the vendor says of a place by itself. */
export type ChannelNews = {
  channelId: string;
  /** False: something about it changed, which may or may not have mended it. */
  usable: boolean;
  /** Something that may have cost us the place. */
  lost?: boolean;
};

const atOnce = 20;
const checkTimeoutMs = 10_000;

/**
 * Looks at dead channels again, each once a minute, whichever process does it. One
 * that is usable takes its messages back. Where looking does not tell, the next
 * message that waits may try.
 */
export async function probeChannels(deps: ProbeDependencies, signal: AbortSignal): Promise<void> {
  const before = new Date(deps.clock.now().getTime() - probeEveryMs);
  await probe(deps, (row) => row.checked_at === null || row.checked_at <= before, null, signal);
}

/**
 * The vendor says that something became of a place. Where it may be well again, what
 * waits there goes at once and dead channels are looked at now; where it may be lost,
 * it is looked at before anything has to be refused.
 */
export async function channelNews(
  deps: ProbeDependencies,
  news: ChannelNews,
  signal: AbortSignal,
): Promise<void> {
  if (news.lost === true) return lookAtLost(deps, news.channelId, signal);
  // First, so that what is accepted afterwards shows that it is well.
  await probe(deps, () => true, news, signal);
  const now = deps.clock.now();
  await sql`
    UPDATE notifications n SET due_at = ${now}
    WHERE n.state = 'due' AND n.due_at > ${now} AND n.notifier = ${deps.notifier.name}
      AND (n.channel_id = ${news.channelId} OR EXISTS (
        SELECT FROM notifications card WHERE card.id = n.parent_id AND card.channel_id = ${news.channelId}
      ))`.execute(deps.db);
  await wakeDispatchers(deps.db);
}

/** Only where we post to by rule, or where a card is open: nobody is told of a channel that is not used any more. */
async function lookAtLost(deps: ProbeDependencies, channelId: string, signal: AbortSignal): Promise<void> {
  const { db, notifier, standIns, clock, observe } = deps;
  const { channels, standIns: byName } = standIns;
  const configured = [...Object.values(channels), ...Object.keys(byName), ...Object.values(byName)];
  const places = await sql<{ channel: string }>`
    SELECT coalesce(sent_to, channel) AS channel FROM notifications
    WHERE notifier = ${notifier.name} AND channel_id = ${channelId} AND message_id IS NOT NULL
    GROUP BY 1
    HAVING coalesce(sent_to, channel) = ANY(${configured}::text[]) OR bool_or(purpose = ${cardPurpose} AND NOT closed)
    LIMIT ${atOnce}`.execute(db);
  const states = await troubledChannels(db, notifier.name);
  for (const { channel } of places.rows) {
    if (states.get(channel)?.state === 'dead') continue;
    const found = await check(deps, { channel, channel_id: channelId, code: null }, signal);
    if (!found.ok || found.usable) continue;
    const { code, detail } = found;
    const died = { notifier: notifier.name, channel, channelId, code, detail };
    const isNew = await markDead(db, died, standIns, clock.now());
    if (isNew) observe({ kind: 'channel', channel, state: 'dead', code, detail });
  }
}

async function probe(
  deps: ProbeDependencies,
  isDue: (row: ChannelState) => boolean,
  news: ChannelNews | null,
  signal: AbortSignal,
): Promise<void> {
  const { db, notifier, clock } = deps;
  const dead = await db
    .selectFrom('channels')
    .selectAll()
    .where('notifier', '=', notifier.name)
    .where('state', '=', 'dead')
    .orderBy('checked_at')
    .limit(atOnce)
    .execute();
  for (const row of dead.filter(isDue)) {
    // Whoever writes the time first looks; the others find it written.
    const mine = await sql`
      UPDATE channels SET checked_at = ${clock.now()}
      WHERE notifier = ${row.notifier} AND channel = ${row.channel} AND state = 'dead'
        AND checked_at IS NOT DISTINCT FROM ${row.checked_at} RETURNING channel`.execute(db);
    if (mine.rows.length === 0) continue;
    await learn(deps, row, await check(deps, row, signal), news);
  }
}

async function check(
  deps: ProbeDependencies,
  {
    channel,
    channel_id: channelId,
    code,
  }: Pick<ChannelState, 'channel' | 'channel_id'> & { code: string | null },
  signal: AbortSignal,
): Promise<ChannelCheck | NotifyFailure> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(checkTimeoutMs)]);
  return (
    (await deps.notifier.checkChannel?.({ channel, channelId, code }, patience)) ?? {
      ok: false,
      reason: 'unavailable',
      code: 'cannot_look',
      detail: 'It cannot be looked at.',
    }
  );
}

async function learn(
  deps: ProbeDependencies,
  row: ChannelState,
  found: ChannelCheck | NotifyFailure,
  news: ChannelNews | null,
): Promise<void> {
  const { db, standIns, clock, observe } = deps;
  const { notifier, channel } = row;
  const now = clock.now();
  const isSaid = news !== null && news.usable && news.channelId === row.channel_id;
  if (found.ok && !found.usable) {
    await db
      .updateTable('channels')
      .set({ code: found.code.slice(0, 200), detail: found.detail.slice(0, 500), updated_at: now })
      .where('notifier', '=', notifier)
      .where('channel', '=', channel)
      .where('state', '=', 'dead')
      .execute();
    return;
  }
  if (found.ok || isSaid) {
    const channelId = found.ok ? found.channelId : row.channel_id;
    await markUsable(db, { notifier, channel, channelId, proved: false }, standIns, now);
    observe({ kind: 'channel', channel, state: 'usable', code: row.code, detail: 'it is used again' });
    return;
  }
  await db
    .updateTable('channels')
    .set({ trial: true, updated_at: now })
    .where('notifier', '=', notifier)
    .where('channel', '=', channel)
    .where('state', '=', 'dead')
    .execute();
  await sql`UPDATE send_budgets SET paused_until = NULL WHERE lane = ${postLane(channel)}`.execute(db);
  await wakeDispatchers(db);
}
