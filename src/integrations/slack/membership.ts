import type { NotifyFailure } from '../../notify/notifier.ts';
import { findChannelId } from './find-channel.ts';
import type { SlackConnection } from './slack-call.ts';
import { callSlack } from './slack-call.ts';
import { failure } from './slack-failure.ts';

/** How long a try to join holds for: a channel that cannot be joined is not asked for with every message. */
const holdsForMs = 60_000;

/** For all calls of a join: the message waits for it, and its claim does not last for ever. */
const joinTimeoutMs = 5_000;

type Joined = { ok: true } | NotifyFailure;

/**
 * Does what takes being in a channel: where Slack says that we are not, joins it
 * and does it once more. Posting to a public channel takes that without the scope
 * `chat:write.public`, reading its history always. Joining needs `channels:join`,
 * and works for public channels only; when it fails, the first failure stands and
 * says why.
 */
export type AsMember = <Result extends { ok: true } | NotifyFailure>(
  channel: string,
  attempt: () => Promise<Result>,
) => Promise<Result | NotifyFailure>;

export function createMembership(connection: SlackConnection): AsMember {
  const tries = new Map<string, { joined: Promise<Joined>; until: number }>();

  // Several messages to a channel we are not in ask for one join; so none of them can call it off.
  const join = (channel: string): Promise<Joined> => {
    const known = tries.get(channel);
    if (known !== undefined && known.until > performance.now()) return known.joined;
    const joined = joinChannel(connection, channel, AbortSignal.timeout(joinTimeoutMs));
    tries.set(channel, { joined, until: performance.now() + holdsForMs });
    return joined;
  };

  return async (channel, attempt) => {
    const first = await attempt();
    if (first.ok || first.code !== 'not_in_channel') return first;
    const joined = await join(channel);
    if (joined.ok) return attempt();
    return failure(
      first.reason,
      first.code,
      // A missing scope is named, so that whoever reads it knows what to add.
      `${first.detail} It could not be joined either (${joined.code}): ${joined.detail}`,
    );
  };
}

async function joinChannel(
  connection: SlackConnection,
  channel: string,
  signal: AbortSignal,
): Promise<Joined> {
  const place = await findChannelId(connection, channel, signal);
  if (!place.ok) return place;
  const args = { channel: place.channelId };
  const answer = await callSlack(connection, { method: 'conversations.join', args, signal });
  return answer.ok ? { ok: true } : answer;
}
