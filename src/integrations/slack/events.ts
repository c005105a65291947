import * as z from 'zod';
import type { ChatContent } from '../../chat/chat-door.ts';

/** What arrives at the Events API request URL (https://docs.slack.dev/apis/events-api). */
export type SlackEvent =
  /** Slack checks the URL: answer 200 with `{"challenge": …}`. */
  | { kind: 'challenge'; challenge: string }
  /** `eventId` is the same for each delivery of one event. */
  | {
      kind: 'event';
      eventId: string;
      eventType: string;
      teamId: string;
      event: Record<string, unknown>;
      /** As whom we see it; null when Slack does not say. */
      ourUserId: string | null;
      at: Date | null;
    }
  /** Slack held events back because there were too many, from this minute on. */
  | { kind: 'rate-limited'; teamId: string; since: Date | null }
  | { kind: 'ignored'; reason: string }
  /** Not an event at all: answered 400 with the reason. */
  | { kind: 'refused'; reason: string };

const challenge = z.object({ challenge: z.string().min(1) });
const callback = z.object({
  event_id: z.string().min(1),
  // Without it when an app is installed for a whole organisation.
  team_id: z.string().default(''),
  event_time: z.number().optional(),
  event: z.looseObject({ type: z.string() }),
  authorizations: z
    .array(z.object({ user_id: z.string().optional() }))
    .optional()
    .catch(undefined),
});
const rateLimit = z.object({ team_id: z.string().default(''), minute_rate_limited: z.number().optional() });

/** Reads an event: the JSON of the body, or the same as Socket Mode brings it. */
export function parseEvent(content: ChatContent): SlackEvent {
  if (!Buffer.isBuffer(content)) return readEvent(content.payload);
  try {
    return readEvent(JSON.parse(content.toString('utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: 'refused', reason: 'the body is not JSON' };
    throw error;
  }
}

function readEvent(content: unknown): SlackEvent {
  const envelope = z.object({ type: z.string() }).safeParse(content);
  if (!envelope.success) return { kind: 'refused', reason: 'the body has no "type"' };
  switch (envelope.data.type) {
    case 'url_verification': {
      const parsed = challenge.safeParse(content);
      return parsed.success
        ? { kind: 'challenge', challenge: parsed.data.challenge }
        : { kind: 'refused', reason: 'the url_verification has no "challenge"' };
    }
    case 'event_callback': {
      const parsed = callback.safeParse(content);
      if (!parsed.success)
        return { kind: 'refused', reason: `unreadable event: ${z.prettifyError(parsed.error)}` };
      const { event_id, team_id, event_time, event, authorizations } = parsed.data;
      return {
        kind: 'event',
        eventId: event_id,
        eventType: event.type,
        teamId: team_id,
        event,
        ourUserId: authorizations?.[0]?.user_id ?? null,
        at: dateOf(event_time),
      };
    }
    case 'app_rate_limited': {
      const parsed = rateLimit.safeParse(content);
      if (!parsed.success) return { kind: 'refused', reason: 'unreadable app_rate_limited' };
      return {
        kind: 'rate-limited',
        teamId: parsed.data.team_id,
        since: dateOf(parsed.data.minute_rate_limited),
      };
    }
    default:
      return { kind: 'ignored', reason: `nothing here answers ${envelope.data.type.slice(0, 50)}` };
  }
}

/** Events after which a channel may take posts again: https://docs.slack.dev/reference/events */
const channelEvents = new Set([
  'channel_unarchive',
  'group_unarchive',
  'channel_rename',
  'group_rename',
  'channel_id_changed',
  'member_joined_channel',
]);
/** … and after which it may take none any more. */
const lossEvents = new Set([
  'channel_archive',
  'group_archive',
  'channel_deleted',
  'group_deleted',
  'channel_left',
  'group_left',
  'member_left_channel',
]);
const saidUsable = new Set(['channel_unarchive', 'group_unarchive']);

/**
 * What an event says of a channel that may be lost, or may be back; null when it is
 * about something else. Only unarchiving is taken at its word; who joined (we or somebody
 * else), what a channel is called now and what may be lost is looked at.
 * @param ourUserId where it is known, others may leave as they like.
 */
export function channelNewsIn(
  event: Record<string, unknown>,
  ourUserId: string | null = null,
): { channelId: string; usable: boolean; lost?: true } | null {
  const { type } = event;
  if (typeof type !== 'string') return null;
  const isLoss = lossEvents.has(type);
  if (!isLoss && !channelEvents.has(type)) return null;
  if (type === 'member_left_channel' && ourUserId !== null && event['user'] !== ourUserId) return null;
  // channel_rename carries an object, channel_id_changed the ids of before and now.
  const parsed = z
    .object({
      channel: z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]).optional(),
      new_channel_id: z.string().optional(),
    })
    .safeParse(event);
  const channelId = parsed.data?.channel ?? parsed.data?.new_channel_id;
  if (channelId === undefined) return null;
  return { channelId, usable: saidUsable.has(type), ...(isLoss && { lost: true }) };
}

function dateOf(seconds: number | undefined): Date | null {
  return seconds === undefined ? null : new Date(seconds * 1_000);
}
