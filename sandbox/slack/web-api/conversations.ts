import type { Channel } from '../model.ts';
import { countArg, flagArg, textArg } from './arguments.ts';
import { apiChannel } from './api-shapes.ts';
import { fail, missingScope, ok, okWithWarnings } from './method.ts';
import type { Method, MethodContext } from './method.ts';

const kindOfType: Record<string, Channel['kind'] | 'mpim'> = {
  public_channel: 'public',
  private_channel: 'private',
  im: 'im',
  mpim: 'mpim',
};
const scopeOfKind = { public: 'channels:read', private: 'groups:read', im: 'im:read', mpim: 'mpim:read' };
const anyRead = Object.values(scopeOfKind);

function visible(channel: Channel): boolean {
  return channel.kind !== 'private' || channel.botIsMember;
}

function channelById({ state, args }: MethodContext): Channel | undefined {
  return state.channels.find((each) => each.id === textArg(args, 'channel') && visible(each));
}

/** https://docs.slack.dev/reference/methods/conversations.info */
const info: Method = {
  scopes: anyRead,
  run: (context) => {
    const channel = channelById(context);
    if (!channel) return fail('channel_not_found');
    const needed = scopeOfKind[channel.kind];
    if (!context.scopes.has(needed)) return missingScope(needed, context);
    return ok({ channel: apiChannel(context.state, channel) });
  },
};

/** https://docs.slack.dev/reference/methods/conversations.list */
const list: Method = {
  scopes: anyRead,
  run: (context) => {
    const { state, args } = context;
    const types = (textArg(args, 'types') ?? 'public_channel').split(',').map((each) => each.trim());
    const limit = countArg(args, 'limit', 100, 1000);
    if (limit === null) return fail('invalid_limit');
    for (const type of types) {
      const kind = kindOfType[type];
      if (!kind) return fail('invalid_types');
      if (!context.scopes.has(scopeOfKind[kind])) return missingScope(scopeOfKind[kind], context);
    }
    const kinds = types.map((type) => kindOfType[type]);
    const found = state.channels
      .filter((each) => kinds.includes(each.kind) && visible(each))
      .filter((each) => !(each.isArchived && flagArg(args, 'exclude_archived')));
    const cursor = textArg(args, 'cursor');
    const start = cursor === undefined ? 0 : found.findIndex((each) => each.id === decode(cursor));
    if (start < 0) return fail('invalid_cursor');
    const next = found[start + limit];
    return ok({
      channels: found.slice(start, start + limit).map((each) => apiChannel(state, each)),
      response_metadata: { next_cursor: next ? Buffer.from(`channel:${next.id}`).toString('base64') : '' },
    });
  },
};

/** https://docs.slack.dev/reference/methods/conversations.join */
const join: Method = {
  scopes: ['channels:join'],
  run: (context) => {
    const { state, args } = context;
    const channel = state.channels.find((each) => each.id === textArg(args, 'channel'));
    if (!channel || !visible(channel)) return fail('channel_not_found');
    if (channel.kind !== 'public') return fail('method_not_supported_for_channel_type');
    if (channel.isArchived) return fail('is_archived');
    const warnings = channel.botIsMember ? ['already_in_channel'] : [];
    channel.botIsMember = true;
    state.feed.changed();
    return okWithWarnings({ channel: apiChannel(state, channel) }, warnings);
  },
};

/** https://docs.slack.dev/reference/methods/conversations.open - direct messages with one person only. */
const open: Method = {
  scopes: ['im:write'],
  run: (context) => {
    const { state, args } = context;
    const given = textArg(args, 'users');
    if (given === undefined) {
      const channel = channelById(context);
      if (channel?.kind !== 'im')
        return fail(textArg(args, 'channel') ? 'channel_not_found' : 'users_list_not_supplied');
      return ok({ no_op: true, already_open: true, channel: { id: channel.id } });
    }
    const ids = given.split(',').map((each) => each.trim());
    if (ids.length > 1) return missingScope('mpim:write', context);
    const user = state.users.find((each) => each.id === ids[0]);
    if (!user || user.isBot) return fail('user_not_found');
    const { channel, wasOpen } = state.openIm(user);
    const shown = flagArg(args, 'return_im') ? apiChannel(state, channel) : { id: channel.id };
    return ok({ ...(wasOpen ? { no_op: true, already_open: true } : {}), channel: shown });
  },
};

export const conversationMethods: Record<string, Method> = {
  'conversations.info': info,
  'conversations.list': list,
  'conversations.join': join,
  'conversations.open': open,
};

function decode(cursor: string): string {
  return Buffer.from(cursor, 'base64')
    .toString()
    .replace(/^channel:/, '');
}
