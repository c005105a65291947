import type { Command } from 'commander';
import { slackManifest } from '../integrations/slack/manifest.ts';

export function addSlackCommands(program: Command): void {
  const slack = program.command('slack').description('set up the Slack app');
  slack
    .command('manifest')
    .description('print the app manifest to paste at api.slack.com/apps')
    .requiredOption('--url <url>', 'the address at which Slack reaches this service')
    .action((options: { url: string }) => {
      if (!URL.canParse(options.url) || !/^https?:/.test(options.url)) {
        throw new Error(
          `--url "${options.url}" is not an http(s) address, such as https://gomon.example.com`,
        );
      }
      console.log(JSON.stringify(slackManifest({ url: options.url }), null, 2));
    });
}
