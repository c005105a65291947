import { channelOfLane, editLane } from './lanes.ts';
import type { Notification } from './ledger.ts';
import type { FindsPosted } from './notifier.ts';
import { isLine, type NextState, unchanged } from './outcome.ts';
import { urgentPriority } from './claim.ts';

/** Looking once may be too early; not there twice is not there. */
const looksToBeSure = 2;
const lookAgainMs = 3_000;
/** Where looking is not possible the less grave wait for somebody to mend that, ten times so long. */
const parkedMs = 60_000;
const longestParked = 10;

/**
 * What becomes of a message whose posting had an unknown outcome, once it was looked
 * for: adopted where it is, posted again when it surely is not there, and where
 * nobody can tell the gravest are posted again, because a duplicate beats silence.
 * Pure. `null` for the answer: this notifier cannot look.
 */
export function afterLook(
  row: Notification,
  answer: Awaited<ReturnType<FindsPosted['findPosted']>> | null,
): NextState {
  const stay = { ...unchanged(row), state: 'unknown' as const };
  if (answer === null) return postAgain(row, 'it cannot be looked for');
  if (answer.ok && answer.found !== null) {
    const { channelId, messageId } = answer.found;
    const sentTo = channelOfLane(row.lane) ?? row.sent_to;
    const found = { ...unchanged(row), lane: editLane, attempts: 0, channelId, messageId, sentTo };
    // What a card shows is not known: it is edited to the present state. A line says what it says.
    return { ...found, state: isLine(row) ? 'sent' : 'due' };
  }
  if (answer.ok) {
    if (row.attempts >= looksToBeSure) return postAgain(row, 'it was looked for twice and is not there');
    return { ...stay, attempts: row.attempts + 1, delayMs: lookAgainMs };
  }
  const lastError = `${answer.code} ${answer.detail}`.slice(0, 1_000);
  // The thread is gone, and with it whoever read there.
  if (isLine(row) && answer.reason === 'gone') return { ...stay, state: 'superseded', lastError };
  const isBlind = ['channel', 'app', 'auth', 'payload', 'gone'].includes(answer.reason);
  if (isBlind || answer.code === 'history_too_long') {
    const isLost = row.priority <= urgentPriority || row.attempts > longestParked;
    if (isLost) return postAgain(row, `it cannot be looked for: ${answer.code}`);
    return { ...stay, attempts: row.attempts + 1, delayMs: parkedMs, lastError };
  }
  return { ...stay, delayMs: Math.max(answer.retryAfterMs ?? 5_000, 1_000), lastError };
}

/** A line that cannot be found any more is not worth saying twice. */
function postAgain(row: Notification, why: string): NextState {
  return { ...unchanged(row), state: 'due', attempts: 0, lastError: why };
}
