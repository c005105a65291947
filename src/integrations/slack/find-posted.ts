import * as z from 'zod';
import type { NotifyFailure, PostedSearch } from '../../notify/notifier.ts';
import { messageEventType } from './action-ids.ts';
import { findChannelId } from './find-channel.ts';
import { callSlack } from './slack-call.ts';
import type { SlackConnection } from './slack-call.ts';
import { failure } from './slack-failure.ts';

/** How far Slack's clock and ours may be apart. */
const clockSkewMs = 60_000;
const pageSize = 200;
const maxPages = 5;

const page = z.object({
  messages: z.array(
    z.object({
      ts: z.string(),
      metadata: z
        .object({
          event_type: z.string(),
          event_payload: z.object({ notification_id: z.string().optional() }),
        })
        .optional()
        .catch(undefined),
    }),
  ),
  response_metadata: z.object({ next_cursor: z.string().optional() }).optional(),
});

/**
 * Looks through a channel's history, or the replies in a thread, for the message
 * that carries a notification id, after an attempt whose outcome is not known. A
 * reply stands in the history only when it was broadcast. Needs `channels:history` (or
 * `groups:history`) and to be in the channel: `not_in_channel` when not.
 */
export async function findPostedMessage(
  connection: SlackConnection,
  search: PostedSearch,
  signal?: AbortSignal,
): Promise<{ ok: true; found: { channelId: string; messageId: string } | null } | NotifyFailure> {
  const place = await findChannelId(connection, search.channel, signal);
  if (!place.ok) return place;
  const { channelId } = place;
  const { since, until, threadId } = search;
  const range = {
    oldest: timestamp(since.getTime() - clockSkewMs),
    ...(until !== undefined && { latest: timestamp(until.getTime() + clockSkewMs) }),
  };
  let cursor = '';
  for (let count = 0; count < maxPages; count += 1) {
    const answer = await callSlack(connection, {
      method: threadId === undefined ? 'conversations.history' : 'conversations.replies',
      args: {
        channel: channelId,
        ...(threadId !== undefined && { ts: threadId }),
        ...range,
        inclusive: true,
        include_all_metadata: true,
        limit: pageSize,
        ...(cursor === '' ? {} : { cursor }),
      },
      signal,
    });
    if (!answer.ok) return answer;
    const parsed = page.safeParse(answer.data);
    if (!parsed.success)
      return failure('unavailable', 'unexpected_answer', 'The history Slack sent cannot be read.');
    const message = parsed.data.messages.find(
      ({ metadata }) =>
        metadata?.event_type === messageEventType &&
        metadata.event_payload.notification_id === search.notificationId,
    );
    if (message !== undefined) return { ok: true, found: { channelId, messageId: message.ts } };
    cursor = parsed.data.response_metadata?.next_cursor ?? '';
    if (cursor === '') return { ok: true, found: null };
  }
  // Not the same as "not there": whoever asks must not take it as leave to post again.
  return failure('unknown', 'history_too_long', `More than ${pageSize * maxPages} messages since then.`);
}

function timestamp(ms: number): string {
  return (ms / 1_000).toFixed(6);
}
