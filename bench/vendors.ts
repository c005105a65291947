import { fork } from 'node:child_process';
import { startOpsgenieSandbox } from '../sandbox/opsgenie/server.ts';
import { startSlackSandbox } from '../sandbox/slack/server.ts';
import { stopChild, tied } from './child.ts';

/**
 * The sandbox Slack and Opsgenie in a process of their own: neither the generator
 * nor the service does their work.
 */
export type Vendors = {
  slackApiUrl: string;
  slackBotToken: string;
  opsgenieUrl: string;
  opsgenieApiKey: string;
  /** Every message Slack accepted, with the time its request was taken, by `epochMs`. */
  accepted(): Promise<AcceptedPost[]>;
  stop(): Promise<void>;
};

export type AcceptedPost = { at: number; channel: string; text: string; blocks: unknown };

type Addresses = Pick<Vendors, 'slackApiUrl' | 'slackBotToken' | 'opsgenieUrl' | 'opsgenieApiKey'>;

const answerWithinMs = 20_000;

/** Milliseconds since 1970 with the microseconds `Date.now()` leaves out. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

export async function startVendors(channels: string[]): Promise<Vendors> {
  const child = tied(fork(new URL(import.meta.url), channels, { stdio: 'inherit' }));
  const answer = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        child.removeListener('exit', onExit);
      };
      const onExit = (): void => {
        end();
        reject(new Error('the sandbox servers ended'));
      };
      const timer = setTimeout(() => {
        child.kill();
        reject(new Error('the sandbox servers do not answer'));
      }, answerWithinMs);
      child.once('exit', onExit);
      child.once('message', (message) => {
        end();
        resolve(message as T);
      });
    });
  const addresses = await answer<Addresses>();
  return {
    ...addresses,
    accepted: () => {
      const posts = answer<AcceptedPost[]>();
      child.send('accepted');
      return posts;
    },
    stop: () => stopChild(child),
  };
}

/** The other side: what runs in the child. */
async function serve(channels: string[]): Promise<void> {
  const slackBotToken = 'xoxb-bench';
  const slack = await startSlackSandbox({
    botToken: slackBotToken,
    signingSecret: 'bench',
    now: epochMs,
    channels: ['alert-critical', 'k8s-healthchecks', 'monitoring-dev', ...channels].map((name) => ({ name })),
  });
  const opsgenie = await startOpsgenieSandbox();
  process.on('message', () => {
    const posts = slack.calls('chat.postMessage').filter((call) => call.applied);
    process.send?.(
      posts.map((call): AcceptedPost => ({
        at: call.at,
        channel: String(call.args['channel']),
        text: String(call.args['text']),
        blocks: call.args['blocks'],
      })),
    );
  });
  const end = (): void => {
    void Promise.all([slack.close(), opsgenie.stop()]).then(() => process.exit(0));
  };
  process.on('SIGTERM', end);
  process.on('disconnect', end);
  process.send?.({
    slackApiUrl: slack.apiUrl,
    slackBotToken,
    opsgenieUrl: opsgenie.url,
    opsgenieApiKey: opsgenie.apiKey,
  } satisfies Addresses);
}

if (import.meta.main) await serve(process.argv.slice(2));
