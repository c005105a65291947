import { slashCommand, subcommands } from './commands.ts';

/**
 * The app manifest to create the Slack app from
 * (https://docs.slack.dev/reference/app-manifest): what this version uses, no
 * more. `url` is the address under which Slack reaches the service; null where it
 * cannot and the service connects to Slack instead (Socket Mode).
 * @throws when `url` is not an http(s) address.
 */
export function slackManifest({ url }: { url: string | null }): Record<string, unknown> {
  const webhook = url === null ? null : webhookUrls(url);
  return {
    _metadata: { major_version: 2, minor_version: 1 },
    display_information: {
      name: 'GoMon Alerting',
      description: 'Alerts, acknowledgement and incident state in Slack',
      background_color: '#1d2733',
    },
    features: {
      bot_user: { display_name: 'GoMon', always_online: true },
      slash_commands: [
        {
          command: slashCommand,
          ...(webhook === null ? {} : { url: webhook('commands') }),
          description: 'Query and act on alerts',
          usage_hint: subcommands.map(({ usage }) => usage).join(' | '),
          // Mentions arrive as ids; a name alone could not be mapped to a person.
          should_escape: true,
        },
      ],
    },
    oauth_config: { scopes: { bot: [...botScopes] } },
    settings: {
      event_subscriptions: {
        ...(webhook === null ? {} : { request_url: webhook('events') }),
        bot_events: [...botEvents],
      },
      interactivity: {
        is_enabled: true,
        ...(webhook === null ? {} : { request_url: webhook('interactions') }),
      },
      org_deploy_enabled: false,
      socket_mode_enabled: webhook === null,
      token_rotation_enabled: false,
    },
  };
}

function webhookUrls(url: string): (name: string) => string {
  const base = URL.parse(url);
  if (base === null || !/^https?:$/.test(base.protocol)) {
    throw new Error(
      `The address must be an http or https URL such as https://gomon.example.com, not "${url}"`,
    );
  }
  return (name) => `${base.origin}${base.pathname.replace(/\/+$/, '')}/api/v1/slack/webhooks/${name}`;
}

/** What each is for. `gomon slack doctor` compares them with what was granted. */
export const botScopes = [
  'channels:history', // find a message again whose outcome is unknown, and so not post it twice
  'channels:join', // … which takes being in the channel
  'channels:read', // events of the channel: archived, renamed
  'chat:write',
  'chat:write.public', // post to public channels from the first minute on
  'commands',
  'groups:history', // the same for private channels
  'groups:read',
  'users:read', // names of the people who click
  'users:read.email', // … and who they are here
] as const;

/** A channel that is lost or comes back, and an app that was removed. */
const botEvents = [
  'app_uninstalled',
  'channel_archive',
  'channel_deleted',
  'channel_id_changed',
  'channel_rename',
  'channel_unarchive',
  'group_archive',
  'group_deleted',
  'group_rename',
  'group_unarchive',
  'member_joined_channel',
  'member_left_channel',
  'tokens_revoked',
] as const;
