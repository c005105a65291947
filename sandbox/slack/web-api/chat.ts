import type { JsonObject } from '../json.ts';
import type { Channel, Message } from '../model.ts';
import { flagArg, textArg } from './arguments.ts';
import { apiMessage } from './api-shapes.ts';
import { readContent, textOfBlocksOnly } from './message-content.ts';
import type { GivenContent } from './message-content.ts';
import { fail, ok, okWithWarnings } from './method.ts';
import type { Failure, Method, MethodContext } from './method.ts';

const mostUpdateText = 4000;
const scopes = ['chat:write'];

/** https://docs.slack.dev/reference/methods/chat.postMessage */
const postMessage: Method = {
  scopes,
  run: (context) => {
    const { state, args } = context;
    const channel = channelToWriteTo(context);
    if ('error' in channel) return channel;
    const content = readContent(args);
    if ('error' in content) return content;
    const { given, warnings } = content;
    if (isEmpty(given)) return fail('no_text');
    noteMissingText(context, 'chat.postMessage', given, warnings);
    const threadTs = textArg(args, 'thread_ts') ?? null;
    if (threadTs !== null) noteStrayReply(context, channel, threadTs);
    const message = state.addMessage({
      channelId: channel.id,
      threadTs,
      isBroadcast: threadTs !== null && flagArg(args, 'reply_broadcast'),
      userId: state.app.botUserId,
      botId: state.app.botId,
      text: given.text ?? textOfBlocksOnly,
      blocks: given.blocks ?? [],
      attachments: given.attachments ?? [],
      metadata: given.metadata ?? null,
    });
    const body = {
      channel: channel.id,
      ts: message.ts,
      message: apiMessage(state, message, { allMetadata: true }),
    };
    return okWithWarnings(body, warnings);
  },
};

/** https://docs.slack.dev/reference/methods/chat.update */
const update: Method = {
  scopes,
  run: (context) => {
    const { state, args } = context;
    const found = ownMessage(context, 'cant_update_message');
    if ('error' in found) return found;
    const { channel, message } = found;
    if (channel.isArchived) return fail('is_inactive');
    const text = textArg(args, 'text');
    if (text !== undefined && text.length > mostUpdateText) return fail('msg_too_long');
    const content = readContent(args);
    if ('error' in content) return content;
    const { given, warnings } = content;
    if (isEmpty(given)) return fail('no_text');
    noteMissingText(context, 'chat.update', given, warnings);
    state.changeMessage(message, {
      text: given.text ?? textOfBlocksOnly,
      // Text without blocks takes the blocks away; attachments and metadata stay unless named.
      blocks: given.blocks ?? [],
      attachments: given.attachments ?? message.attachments,
      metadata: given.metadata === undefined ? message.metadata : given.metadata,
    });
    const shown = apiMessage(state, message, { allMetadata: true });
    return okWithWarnings(
      { channel: channel.id, ts: message.ts, text: message.text, message: shown },
      warnings,
    );
  },
};

/** https://docs.slack.dev/reference/methods/chat.postEphemeral */
const postEphemeral: Method = {
  scopes,
  run: (context) => {
    const { state, args } = context;
    const channel = state.findChannel(textArg(args, 'channel') ?? '');
    if (!channel || (channel.kind === 'private' && !channel.botIsMember)) return fail('channel_not_found');
    if (channel.isArchived) return fail('is_archived');
    if (!channel.botIsMember) return fail('not_in_channel');
    const user = state.users.find((each) => each.id === textArg(args, 'user'));
    if (!user || user.isBot) return fail('user_not_in_channel');
    const content = readContent(args);
    if ('error' in content) return content;
    const { given, warnings } = content;
    if (isEmpty(given)) return fail('no_text');
    noteMissingText(context, 'chat.postEphemeral', given, warnings);
    const ephemeral = state.addEphemeral({
      channelId: channel.id,
      userId: user.id,
      threadTs: textArg(args, 'thread_ts') ?? null,
      text: given.text ?? textOfBlocksOnly,
      blocks: given.blocks ?? [],
      attachments: given.attachments ?? [],
      origin: 'chat.postEphemeral',
    });
    return okWithWarnings({ message_ts: ephemeral.ts }, warnings);
  },
};

/** https://docs.slack.dev/reference/methods/chat.delete */
const remove: Method = {
  scopes,
  run: (context) => {
    const found = ownMessage(context, 'cant_delete_message');
    if ('error' in found) return found;
    context.state.deleteMessage(found.message);
    return ok({ channel: found.channel.id, ts: found.message.ts });
  },
};

/** https://docs.slack.dev/reference/methods/chat.getPermalink */
const getPermalink: Method = {
  scopes: [],
  run: ({ state, args, baseUrl }) => {
    const channel = state.channels.find((each) => each.id === textArg(args, 'channel'));
    if (!channel || (channel.kind === 'private' && !channel.botIsMember)) return fail('channel_not_found');
    const message = state.findMessage(channel.id, textArg(args, 'message_ts') ?? '');
    if (!message) return fail('message_not_found');
    const thread = message.threadTs ? `?thread_ts=${message.threadTs}&cid=${channel.id}` : '';
    const permalink = `${baseUrl}/archives/${channel.id}/p${message.ts.replace('.', '')}${thread}`;
    return ok({ channel: channel.id, permalink });
  },
};

export const chatMethods: Record<string, Method> = {
  'chat.postMessage': postMessage,
  'chat.update': update,
  'chat.postEphemeral': postEphemeral,
  'chat.delete': remove,
  'chat.getPermalink': getPermalink,
};

/** An id, a name with or without '#', or a person's id, which opens the direct message. */
function channelToWriteTo({ state, args, scopes: granted }: MethodContext): Channel | Failure {
  const given = textArg(args, 'channel');
  if (given === undefined) return fail('channel_not_found');
  const user = state.users.find((each) => each.id === given);
  if (user) return user.isBot ? fail('channel_not_found') : state.openIm(user).channel;
  const channel = state.findChannel(given);
  if (!channel || (channel.kind === 'private' && !channel.botIsMember)) return fail('channel_not_found');
  if (channel.isArchived) return fail('is_archived');
  if (!channel.botIsMember && !granted.has('chat:write.public')) return fail('not_in_channel');
  return channel;
}

/** The app's own message, addressed by the channel's id (a name is not enough here) and ts. */
function ownMessage(
  { state, args }: MethodContext,
  notOurs: string,
): { channel: Channel; message: Message } | Failure {
  const channel = state.channels.find((each) => each.id === textArg(args, 'channel'));
  if (!channel || (channel.kind === 'private' && !channel.botIsMember)) return fail('channel_not_found');
  const message = state.findMessage(channel.id, textArg(args, 'ts') ?? '');
  if (!message || message.isTombstone) return fail('message_not_found');
  if (message.botId !== state.app.botId) return fail(notOurs);
  return { channel, message };
}

function isEmpty(given: GivenContent): boolean {
  return given.text === undefined && !given.blocks?.length && !given.attachments?.length;
}

/** Slack takes it, but notifications and screen readers then have nothing to say. */
function noteMissingText(
  context: MethodContext,
  where: string,
  given: GivenContent,
  warnings: string[],
): void {
  if (given.text !== undefined) return;
  warnings.push('missing_text');
  context.state.refuse(
    where,
    'no fallback text',
    'top-level text is missing beside the blocks',
    logged(context.args),
  );
}

/** Slack has no error for it: the reply is taken and shown nowhere sensible. */
function noteStrayReply(context: MethodContext, channel: Channel, threadTs: string): void {
  const parent = context.state.findMessage(channel.id, threadTs);
  if (parent && parent.threadTs === null) return;
  const detail = parent ? 'thread_ts is a reply, not its parent' : 'thread_ts is no message of this channel';
  context.state.refuse('chat.postMessage', 'stray reply', detail, logged(context.args));
}

function logged(args: JsonObject): JsonObject {
  const { token: _token, ...rest } = args;
  return rest;
}
