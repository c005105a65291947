import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { type ChannelState, isDead, takeTrial } from './channel-store.ts';
import { channelOfLane, noticeLane, postLane } from './lanes.ts';
import { cardPurpose, type Notification } from './ledger.ts';
import { placeFor, type StandIns } from './stand-in.ts';

/** Where a claimed message that is not posted yet goes. */
export type Place =
  /** As its lane says. */
  | { kind: 'here'; channel: string }
  /** The lane it was claimed from is not that of its place, or no longer. */
  | { kind: 'elsewhere'; lane: string; channel: string; isTrial: boolean }
  /** The place shows a card of the same subject and episode already. */
  | { kind: 'told'; channel: string }
  /** Its channel and its stand-in are dead. */
  | { kind: 'nowhere' };

/** Finds the places of claimed posts, for all of them at once. Nearly always there is no channel in trouble. */
export async function findPlaces(
  db: Db,
  options: { notifier: string; standIns: StandIns; states: Map<string, ChannelState> },
  rows: Notification[],
): Promise<Map<string, Place>> {
  const { states } = options;
  const places = new Map<string, Place>();
  for (const row of rows) places.set(row.id, await placeOf(db, options, states, row));
  const guests = rows.filter((row) => {
    const place = places.get(row.id);
    return row.purpose === cardPurpose && place?.kind === 'here' && place.channel !== row.channel;
  });
  for (const id of await toldAlready(db, guests)) {
    const channel = channelOfLane(guests.find((row) => row.id === id)?.lane ?? '') ?? '';
    places.set(id, { kind: 'told', channel });
  }
  return places;
}

async function placeOf(
  db: Db,
  { notifier, standIns }: { notifier: string; standIns: StandIns },
  states: Map<string, ChannelState>,
  row: Notification,
): Promise<Place> {
  const own = states.get(row.channel);
  const mayTry = own?.state === 'dead' && own.trial && (await takeTrial(db, notifier, row.channel));
  const channel = mayTry ? row.channel : placeFor(row, isDead(states), standIns);
  if (channel === null) return { kind: 'nowhere' };
  if (channelOfLane(row.lane) === channel) return { kind: 'here', channel };
  const lane = row.purpose === cardPurpose ? postLane(channel) : noticeLane(channel);
  return { kind: 'elsewhere', lane, channel, isTrial: mayTry };
}

/**
 * Cards that would come to a stand-in where people are told of the same already: by
 * a card that is there or is about to be.
 */
async function toldAlready(db: Db, guests: Notification[]): Promise<string[]> {
  if (guests.length === 0) return [];
  const rows = await sql<{ id: string }>`
    SELECT g.id FROM unnest(
      ${guests.map((row) => row.id)}::uuid[], ${guests.map((row) => row.subject)}::text[],
      ${guests.map((row) => row.episode)}::integer[], ${guests.map((row) => channelOfLane(row.lane) ?? '')}::text[],
      ${guests.map((row) => row.notifier)}::text[]
    ) AS g (id, subject, episode, place, notifier)
    WHERE EXISTS (
      SELECT FROM notifications n
      WHERE n.subject = g.subject AND n.episode = g.episode AND n.notifier = g.notifier AND n.purpose = ${cardPurpose}
        AND n.id <> g.id AND coalesce(n.sent_to, n.channel) = g.place
        AND (n.message_id IS NOT NULL OR n.state IN ('due', 'sending', 'unknown'))
    )`.execute(db);
  return rows.rows.map((row) => row.id);
}
