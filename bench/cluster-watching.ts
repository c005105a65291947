import { fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { call } from './call.ts';
import { stopChild, tied } from './child.ts';
import { breakages } from './cluster-breakages.ts';
import { benchCluster } from './cluster-objects.ts';
import type { ClusterNews, ClusterOrder } from './cluster-server.ts';
import { type Comparison, compare } from './figures.ts';
import { residentMb } from './memory.ts';
import type { Part } from './part.ts';
import { type Service, startService } from './service.ts';
import type { Stage } from './stage.ts';

const pods = 5_000;
const updatesPerSecond = 100;
/** So that what was only needed for the start is given back. */
const restMs = 8_000;
const windows = 5;
const windowMs = 5_000;
const betweenBreakagesMs = 1_000;
const detectedWithinMs = 60_000;
const readyWithinMs = 120_000;

/**
 * (i) Watches a cluster of 5,000 pods in which 100 objects change each second: memory
 * and CPU of the service beside those of the same service that watches nothing, and
 * how long it takes from a change at the API server to the alert stored.
 */
export const clusterWatching: Part = {
  letter: 'i',
  title: `a cluster of ${pods} pods with ${updatesPerSecond} updates/s: memory, CPU and detection delay`,
  async measure({ stage, profileFolder }) {
    const cluster = await startCluster();
    try {
      const without = await watchingNothing(stage);
      return await watching(stage, cluster, without, profileFolder);
    } finally {
      await cluster.stop();
    }
  },
};

type Cluster = {
  url: string;
  token: string;
  update(perSecond: number): void;
  /** @returns when it was there, ms since 1970. */
  apply(object: Extract<ClusterOrder, { do: 'apply' }>['object']): Promise<number>;
  stop(): Promise<void>;
};

async function startCluster(): Promise<Cluster> {
  const child = tied(fork(fileURLToPath(new URL('./cluster-server.ts', import.meta.url)), [String(pods)]));
  const next = <Is extends ClusterNews['is']>(is: Is): Promise<Extract<ClusterNews, { is: Is }>> =>
    new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`the cluster ended with ${code}`));
      child.once('exit', onExit);
      child.once('message', (news: ClusterNews) => {
        child.removeListener('exit', onExit);
        if (news.is === is) resolve(news as Extract<ClusterNews, { is: Is }>);
        else reject(new Error(`the cluster said ${news.is} instead of ${is}`));
      });
    });
  const order = (one: ClusterOrder): void => void child.send(one);
  const { url, token } = await next('serving');
  return {
    url,
    token,
    update: (perSecond) => order({ do: 'update', perSecond }),
    apply: async (object) => {
      const applied = next('applied');
      order({ do: 'apply', object });
      return (await applied).atMs;
    },
    stop: () => stopChild(child),
  };
}

type Use = { memoryMb: number[]; cpuPercent: number[] };

async function watchingNothing(stage: Stage): Promise<Use> {
  const databaseUrl = await stage.createDatabase('watching-nothing');
  const service = await startService({ name: 'watching-nothing', folder: stage.folder, databaseUrl });
  try {
    await sleep(restMs);
    return await used(service);
  } finally {
    await service.stop();
  }
}

async function watching(
  stage: Stage,
  cluster: Cluster,
  without: Use,
  profileFolder: string | null,
): Promise<Comparison[]> {
  const databaseUrl = await stage.createDatabase('watching');
  const startedAt = performance.now();
  const service = await startService({
    name: 'watching',
    folder: stage.folder,
    databaseUrl,
    cluster,
    settings: {
      kubernetes: {
        apiUrl: cluster.url,
        namespaces: ['*'],
        cluster: 'bench',
        // Its wait counts from the first sight, because a pod does not say since when it crashes.
        rules: { 'pod.crash-loop.one': { waitSeconds: 0 } },
      },
    },
    profileFolder,
  });
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    await untilWatching(service);
    const readySeconds = (performance.now() - startedAt) / 1_000;
    await sleep(restMs);
    const quiet = await used(service);
    cluster.update(updatesPerSecond);
    await sleep(restMs);
    const before = await looks(service);
    const busy = await used(service);
    const after = await looks(service);
    await expectNoAlert(client);
    const delays = await detectionDelays(cluster, client);
    const off = { name: 'MB watching nothing', values: without.memoryMb };
    const offCpu = { name: '% watching nothing', values: without.cpuPercent };
    return [
      compare('i  start to the first look', 's', [readySeconds], null),
      compare('i  memory, nothing changes', 'MB', quiet.memoryMb, off),
      compare(`i  memory, ${updatesPerSecond} updates/s`, 'MB', busy.memoryMb, off),
      compare('i  CPU, nothing changes', '% of a core', quiet.cpuPercent, offCpu),
      compare(`i  CPU, ${updatesPerSecond} updates/s`, '% of a core', busy.cpuPercent, offCpu),
      compare(
        'i  one look',
        'ms',
        [(1_000 * (after.seconds - before.seconds)) / (after.count - before.count)],
        null,
        {
          remark: `mean of ${after.count - before.count} looks within ${(windows * windowMs) / 1_000} s`,
        },
      ),
      compare(
        'i  detection delay',
        's',
        delays.map(({ seconds }) => seconds),
        null,
        {
          target: { valueAtMost: 5 },
          remark: `from the change at the API server to the alert stored, waits over or none: ${delays
            .map(({ what, seconds }) => `${what} ${seconds.toFixed(1)}`)
            .join(', ')}`,
        },
      ),
    ];
  } finally {
    await client.end();
    await service.stop();
  }
}

/** Memory at the end of each window, and the share of one core within it. */
async function used(service: Service): Promise<Use> {
  const use: Use = { memoryMb: [], cpuPercent: [] };
  let before = await cpuSeconds(service);
  let beganAt = performance.now();
  for (let window = 0; window < windows; window += 1) {
    await sleep(windowMs);
    const seconds = await cpuSeconds(service);
    const now = performance.now();
    use.cpuPercent.push((100_000 * (seconds - before)) / (now - beganAt));
    use.memoryMb.push(await residentMb(service.pid));
    before = seconds;
    beganAt = now;
  }
  return use;
}

async function cpuSeconds(service: Service): Promise<number> {
  return (await metric(service, 'process_cpu_seconds_total')) ?? 0;
}

async function looks(service: Service): Promise<{ count: number; seconds: number }> {
  return {
    count: (await metric(service, 'gomon_cluster_evaluation_seconds_count')) ?? 0,
    seconds: (await metric(service, 'gomon_cluster_evaluation_seconds_sum')) ?? 0,
  };
}

async function metric(service: Service, sample: string): Promise<number | null> {
  const { text } = await call('GET', `${service.url}/metrics`, {});
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
  return line === undefined ? null : Number(line.split(' ')[1]);
}

/** Everything is read, and was looked at after that. */
async function untilWatching(service: Service): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  let looksThen: number | null = null;
  while (performance.now() < deadline) {
    const known = await metric(service, 'gomon_cluster_objects{resource="pods"}');
    const { count } = await looks(service);
    if (known === pods) looksThen ??= count;
    if (looksThen !== null && count > looksThen) return;
    await sleep(100);
  }
  throw new Error(`the service does not watch after ${readyWithinMs} ms`);
}

async function expectNoAlert(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ title: string }>('SELECT title FROM alerts_active LIMIT 5');
  if (rows.length > 0)
    throw new Error(`the cluster of the bench is not well: ${rows.map(({ title }) => title).join('; ')}`);
}

async function detectionDelays(
  cluster: Cluster,
  client: pg.Client,
): Promise<{ what: string; seconds: number }[]> {
  const now = new Date();
  const { apps, nodes } = benchCluster(pods, now);
  const delays: { what: string; seconds: number }[] = [];
  for (const { what, workload, object } of breakages(apps, nodes, now)) {
    const appliedMs = await cluster.apply(object);
    const storedMs = await untilStored(client, workload);
    if (storedMs === null)
      throw new Error(`${what} (${workload}) was not told within ${detectedWithinMs} ms`);
    delays.push({ what, seconds: Math.max(0, storedMs - appliedMs) / 1_000 });
    await sleep(betweenBreakagesMs);
  }
  return delays;
}

async function untilStored(client: pg.Client, workload: string): Promise<number | null> {
  const deadline = Date.now() + detectedWithinMs;
  while (Date.now() < deadline) {
    const { rowCount } = await client.query(`SELECT FROM alerts_active WHERE labels->>'workload' = $1`, [
      workload,
    ]);
    if (rowCount !== 0) return Date.now();
    await sleep(10);
  }
  return null;
}
