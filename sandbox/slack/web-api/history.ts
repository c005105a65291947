import { parseTs } from '../ids.ts';
import type { Channel, Message } from '../model.ts';
import { countArg, flagArg, textArg } from './arguments.ts';
import { apiMessage } from './api-shapes.ts';
import { fail, missingScope, ok } from './method.ts';
import type { Answer, Failure, Method, MethodContext } from './method.ts';

const kinds = { public: 'channels', private: 'groups', im: 'im' } as const;
const anyHistory = ['channels:history', 'groups:history', 'im:history', 'mpim:history'];

/**
 * https://docs.slack.dev/reference/methods/conversations.history
 * Newest first. With `oldest` but no `latest` the page is the one next to `oldest`,
 * so that a reader can page forward; otherwise the one next to `latest`.
 */
const history: Method = {
  scopes: anyHistory,
  run: (context) => {
    const { state, args } = context;
    const channel = readableChannel(context);
    if ('error' in channel) return channel;
    const range = readRange(context, 100);
    if ('error' in range) return range;
    const all = state
      .allMessages(channel.id)
      .filter((each) => each.threadTs === null || each.isBroadcast)
      .filter((each) => isWithin(each, range));
    const forward = range.oldestGiven && !range.latestGiven;
    const ordered = forward ? all : all.toReversed();
    const page = takePage(ordered, textArg(args, 'cursor'), range.limit);
    if ('error' in page) return page;
    return listing(context, forward ? page.items.toReversed() : page.items, page.next, { pin_count: 0 });
  },
};

/** https://docs.slack.dev/reference/methods/conversations.replies - oldest first, the parent always in front. */
const replies: Method = {
  scopes: anyHistory,
  run: (context) => {
    const { state, args } = context;
    const channel = readableChannel(context);
    if ('error' in channel) return channel;
    const message = state.findMessage(channel.id, textArg(args, 'ts') ?? '');
    const parent = message?.threadTs ? state.findMessage(channel.id, message.threadTs) : message;
    if (!parent) return fail('thread_not_found');
    const range = readRange(context, 1000);
    if ('error' in range) return range;
    const inRange = state.replies(channel.id, parent.ts).filter((each) => isWithin(each, range));
    const page = takePage(inRange, textArg(args, 'cursor'), range.limit);
    if ('error' in page) return page;
    return listing(context, [parent, ...page.items], page.next);
  },
};

export const historyMethods: Record<string, Method> = {
  'conversations.history': history,
  'conversations.replies': replies,
};

type Range = {
  oldest: number;
  latest: number;
  oldestGiven: boolean;
  latestGiven: boolean;
  inclusive: boolean;
  limit: number;
};

function readableChannel(context: MethodContext): Channel | Failure {
  const { state, args, scopes } = context;
  const channel = state.channels.find((each) => each.id === textArg(args, 'channel'));
  if (!channel || (channel.kind === 'private' && !channel.botIsMember)) return fail('channel_not_found');
  const needed = `${kinds[channel.kind]}:history`;
  if (!scopes.has(needed)) return missingScope(needed, context);
  if (!channel.botIsMember) return fail('not_in_channel');
  return channel;
}

function readRange({ args }: MethodContext, standardLimit: number): Range | Failure {
  const oldest = textArg(args, 'oldest');
  const latest = textArg(args, 'latest');
  const from = oldest === undefined ? 0 : parseTs(oldest);
  const to = latest === undefined ? Number.POSITIVE_INFINITY : parseTs(latest);
  if (from === null) return fail('invalid_ts_oldest');
  if (to === null) return fail('invalid_ts_latest');
  const limit = countArg(args, 'limit', standardLimit, 1000);
  if (limit === null) return fail('invalid_limit');
  const inclusive = flagArg(args, 'inclusive');
  return {
    oldest: from,
    latest: to,
    oldestGiven: from > 0,
    latestGiven: latest !== undefined,
    inclusive,
    limit: Math.min(limit, 999),
  };
}

function isWithin(message: Message, range: Range): boolean {
  const at = parseTs(message.ts) ?? 0;
  if (range.inclusive) return at >= range.oldest && at <= range.latest;
  return at > range.oldest && at < range.latest;
}

/** The cursor names the last message of the page before, so that messages coming in meanwhile move nothing. */
export function takePage<T extends { ts: string }>(
  items: readonly T[],
  cursor: string | undefined,
  limit: number,
): { items: T[]; next: string } | Failure {
  let start = 0;
  if (cursor !== undefined) {
    const last = /^next_ts:(.+)$/.exec(Buffer.from(cursor, 'base64').toString())?.[1];
    const index = items.findIndex((each) => each.ts === last);
    if (index < 0) return fail('invalid_cursor');
    start = index + 1;
  }
  const page = items.slice(start, start + limit);
  const last = page.at(-1);
  const hasMore = start + limit < items.length;
  return { items: page, next: hasMore && last ? Buffer.from(`next_ts:${last.ts}`).toString('base64') : '' };
}

function listing(context: MethodContext, messages: readonly Message[], next: string, more = {}): Answer {
  const allMetadata = flagArg(context.args, 'include_all_metadata');
  return ok({
    messages: messages.map((each) => apiMessage(context.state, each, { allMetadata })),
    has_more: next !== '',
    ...more,
    ...(next !== '' ? { response_metadata: { next_cursor: next } } : {}),
  });
}
