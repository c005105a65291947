import type { Routing } from './route.ts';
import { urgentPriority } from './claim.ts';

/** Who takes the messages of a channel that cannot be posted to. */
export type StandIns = {
  channels: Routing['channels'];
  /** `slack.standIns`: channel to channel, before the rule. */
  standIns: Record<string, string>;
};

/**
 * The stand-in of a channel, or null when there is none but itself. The channel for
 * P0 and P1 and the one for the rest stand in for each other; development goes to
 * the latter, and a channel of a route to whichever fits the message's priority.
 */
export function standInFor(
  channel: string,
  priority: number,
  { channels, standIns }: StandIns,
): string | null {
  const standIn = Object.hasOwn(standIns, channel) ? standIns[channel] : byRule(channel, priority, channels);
  return standIn === undefined || standIn === channel ? null : standIn;
}

function byRule(channel: string, priority: number, channels: Routing['channels']): string {
  if (channel === channels.critical) return channels.default;
  if (channel === channels.default) return channels.critical;
  if (channel === channels.development) return channels.default;
  return priority <= urgentPriority ? channels.critical : channels.default;
}

/** Where a message goes now: its channel, that one's stand-in, or nowhere while both are dead. */
export function placeFor(
  message: { channel: string; priority: number },
  isDead: (channel: string) => boolean,
  standIns: StandIns,
): string | null {
  if (!isDead(message.channel)) return message.channel;
  const standIn = standInFor(message.channel, message.priority, standIns);
  return standIn === null || isDead(standIn) ? null : standIn;
}
