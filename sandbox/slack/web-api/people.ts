import { apiUser } from './api-shapes.ts';
import { textArg } from './arguments.ts';
import { fail, ok } from './method.ts';
import type { Method } from './method.ts';

/** https://docs.slack.dev/reference/methods/auth.test */
const authTest: Method = {
  scopes: [],
  run: ({ state: { app }, baseUrl }) =>
    ok({
      url: `${baseUrl}/`,
      team: app.teamName,
      user: app.botName.toLowerCase(),
      team_id: app.teamId,
      user_id: app.botUserId,
      bot_id: app.botId,
      is_enterprise_install: false,
    }),
};

/** https://docs.slack.dev/reference/methods/team.info */
const teamInfo: Method = {
  scopes: ['team:read'],
  run: ({ state: { app }, args }) => {
    const asked = textArg(args, 'team');
    if (asked !== undefined && asked !== app.teamId) return fail('team_not_found');
    return ok({
      team: {
        id: app.teamId,
        name: app.teamName,
        domain: app.teamDomain,
        email_domain: '',
        icon: { image_default: true },
      },
    });
  },
};

/** https://docs.slack.dev/reference/methods/users.info - the e-mail needs a scope of its own. */
const userInfo: Method = {
  scopes: ['users:read'],
  run: ({ state, args, scopes }) => {
    const user = state.users.find((each) => each.id === textArg(args, 'user'));
    if (!user) return fail('user_not_found');
    return ok({ user: apiUser(state, user, { withEmail: scopes.has('users:read.email') }) });
  },
};

/** https://docs.slack.dev/reference/methods/users.lookupByEmail */
const lookupByEmail: Method = {
  scopes: ['users:read.email'],
  run: ({ state, args }) => {
    const email = textArg(args, 'email')?.toLowerCase();
    const user = state.users.find((each) => !each.isBot && each.email.toLowerCase() === email);
    return user ? ok({ user: apiUser(state, user, { withEmail: true }) }) : fail('users_not_found');
  },
};

/** https://docs.slack.dev/reference/methods/reactions.add */
const addReaction: Method = {
  scopes: ['reactions:write'],
  run: ({ state, args }) => {
    const channel = state.channels.find((each) => each.id === textArg(args, 'channel'));
    if (!channel || !channel.botIsMember) return fail('channel_not_found');
    if (channel.isArchived) return fail('is_archived');
    const timestamp = textArg(args, 'timestamp');
    if (timestamp === undefined) return fail('no_item_specified');
    const message = state.findMessage(channel.id, timestamp);
    if (!message) return fail('message_not_found');
    const name = (textArg(args, 'name') ?? '').replaceAll(':', '');
    if (!/^[a-z0-9_+'-]+$/.test(name)) return fail('invalid_name');
    const existing = message.reactions.find((each) => each.name === name);
    if (existing?.users.includes(state.app.botUserId)) return fail('already_reacted');
    if (existing) existing.users.push(state.app.botUserId);
    else message.reactions.push({ name, users: [state.app.botUserId] });
    state.feed.changed();
    return ok();
  },
};

export const peopleMethods: Record<string, Method> = {
  'auth.test': authTest,
  'team.info': teamInfo,
  'users.info': userInfo,
  'users.lookupByEmail': lookupByEmail,
  'reactions.add': addReaction,
};
