import { newId } from './ids.ts';
import type { Channel } from './model.ts';
import { SlackState } from './state.ts';

export type NewChannel = { name: string; isPrivate?: boolean; botIsMember?: boolean; isArchived?: boolean };
export type NewUser = { name: string; realName: string; email: string };

const standardChannels: readonly NewChannel[] = [
  { name: 'alert-critical' },
  { name: 'k8s-healthchecks' },
  { name: 'monitoring-dev' },
];

const standardUsers = [
  { name: 'ana', realName: 'Ana Ruiz', email: 'ana@example.com' },
  { name: 'jonas', realName: 'Jonas Weber', email: 'jonas@example.com' },
  { name: 'priya', realName: 'Priya Nair', email: 'priya@example.com' },
];

/** The scopes the app's manifest asks for. */
export const standardScopes: readonly string[] = (
  'app_mentions:read channels:history channels:join channels:read chat:write chat:write.public commands ' +
  'groups:history groups:read im:history im:read im:write links:read links:write reactions:write ' +
  'usergroups:read users:read users:read.email'
).split(' ');

/** A workspace with its people and channels, and the app installed. */
export function newWorkspace(options: {
  users?: readonly NewUser[];
  channels?: readonly NewChannel[];
  now?: () => number;
}): SlackState {
  const app = {
    teamId: newId('T'),
    teamName: 'Example',
    teamDomain: 'example',
    appId: newId('A'),
    botId: newId('B'),
    botUserId: newId('U'),
    botName: 'GoMon',
  };
  const state = new SlackState(app, options.now ?? Date.now);
  for (const user of options.users ?? standardUsers)
    state.users.push({ id: newId('U'), isBot: false, ...user });
  state.users.push({ id: app.botUserId, name: 'gomon', realName: 'GoMon', email: '', isBot: true });
  for (const channel of options.channels ?? standardChannels) addChannel(state, channel);
  return state;
}

export function addChannel(state: SlackState, channel: NewChannel): Channel {
  return state.addChannel({
    name: channel.name.replace(/^#/, ''),
    kind: channel.isPrivate ? 'private' : 'public',
    isArchived: channel.isArchived ?? false,
    botIsMember: channel.botIsMember ?? true,
    userId: null,
  });
}
