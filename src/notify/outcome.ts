import { backoffMs } from '../lib/backoff.ts';
import type { Notification } from './ledger.ts';
import { editLane, postLane } from './ledger.ts';
import type { NotifyFailure, NotifyResult } from './notifier.ts';

/** What becomes of a message's row after a send: pure, one case per reason of the port. */
export type NextState = {
  state: 'sent' | 'due' | 'unknown' | 'failed';
  lane: string;
  delayMs: number;
  attempts: number;
  reposts: number;
  channelId: string | null;
  messageId: string | null;
  cardHash: string | null;
  lastError: string | null;
  /** Set while the vendor wants silence: nothing else of the lane goes out either. */
  pauseLaneMs: number | null;
};

/** Vendors that name no period on 429 (Slack always should). */
const rateLimitedMs = 30_000;
/** Settings at the vendor mend slowly: a channel, a token, a scope. */
const misconfiguredMs = 60_000;
/** A held call comes back with the time of the next probe; this is for one that does not. */
const heldMs = 2_000;
/** A message that was posted but whose answer was lost shows up within seconds. */
const lookAfterMs = 3_000;
/** A message somebody deletes is posted anew once; whoever deletes it twice means it. */
const maxReposts = 1;

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
    cardHash: row.card_hash,
    lastError: null,
    pauseLaneMs: null,
  };
}

function afterFailure(row: Notification, failure: NotifyFailure): NextState {
  const lastError = `${failure.reason}: ${failure.code} ${failure.detail}`.slice(0, 1_000);
  const again = { ...keep(row), lastError };
  const soon = Math.max(backoffMs(row.attempts), failure.retryAfterMs ?? 0);
  switch (failure.reason) {
    case 'rate-limited': {
      const pause = Math.max(failure.retryAfterMs ?? rateLimitedMs, 1_000);
      return { ...again, delayMs: pause, pauseLaneMs: pause };
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
    case 'app':
    case 'auth':
      return { ...again, delayMs: misconfiguredMs };
    case 'held':
      return {
        ...again,
        attempts: row.attempts,
        lastError: row.last_error,
        delayMs: failure.retryAfterMs ?? heldMs,
      };
    case 'payload':
      return { ...again, state: 'failed' };
    case 'gone':
      if (row.message_id === null) return { ...again, delayMs: misconfiguredMs };
      return row.reposts >= maxReposts
        ? { ...again, state: 'failed' }
        : {
            ...again,
            reposts: row.reposts + 1,
            lane: postLane(row.channel),
            messageId: null,
            cardHash: null,
          };
    default:
      return failure.reason satisfies never;
  }
}
