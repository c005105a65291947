import type { RemovesMessages } from '../../self-watch/canary.ts';
import { callSlack, type SlackConnection } from './slack-call.ts';

/** Deletes messages of our own. @see https://docs.slack.dev/reference/methods/chat.delete */
export function createMessageRemover(connection: SlackConnection): RemovesMessages {
  return {
    async remove({ channelId, messageId }, signal) {
      const args = { channel: channelId, ts: messageId };
      const answer = await callSlack(connection, { method: 'chat.delete', args, signal });
      return answer.ok ? { ok: true } : answer;
    },
  };
}
