import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { startOpsgenieSandbox } from '../../sandbox/opsgenie/server.ts';
import { startSlackSandbox } from '../../sandbox/slack/server.ts';
import { createReachableTempDir } from '../../src/db/embedded-user.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { type Served, serve } from './command-line.ts';
import { account, settled } from './crash-accounts.ts';
import { acknowledgeNow, CrashSender, crashToken } from './crash-senders.ts';
import { createTestDatabase } from './postgres.ts';
import { seededRandom } from './seeded-random.ts';

export type CrashStorm = {
  /** Who is killed: a process of ours, or the embedded PostgreSQL below it. */
  target: 'service' | 'database';
  kills: number;
  /** `serve` processes on one database; the embedded one has one. */
  processes?: number;
  /** Of the moments of the kills and of what is sent. */
  seed?: number;
};

/** Far above what Slack allows: pace is not what is tested. */
const settings = `
slack:
  pace: { burstPerChannel: 1000, postsPerSecondPerChannel: 100, editBurst: 10000, editsPerMinute: 100000 }
`;

/**
 * Real processes under load, killed at random moments; at the end every 2xx is
 * accounted for. Prints its seed, and what it did.
 */
export async function runCrashStorm(storm: CrashStorm): Promise<void> {
  const seed = storm.seed ?? Math.floor(Math.random() * 2 ** 31);
  const say = (text: string): void => void process.stdout.write(`crash storm (${storm.target}): ${text}\n`);
  say(`seed ${seed}`);
  const random = seededRandom(seed);
  const folder = await createReachableTempDir('gomon-crash-');
  const cwd = path.join(folder, 'work');
  await mkdir(cwd);
  await writeFile(path.join(cwd, 'gomon.yaml'), settings);
  const slack = await startSlackSandbox({ botToken: 'xoxb-crash', signingSecret: 'crash', limits: 'off' });
  const opsgenie = await startOpsgenieSandbox({ apiKey: 'crash', pendingStatusAsks: 0 });
  const database = storm.target === 'service' ? await createTestDatabase() : null;
  const dataDir = path.join(folder, 'data');
  const env = {
    ...(database === null ? { GOMON_DATA_DIR: dataDir } : { DATABASE_URL: database.url }),
    GOMON_ADMIN_TOKEN: crashToken,
    SLACK_BOT_TOKEN: 'xoxb-crash',
    SLACK_SIGNING_SECRET: 'crash',
    SLACK_API_URL: slack.apiUrl,
    OPSGENIE_API_KEY: 'crash',
    OPSGENIE_API_URL: opsgenie.url,
  };
  const running: (Served | null)[] = Array.from({ length: storm.processes ?? 1 }, () => null);
  const crash = Promise.withResolvers<never>();
  crash.promise.catch(() => undefined);
  const begin = async (place: number): Promise<void> => {
    const served = await serve({ cwd, env });
    running[place] = served;
    served.crashed.catch(crash.reject);
    slack.deliverTo(served.url);
  };
  const stopping = new AbortController();
  const givingUp = new AbortController();
  const anyUrl = (): string | null => random.pick(running.filter((one) => one !== null))?.url ?? null;
  const senders = (['api', 'grafana', 'alertmanager'] as const).map(
    (door, index) => new CrashSender(door, seededRandom(seed + index + 1), anyUrl),
  );
  const reported = () => senders.flatMap((sender) => sender.reported);
  const load: Promise<unknown>[] = [];
  try {
    await Promise.all(running.map((_, place) => begin(place)));
    load.push(...senders.map((sender) => sender.run(stopping.signal, givingUp.signal)));
    load.push(clickOn(stopping.signal, () => acknowledgeNow(slack, reported())));
    const failed = Promise.race([crash.promise, Promise.all(load).then(() => new Promise<never>(() => {}))]);
    const takenSoFar = (): number => senders.reduce((sum, sender) => sum + sender.counts.taken, 0);
    for (let kill = 1; kill <= storm.kills; kill += 1) {
      // The last one was survived: requests are taken again, and some of what they lead to is under way.
      const enough = takenSoFar() + random.between(2, 25);
      await Promise.race([until(() => takenSoFar() >= enough), failed]);
      await Promise.race([wait(random.between(0, 300)), failed]);
      if (storm.target === 'database') await killDatabase(dataDir, failed);
      else await killOne(running, random.between(0, running.length - 1), begin);
    }
    await Promise.race([wait(500), failed]);
    stopping.abort();
    await Promise.race([
      Promise.all(load),
      wait(60_000).then(() => Promise.reject(new Error('the senders do not end'))),
    ]);
    await acknowledgeNow(slack, reported());

    const embedded = database === null ? await startEmbedded({ dataDir }) : null;
    const client = new pg.Client({ connectionString: database?.url ?? embedded?.url ?? '' });
    try {
      await client.connect();
      await settled(client, 120_000);
      await account(client, reported(), { slack, opsgenie });
    } finally {
      await client.end();
      await embedded?.stop();
    }
    const counts = senders.map(({ counts: { taken, again } }) => `${taken} taken, ${again} sent again`);
    say(`${storm.kills} kills, ${reported().length} alerts; ${counts.join('; ')}`);
  } finally {
    stopping.abort();
    givingUp.abort();
    await Promise.allSettled(load);
    await Promise.all(running.map(async (one) => one?.kill()));
    if (database === null) await stopDatabase(dataDir);
    await Promise.all([slack.close(), opsgenie.stop()]);
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('no requests are taken any more');
    await wait(5);
  }
}

async function clickOn(stop: AbortSignal, click: () => Promise<void>): Promise<void> {
  while (!stop.aborted) {
    await click();
    await wait(100);
  }
}

async function killOne(
  running: (Served | null)[],
  place: number,
  begin: (place: number) => Promise<void>,
): Promise<void> {
  const victim = running[place];
  running.fill(null, place, place + 1);
  await victim?.kill();
  await begin(place);
}

async function postmasterPid(dataDir: string): Promise<number> {
  const text = await readFile(path.join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
  return Number(text.split('\n')[0]);
}

/** As the system's out-of-memory killer does it; resolves when another server serves. */
async function killDatabase(dataDir: string, failed: Promise<never>): Promise<void> {
  const pid = await postmasterPid(dataDir);
  process.kill(pid, 'SIGKILL');
  const deadline = Date.now() + 60_000;
  for (;;) {
    const next = await postmasterPid(dataDir);
    if (next > 0 && next !== pid) return;
    if (Date.now() > deadline) throw new Error('the embedded PostgreSQL was not restarted within 60 s');
    await Promise.race([wait(50), failed]);
  }
}

/** The service was killed at the end, and left its server running. */
async function stopDatabase(dataDir: string): Promise<void> {
  const left = await startEmbedded({ dataDir }).catch(() => null);
  await left?.stop();
}
