import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Stage, startStage } from './demo/stage.ts';
import { playStory } from './demo/story.ts';

/**
 * `npm run demo`: the whole service with a sandbox Slack, a sandbox Opsgenie and a sandbox cluster, a
 * story of about a minute, and then everything stays up for whoever wants to click.
 */
const usage = `npm run demo [-- OPTIONS]

  --once        end after the story
  --quick       play the story without pauses
  --any-ports   take ports the system gives, and a temporary folder for the data
  --help        show this`;

const storyPauseSeconds = 4;
/** Longer than this and something hangs. */
const stopWithinMs = 15_000;

const { values: options } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    'any-ports': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) console.log(usage);
else process.exitCode = await run();

async function run(): Promise<number> {
  const interrupted = interruption();
  console.log(
    'Starting PostgreSQL, the service, a sandbox Slack, a sandbox Opsgenie and a sandbox cluster …',
  );
  const stage = await startStage({ ports: options['any-ports'] ? 'any' : 'usual' });
  let exitCode = 0;
  try {
    console.log(welcome(stage));
    await playStory(stage, {
      tell: teller(),
      pauseSeconds: options.quick ? 0 : storyPauseSeconds,
      signal: interrupted,
    });
    console.log(`\n${await summary(stage)}`);
    if (!options.once) {
      console.log('\nEverything stays up: open the Slack page and press the buttons. Ctrl-C ends the demo.');
      await aborted(interrupted);
    }
  } catch (error) {
    if (!interrupted.aborted) {
      exitCode = 1;
      console.error(`
${error instanceof Error ? error.message : String(error)}`);
      // The folder of the log may be a temporary one.
      console.error(`The last the service said:
${await lastLines(stage.logFile)}`);
    }
  }
  if (interrupted.aborted) console.log('\nStopping …');
  setTimeout(() => process.exit(1), stopWithinMs).unref();
  await stage.stop();
  return exitCode;
}

/** Aborts on Ctrl-C and its kin. A terminal and npm both pass it on, so it can come twice. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort());
  return controller.signal;
}

async function aborted(signal: AbortSignal): Promise<void> {
  // The servers keep the process alive meanwhile.
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

async function lastLines(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-10).join('\n');
}

function teller(): (line: string) => void {
  const startMs = Date.now();
  return (line) => {
    const seconds = Math.round((Date.now() - startMs) / 1_000);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    console.log(line.startsWith(' ') ? `      ${line}` : `${clock.padStart(5)} ${line}`);
  };
}

function welcome({ url, slack, opsgenie, token, logFile, remarks }: Stage): string {
  return [
    '',
    'GoMon Alerting, the demo. Nothing leaves this machine.',
    '',
    `  Slack (sandbox)     ${slack.url}   start here: the channels, with buttons that work`,
    `  Opsgenie (sandbox)  ${opsgenie.url}   who is paged`,
    `  API and its docs    ${url}/docs   token for "Authorize": ${token}`,
    '',
    `  curl -H 'Authorization: Bearer ${token}' ${url}/api/v1/alerts`,
    `  The log of the service: ${logFile}`,
    ...remarks.map((remark) => `  ${remark}`),
    '',
  ].join('\n');
}

/** One line from what is really there. */
async function summary({ send, slack, opsgenie }: Stage): Promise<string> {
  const { items } = (await send.api('GET', '/api/v1/alerts?limit=200')).body as {
    items: { status: string }[];
  };
  const incidents = (await send.api('GET', '/api/v1/incidents?limit=200')).body as { items: unknown[] };
  const open = items.filter((alert) => alert.status !== 'resolved').length;
  const channels = ['#alert-critical', '#k8s-healthchecks', '#monitoring-dev'];
  const messages = channels.reduce((sum, channel) => sum + slack.messages(channel).length, 0);
  return (
    `The story is over: ${items.length} alerts (${open} open), ${messages} Slack messages, ` +
    `${incidents.items.length} incidents, ${opsgenie.alerts().length} Opsgenie alerts, ${slack.errors().length} refusals by Slack.`
  );
}
