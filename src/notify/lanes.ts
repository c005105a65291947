/**
 * Lanes: in which queue a message waits. Cards, notices and thread lines of one
 * channel wait apart and draw on the same budget, that of the channel; edits of the
 * whole workspace share one. Lines stand last.
 */

export const editLane = 'edit';

export function postLane(channel: string): string {
  return `post:${channel}`;
}

export function noticeLane(channel: string): string {
  return `notice:${channel}`;
}

export function lineLane(channel: string): string {
  return `line:${channel}`;
}

const posting = /^(?:post|notice|line):/;

/** The channel a message of this lane is posted to; null for edits, which know their place. */
export function channelOfLane(lane: string): string | null {
  return posting.test(lane) ? lane.replace(posting, '') : null;
}

/** Which budget a send of this lane is charged to; the key of `send_budgets`. */
export function budgetOfLane(lane: string): string {
  const channel = channelOfLane(lane);
  return channel === null ? lane : postLane(channel);
}
