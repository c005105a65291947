import * as z from 'zod';
import type { NotifyFailure } from '../../notify/notifier.ts';
import { callSlack } from './slack-call.ts';
import type { SlackConnection } from './slack-call.ts';
import { failure } from './slack-failure.ts';

const pageSize = 1_000;
const maxPages = 20;

const page = z.object({
  channels: z.array(z.object({ id: z.string(), name: z.string().optional() })),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});

/**
 * The id of a channel that is known by name only: Slack posts to a name, but reads
 * by id. An id is answered as it is. Needs `channels:read` and `groups:read`;
 * `channel_not_found` when there is no such channel, or it is private and without us.
 */
export async function findChannelId(
  connection: SlackConnection,
  channel: string,
  signal?: AbortSignal,
): Promise<{ ok: true; channelId: string } | NotifyFailure> {
  if (/^[CDG][A-Z0-9]+$/.test(channel)) return { ok: true, channelId: channel };
  const found = await findByName(connection, channel, 'public_channel,private_channel', signal);
  // Without groups:read Slack lists nothing at all when it is asked for private ones, too.
  if (found.ok || found.code !== 'missing_scope') return found;
  const isPublic = await findByName(connection, channel, 'public_channel', signal);
  return isPublic.ok ? isPublic : found;
}

async function findByName(
  connection: SlackConnection,
  channel: string,
  types: string,
  signal: AbortSignal | undefined,
): Promise<{ ok: true; channelId: string } | NotifyFailure> {
  const name = channel.replace(/^#/, '');
  let cursor = '';
  for (let count = 0; count < maxPages; count += 1) {
    const answer = await callSlack(connection, {
      method: 'conversations.list',
      args: {
        types,
        limit: pageSize,
        ...(cursor === '' ? {} : { cursor }),
      },
      signal,
    });
    if (!answer.ok) return answer;
    const parsed = page.safeParse(answer.data);
    if (!parsed.success)
      return failure('unavailable', 'unexpected_answer', 'The list of channels Slack sent cannot be read.');
    const found = parsed.data.channels.find((one) => one.name === name);
    if (found !== undefined) return { ok: true, channelId: found.id };
    cursor = parsed.data.response_metadata?.next_cursor ?? '';
    if (cursor === '') break;
  }
  return failure('channel', 'channel_not_found', `There is no channel ${channel} that we can see.`);
}
