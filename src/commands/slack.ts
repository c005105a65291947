import { type Command, Option } from 'commander';
import { slackManifest } from '../integrations/slack/manifest.ts';

export function addSlackCommands(program: Command): void {
  const slack = program.command('slack').description('set up the Slack app');
  slack
    .command('manifest')
    .description('print the app manifest to paste at api.slack.com/apps')
    .option('--url <url>', 'the address at which Slack reaches this service')
    .addOption(
      new Option(
        '--socket',
        'for Socket Mode: the service connects to Slack, and needs no address',
      ).conflicts('url'),
    )
    .action((options: { url?: string; socket?: true }) => {
      if (options.url === undefined && options.socket === undefined) {
        throw new Error('say how Slack reaches this service: --url https://…, or --socket for Socket Mode');
      }
      console.log(JSON.stringify(slackManifest({ url: options.url ?? null }), null, 2));
    });
}
