import type { JsonObject } from '../json.ts';
import type { Channel, Message, User, View } from '../model.ts';
import type { SlackState } from '../state.ts';

/** How Slack writes things into its answers and payloads. */

export function apiMessage(
  state: SlackState,
  message: Message,
  options: { allMetadata: boolean },
): JsonObject {
  const { app } = state;
  const replies = message.threadTs === null ? state.replies(message.channelId, message.ts) : [];
  const parent =
    message.threadTs === null ? undefined : state.findMessage(message.channelId, message.threadTs);
  const metadata =
    message.metadata &&
    (options.allMetadata ? message.metadata : { event_type: message.metadata['event_type'] });
  const subtype = message.isTombstone ? 'tombstone' : message.isBroadcast ? 'thread_broadcast' : null;
  return {
    ...(subtype ? { subtype } : {}),
    type: 'message',
    user: message.isTombstone ? 'USLACKBOT' : message.userId,
    ts: message.ts,
    ...(message.botId && !message.isTombstone ? botFields(state) : {}),
    text: message.text,
    team: app.teamId,
    ...(message.threadTs ? { thread_ts: message.threadTs } : {}),
    ...(parent ? { parent_user_id: parent.userId } : {}),
    ...(replies.length > 0 ? threadFields(message, replies) : {}),
    ...(message.showsEdited ? { edited: { user: message.userId, ts: message.ts } } : {}),
    ...(message.blocks.length > 0 ? { blocks: message.blocks } : {}),
    ...(message.attachments.length > 0 ? { attachments: message.attachments } : {}),
    ...(metadata ? { metadata } : {}),
    ...(message.reactions.length > 0
      ? { reactions: message.reactions.map((each) => ({ ...each, count: each.users.length })) }
      : {}),
  };
}

function botFields({ app }: SlackState): JsonObject {
  return {
    bot_id: app.botId,
    app_id: app.appId,
    bot_profile: { id: app.botId, app_id: app.appId, name: app.botName, deleted: false, team_id: app.teamId },
  };
}

function threadFields(message: Message, replies: readonly Message[]): JsonObject {
  const users = [...new Set(replies.map((reply) => reply.userId))];
  return {
    thread_ts: message.ts,
    reply_count: replies.length,
    reply_users_count: users.length,
    reply_users: users,
    latest_reply: replies.at(-1)?.ts ?? message.ts,
    subscribed: false,
  };
}

export function apiChannel(state: SlackState, channel: Channel): JsonObject {
  if (channel.kind === 'im') {
    return {
      id: channel.id,
      created: 1_700_000_000,
      is_im: true,
      is_org_shared: false,
      user: channel.userId,
      is_open: true,
    };
  }
  return {
    id: channel.id,
    name: channel.name,
    name_normalized: channel.name,
    is_channel: channel.kind === 'public',
    is_group: false,
    is_im: false,
    is_mpim: false,
    is_private: channel.kind === 'private',
    is_archived: channel.isArchived,
    is_general: false,
    is_shared: false,
    is_ext_shared: false,
    is_org_shared: false,
    is_member: channel.botIsMember,
    created: 1_700_000_000,
    creator: state.users.find((user) => !user.isBot)?.id ?? '',
    context_team_id: state.app.teamId,
    topic: { value: '', creator: '', last_set: 0 },
    purpose: { value: '', creator: '', last_set: 0 },
    previous_names: [],
  };
}

export function apiUser(state: SlackState, user: User, options: { withEmail: boolean }): JsonObject {
  return {
    id: user.id,
    team_id: state.app.teamId,
    name: user.name,
    deleted: false,
    real_name: user.realName,
    tz: 'Europe/Amsterdam',
    is_admin: false,
    is_bot: user.isBot,
    is_app_user: false,
    profile: {
      real_name: user.realName,
      display_name: user.name,
      ...(options.withEmail && !user.isBot ? { email: user.email } : {}),
      team: state.app.teamId,
    },
  };
}

/** A view as answers and payloads carry it, with what has been entered so far. */
export function apiView(state: SlackState, view: View, values: JsonObject = {}): JsonObject {
  const { app } = state;
  return {
    id: view.id,
    team_id: app.teamId,
    private_metadata: '',
    callback_id: '',
    title: null,
    close: null,
    submit: null,
    clear_on_close: false,
    notify_on_close: false,
    external_id: '',
    ...view.definition,
    type: view.type,
    state: { values },
    hash: view.hash,
    previous_view_id: view.previousId,
    root_view_id: view.rootId,
    app_id: app.appId,
    app_installed_team_id: app.teamId,
    bot_id: app.botId,
  };
}
