import * as z from 'zod';
import type { ChannelCheck, NotifyFailure } from '../../notify/notifier.ts';
import { findChannelId } from './find-channel.ts';
import type { SlackConnection } from './slack-call.ts';
import { callSlack } from './slack-call.ts';
import { failure } from './slack-failure.ts';

/** What looking at a channel can tell; other refusals (who may post there) show only when posting. */
const visibleCodes = new Set(['channel_not_found', 'not_in_channel', 'is_archived', 'is_inactive']);

const answered = z.object({
  channel: z.object({
    id: z.string(),
    name: z.string().optional(),
    is_archived: z.boolean().default(false),
    is_member: z.boolean().optional(),
    is_private: z.boolean().default(false),
  }),
});
type Channel = z.infer<typeof answered>['channel'];

/**
 * Looks whether a channel takes posts
 * (https://docs.slack.dev/reference/methods/conversations.info). A channel known by
 * name has to bear that name: posts go to the name. Public ones that refused something are joined.
 */
export async function checkSlackChannel(
  connection: SlackConnection,
  place: { channel: string; channelId: string | null; code: string | null },
  signal: AbortSignal,
): Promise<ChannelCheck | NotifyFailure> {
  const found = await lookUp(connection, place, signal);
  if (!found.ok) {
    if (found.code !== 'channel_not_found') return found;
    return { ok: true, usable: false, channelId: null, code: found.code, detail: found.detail };
  }
  const { channel } = found;
  const refused = (code: string, detail: string): ChannelCheck => ({
    ok: true,
    usable: false,
    channelId: channel.id,
    code,
    detail,
  });
  if (channel.is_archived) {
    return refused(
      'is_archived',
      `${place.channel} is archived: unarchive it, or name another in the settings.`,
    );
  }
  if (place.code !== null && !visibleCodes.has(place.code)) {
    return failure('unavailable', 'cannot_look', `Only a post can tell whether ${place.code} is mended.`);
  }
  if (channel.is_member !== false) return { ok: true, usable: true, channelId: channel.id };
  // Nobody was refused: whether being outside matters shows when something is posted.
  if (place.code === null && !channel.is_private) return { ok: true, usable: true, channelId: channel.id };
  if (channel.is_private) return refused('not_in_channel', `Invite the app to ${place.channel}.`);
  const joined = await callSlack(connection, {
    method: 'conversations.join',
    args: { channel: channel.id },
    signal,
  });
  if (joined.ok) return { ok: true, usable: true, channelId: channel.id };
  // With chat:write.public one need not be a member to post; only a post tells.
  return joined;
}

/** By the id we know, as long as it still has the configured name; else by name. */
async function lookUp(
  connection: SlackConnection,
  { channel, channelId }: { channel: string; channelId: string | null },
  signal: AbortSignal,
): Promise<{ ok: true; channel: Channel } | NotifyFailure> {
  const name = channel.startsWith('#') ? channel.slice(1) : null;
  if (channelId !== null) {
    const known = await info(connection, channelId, signal);
    const isIt =
      known.ok && (name === null || known.channel.name === undefined || known.channel.name === name);
    if (isIt || (!known.ok && known.code !== 'channel_not_found')) return known;
  }
  const place = await findChannelId(connection, channel, signal);
  return place.ok ? info(connection, place.channelId, signal) : place;
}

async function info(
  connection: SlackConnection,
  channelId: string,
  signal: AbortSignal,
): Promise<{ ok: true; channel: Channel } | NotifyFailure> {
  const answer = await callSlack(connection, {
    method: 'conversations.info',
    args: { channel: channelId },
    signal,
  });
  if (!answer.ok) return answer;
  const parsed = answered.safeParse(answer.data);
  if (!parsed.success)
    return failure('unavailable', 'unexpected_answer', 'What Slack says of the channel cannot be read.');
  return { ok: true, channel: parsed.data.channel };
}
