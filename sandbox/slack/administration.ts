import type { Interactions } from './interactions.ts';
import type { Channel } from './model.ts';
import type { SlackState } from './state.ts';
import { addChannel } from './workspace.ts';
import type { NewChannel } from './workspace.ts';

export function channelOf(state: SlackState, key: string): Channel {
  const channel = state.findChannel(key);
  if (!channel) throw new Error(`there is no channel ${key}`);
  return channel;
}

/** What an administrator of the workspace does to the app, with the events it causes. */
export function administration(state: SlackState, interactions: Interactions) {
  const change = (key: string, fields: Partial<Channel>): Channel => {
    const channel = Object.assign(channelOf(state, key), fields);
    state.feed.changed();
    return channel;
  };
  const actor = (): string => state.users.find((each) => !each.isBot)?.id ?? '';
  return {
    addChannel: (channel: NewChannel) => addChannel(state, channel),
    archive: (key: string) => {
      const channel = change(key, { isArchived: true });
      const type = channel.kind === 'private' ? 'group_archive' : 'channel_archive';
      interactions.announce({ type, channel: channel.id, user: actor() });
    },
    unarchive: (key: string) => {
      const channel = change(key, { isArchived: false });
      const type = channel.kind === 'private' ? 'group_unarchive' : 'channel_unarchive';
      interactions.announce({ type, channel: channel.id, user: actor() });
    },
    removeBot: (key: string) => {
      const channel = change(key, { botIsMember: false });
      const kind = channel.kind === 'private' ? 'G' : 'C';
      const { botUserId: user, teamId: team } = state.app;
      interactions.announce({
        type: 'member_left_channel',
        user,
        channel: channel.id,
        channel_type: kind,
        team,
      });
    },
    inviteBot: (key: string) => {
      const channel = change(key, { botIsMember: true });
      const { botUserId: user, teamId: team } = state.app;
      const kind = channel.kind === 'private' ? 'G' : 'C';
      interactions.announce({
        type: 'member_joined_channel',
        user,
        channel: channel.id,
        channel_type: kind,
        team,
        inviter: actor(),
      });
    },
    /** The name it had is free again: posts to it find no channel. */
    rename: (key: string, name: string) => {
      const channel = change(key, { name: name.replace(/^#/, '') });
      const type = channel.kind === 'private' ? 'group_rename' : 'channel_rename';
      interactions.announce({
        type,
        channel: { id: channel.id, name: channel.name, created: Math.floor(state.now() / 1000) },
      });
    },
    deleteMessage: (key: string, ts: string) => {
      const message = state.findMessage(channelOf(state, key).id, ts);
      if (!message) throw new Error(`there is no message ${ts} in ${key}`);
      state.deleteMessage(message);
    },
  };
}
