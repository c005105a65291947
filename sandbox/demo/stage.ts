import { writeFile } from 'node:fs/promises';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type App, startApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { checkReport } from '../../src/config/problem.ts';
import { createLog } from '../../src/observability/log.ts';
import { type KubernetesSandbox, startKubernetesSandbox } from '../kubernetes/server.ts';
import { type OpsgenieSandbox, startOpsgenieSandbox } from '../opsgenie/server.ts';
import { type SlackSandbox, startSlackSandbox } from '../slack/server.ts';
import { fillCluster } from './cluster.ts';
import { type DataFolder, prepareDataFolder } from './data-folder.ts';
import { freeOrAny, likedPorts, onPort } from './ports.ts';
import { type Senders, createSenders } from './senders.ts';

/** The whole service with a sandbox Slack, a sandbox Opsgenie and a sandbox cluster around it. */
export type Stage = {
  app: App;
  url: string;
  token: string;
  slack: SlackSandbox;
  opsgenie: OpsgenieSandbox;
  cluster: KubernetesSandbox;
  send: Senders;
  dataFolder: string;
  logFile: string;
  /** Said at the start: a port that was taken, a folder that could not be used. */
  remarks: string[];
  stop(): Promise<void>;
};

/** Nothing here is a secret: everything listens on loopback, and only for the demo. */
const token = 'demo-token';
const grafanaSecret = 'demo-grafana-secret';
const slackSecret = 'demo-slack-signing-secret';
const opsgenieSecret = 'demo-opsgenie-webhook-secret';
const slackBotToken = 'xoxb-demo';

const usualFolder = fileURLToPath(new URL('../../data/demo', import.meta.url));
const settingsFile = fileURLToPath(new URL('./gomon.yaml', import.meta.url));

export type StageOptions = {
  /** `usual`: the ports people know, others where they are taken. `any`: those the system gives. */
  ports: 'usual' | 'any';
  /** An existing database instead of the embedded one. */
  databaseUrl?: string;
};

/** Starts everything; when a part fails, what had started is stopped again. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).toReversed()) await step();
  };
  try {
    return await build(options, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(
  options: StageOptions,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Stage> {
  const liked = options.ports === 'usual' ? likedPorts : { service: 0, slack: 0, opsgenie: 0 };
  const slack = await onPort(liked.slack, (port) =>
    startSlackSandbox({ port, botToken: slackBotToken, signingSecret: slackSecret }),
  );
  stops.push(() => slack.close());
  const opsgenie = await onPort(liked.opsgenie, (port) =>
    startOpsgenieSandbox({ port, apiKey: 'demo-opsgenie-key' }),
  );
  stops.push(() => opsgenie.stop());
  const cluster = await startKubernetesSandbox({ bookmarkEveryMs: 10_000 });
  stops.push(() => cluster.stop());
  fillCluster(cluster);

  // Whoever has Slack's usual port is the only demo that runs: the usual folder is its own.
  const ownsFolder = liked.slack !== 0 && portOf(slack.url) === liked.slack;
  const data = await prepareDataFolder(ownsFolder && options.databaseUrl === undefined ? usualFolder : null);
  stops.push(() => data.remove());
  const logFile = path.join(data.path, 'service.log');
  const port = liked.service === 0 ? 0 : await freeOrAny(liked.service);
  const logStream = createWriteStream(logFile);
  stops.push(() => closeLog(logStream));

  const kubeconfig = path.join(data.path, 'kubeconfig.yaml');
  await writeFile(kubeconfig, cluster.kubeconfig(), { mode: 0o600 });
  const loaded = await loadConfig({
    argvConfigPath: settingsFile,
    cwd: data.path,
    // Nothing of the environment: a demo must not post to a real workspace.
    env: {
      GOMON_PORT: String(port),
      GOMON_DATA_DIR: data.path,
      GOMON_ADMIN_TOKEN: token,
      GOMON_KUBERNETES: 'kubeconfig',
      KUBECONFIG: kubeconfig,
      GRAFANA_WEBHOOK_SECRET: grafanaSecret,
      SLACK_BOT_TOKEN: slackBotToken,
      SLACK_SIGNING_SECRET: slackSecret,
      SLACK_API_URL: slack.apiUrl,
      OPSGENIE_API_KEY: opsgenie.apiKey,
      OPSGENIE_API_URL: opsgenie.url,
      OPSGENIE_WEBHOOK_SECRET: opsgenieSecret,
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
    },
  });
  if (!loaded.ok) throw new Error(checkReport(loaded.problems));
  const app = await startApp({
    config: loaded.config,
    log: createLog({ level: 'info', destination: logStream }),
  });
  stops.push(() => app.stop());
  const url = app.url ?? '';
  slack.deliverTo(url);
  opsgenie.deliverTo(`${url}/api/v1/webhooks/opsgenie`, { 'X-GoMon-Webhook-Secret': opsgenieSecret });

  return {
    app,
    url,
    token,
    slack,
    opsgenie,
    cluster,
    send: createSenders({ url, token, grafanaSecret }),
    dataFolder: data.path,
    logFile,
    remarks: remarksOn(liked, { service: url, slack: slack.url, opsgenie: opsgenie.url }, ownsFolder, data),
    stop,
  };
}

function remarksOn(
  liked: Record<keyof typeof likedPorts, number>,
  urls: Record<keyof typeof likedPorts, string>,
  ownsFolder: boolean,
  data: DataFolder,
): string[] {
  const names = Object.keys(urls) as (keyof typeof likedPorts)[];
  const moved = names
    .filter((name) => liked[name] !== 0 && portOf(urls[name]) !== liked[name])
    .map((name) => `Port ${liked[name]} is taken, so this demo's ${name} listens on ${portOf(urls[name])}.`);
  if (ownsFolder && data.path !== usualFolder) {
    moved.push(
      `${usualFolder} cannot be used here, so the data lies in ${data.path} and is removed at the end.`,
    );
  }
  return moved;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

async function closeLog(stream: WriteStream): Promise<void> {
  stream.end();
  await finished(stream).catch(() => undefined);
}
