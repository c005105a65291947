import { backoffMs } from '../lib/backoff.ts';
import type { Notification } from './ledger.ts';
import { channelOfLane, editLane, postLane } from './lanes.ts';
import type { NotifyFailure, NotifyResult } from './notifier.ts';

/** What becomes of a message's row after a send: pure, one case per reason of the port. */
export type NextState = {
  state: 'sent' | 'due' | 'unknown' | 'failed' | 'superseded';
  lane: string;
  delayMs: number;
  attempts: number;
  reposts: number;
  channelId: string | null;
  messageId: string | null;
  /** Where it was posted, as configured. */
  sentTo: string | null;
  cardHash: string | null;
  lastError: string | null;
  /** Set while the vendor wants silence: nothing else of the lane goes out either, and the row keeps its turn. */
  pauseLaneMs: number | null;
  /** It was refused for its channel: nothing else can be posted there either. Of a post that is sure; after an edit or a line one looks. */
  channelIsDead: boolean;
};

/** Vendors that name no period on 429 (Slack always should). */
const rateLimitedMs = 30_000;
/** Settings at the vendor mend slowly: a channel, a token, a scope. */
const misconfiguredMs = 60_000;
/** An edit that is refused in its place waits longer each time, so often the first wait; its channel's return wakes it. */
const longestMisconfigured = 15;
/** A held call comes back with the time of the next probe; this is for one that does not, and the longest. */
const heldMs = 2_000;
const maxHeldMs = 5_000;
/** A message that was posted but whose answer was lost shows up within seconds. */
const lookAfterMs = 3_000;
/** A message somebody deletes is posted anew once; whoever deletes it twice means it. */
export const maxReposts = 1;

export function afterSend(row: Notification, result: NotifyResult, cardHash: string): NextState {
  if (!result.ok) return afterFailure(row, result);
  return {
    ...keep(row),
    state: 'sent',
    lane: editLane,
    delayMs: 0,
    attempts: 0,
    channelId: result.channelId,
    messageId: result.messageId,
    sentTo: row.message_id === null ? channelOfLane(row.lane) : row.sent_to,
    cardHash,
    lastError: null,
  };
}

function keep(row: Notification): NextState {
  return {
    state: 'due',
    lane: row.lane,
    delayMs: 0,
    attempts: row.attempts + 1,
    reposts: row.reposts,
    channelId: row.channel_id,
    messageId: row.message_id,
    sentTo: row.sent_to,
    cardHash: row.card_hash,
    lastError: null,
    pauseLaneMs: null,
    channelIsDead: false,
  };
}

/** The row as it is, due again at once. */
export function unchanged(row: Notification): NextState {
  return { ...keep(row), attempts: row.attempts, lastError: row.last_error };
}

/** A line belongs to the thread of a card, and is less than it. */
export function isLine(row: Pick<Notification, 'parent_id'>): boolean {
  return row.parent_id !== null;
}

/** What is wrong with the thread, not with the channel. */
const threadCodes = new Set([
  'cannot_reply_to_message',
  'thread_not_found',
  'restricted_action_thread_locked',
  'restricted_action_non_threadable_channel',
  'restricted_action_thread_only_channel',
]);

/** Said of an edit, these are about the channel; others (who may do what there) may be about edits alone. */
const lostPlaceCodes = new Set(['channel_not_found', 'not_in_channel', 'is_archived', 'is_inactive']);

function afterFailure(row: Notification, failure: NotifyFailure): NextState {
  const lastError = `${failure.reason}: ${failure.code} ${failure.detail}`.slice(0, 1_000);
  const again = { ...keep(row), lastError };
  const soon = Math.max(backoffMs(row.attempts), failure.retryAfterMs ?? 0);
  switch (failure.reason) {
    case 'rate-limited': {
      const pause = Math.max(failure.retryAfterMs ?? rateLimitedMs, 1_000);
      return { ...again, delayMs: 0, pauseLaneMs: pause };
    }
    case 'unavailable':
      return { ...again, delayMs: soon };
    case 'unknown':
      // An edit can be repeated; a post may be there, and has to be looked for first. From
      // here on it is the looks that are counted, so what failed before must not count.
      return row.message_id === null
        ? {
            ...again,
            state: 'unknown',
            attempts: 1,
            delayMs: Math.max(lookAfterMs, failure.retryAfterMs ?? 0),
          }
        : { ...again, delayMs: soon };
    case 'channel':
      if (isLine(row) && threadCodes.has(failure.code)) return { ...again, state: 'superseded' };
      if (row.message_id === null) return { ...again, delayMs: misconfiguredMs, channelIsDead: true };
      return {
        ...again,
        delayMs: misconfiguredMs * Math.min(2 ** row.attempts, longestMisconfigured),
        channelIsDead: lostPlaceCodes.has(failure.code),
      };
    case 'app':
    case 'auth':
      return { ...again, delayMs: misconfiguredMs };
    case 'held':
      return {
        ...again,
        attempts: row.attempts,
        lastError: row.last_error,
        pauseLaneMs: Math.min(Math.max(failure.retryAfterMs ?? heldMs, 100), maxHeldMs),
      };
    case 'payload':
      return { ...again, state: 'failed' };
    case 'gone':
      if (isLine(row)) return { ...again, state: 'superseded' };
      if (row.message_id === null) return { ...again, delayMs: misconfiguredMs };
      return row.reposts >= maxReposts
        ? { ...again, state: 'failed' }
        : {
            ...again,
            reposts: row.reposts + 1,
            lane: postLane(row.sent_to ?? row.channel),
            messageId: null,
            cardHash: null,
          };
    default:
      return failure.reason satisfies never;
  }
}
