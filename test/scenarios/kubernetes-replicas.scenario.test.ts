import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type KubernetesSandbox, startKubernetesSandbox } from '../../sandbox/kubernetes/server.ts';
import { serve, type Served } from '../support/command-line.ts';
import { startWorld, type World } from '../support/world.ts';

/** Another has to have taken over within so long. */
const takeoverMs = 60_000;

describe('several processes that watch one cluster', () => {
  let cluster: KubernetesSandbox;
  let world: World;
  let folder: string;
  const running = new Map<string, Served>();

  beforeAll(async () => {
    cluster = await startKubernetesSandbox({ bookmarkEveryMs: 1_000 });
    put('web', { available: 2 });
    put('api', { available: 2 });
    put('shop', { available: 2 });
    world = await startWorld({ roles: ['api', 'worker'] });
    folder = await mkdtemp(path.join(tmpdir(), 'gomon-replicas-'));
    const kubernetes = { apiUrl: cluster.url, cluster: 'harbour' };
    await writeFile(path.join(folder, 'gomon.yaml'), stringify({ kubernetes }));
    await Promise.all([begin('first'), begin('second')]);
  }, 60_000);

  afterAll(async () => {
    await Promise.all([...running.values()].map((process) => process.kill()));
    await world.stop();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function begin(name: string): Promise<void> {
    const env = {
      DATABASE_URL: world.databaseUrl,
      GOMON_KUBERNETES: 'url',
      GOMON_KUBERNETES_TOKEN: cluster.token(),
    };
    running.set(name, await serve({ cwd: folder, env, args: ['--roles', 'watcher'] }));
  }

  /** A Deployment of two pods, which has been as it is for longer than any wait. */
  function put(name: string, { available }: { available: number }): void {
    const minutesAgo = new Date(Date.now() - 120_000).toISOString();
    const isUp = available > 0;
    cluster.apply({
      kind: 'Deployment',
      apiVersion: 'apps/v1',
      metadata: {
        name,
        namespace: 'monitoring',
        generation: 1,
        creationTimestamp: new Date(Date.now() - 86_400_000).toISOString(),
      },
      spec: { replicas: 2, selector: { matchLabels: { app: name } } },
      status: {
        observedGeneration: 1,
        replicas: 2,
        updatedReplicas: 2,
        readyReplicas: available,
        availableReplicas: available,
        conditions: [
          { type: 'Available', status: isUp ? 'True' : 'False', lastTransitionTime: minutesAgo },
          {
            type: 'Progressing',
            status: 'True',
            reason: 'NewReplicaSetAvailable',
            lastTransitionTime: minutesAgo,
          },
        ],
      },
    });
  }

  /** How often each of those that run has begun to lead. */
  const leads = (): Record<string, number> =>
    Object.fromEntries(
      [...running].map(([name, { output }]) => [
        name,
        output.stdout.split('this process watches the cluster now').length - 1,
      ]),
    );
  const leader = (): string => {
    const [name] = Object.entries(leads()).find(([, times]) => times > 0) ?? [];
    if (name === undefined) throw new Error('nobody leads');
    return name;
  };
  function take(name: string): Served {
    const process = running.get(name);
    if (process === undefined) throw new Error(`${name} does not run`);
    running.delete(name);
    return process;
  }

  /** Each alert with how often anything at all was told about it. */
  async function told(): Promise<string[]> {
    await world.drain();
    const rows = await world.rows<{ workload: string; status: string; episode: number; posts: number }>(`
      SELECT a.labels->>'workload' AS workload, a.status,
        (SELECT count(*)::int FROM alert_actions h WHERE h.alert_id = a.id AND h.action IN ('create', 'refire')) AS episode
      FROM alerts_active a ORDER BY 1`);
    const posts = world.slack.messages('#alert-critical').length;
    return [...rows.map((row) => `${row.workload} ${row.status} ${row.episode}`), `${posts} messages`];
  }
  const soon = { timeout: takeoverMs, interval: 250 };
  const limit = 2 * takeoverMs;

  it('tell a trouble once: one of them leads', { timeout: limit }, async () => {
    put('web', { available: 0 });
    await expect.poll(told, soon).toEqual(['Deployment/web firing 1', '1 messages']);
    expect(leads()).toEqual({ first: 0, second: 0, [leader()]: 1 });
    // Both see it; only one may speak.
    await cluster.waitFor(() => cluster.watches.count({ resource: 'deployments.apps' }) === 6, takeoverMs);
  });

  it('lose and repeat nothing when the one that leads is killed', { timeout: limit }, async () => {
    await take(leader()).kill();
    put('api', { available: 0 });
    await expect
      .poll(told, soon)
      .toEqual(['Deployment/api firing 1', 'Deployment/web firing 1', '2 messages']);
    expect(leads()).toEqual({ [leader()]: 1 });
  });

  it('nor when it is stopped, and one that came later takes over', { timeout: limit }, async () => {
    await begin('third');
    const stopping = take(leader()).stop();
    put('shop', { available: 0 });
    expect(await stopping).toBe(0);
    await expect
      .poll(told, soon)
      .toEqual([
        'Deployment/api firing 1',
        'Deployment/shop firing 1',
        'Deployment/web firing 1',
        '3 messages',
      ]);
    expect(leads()).toEqual({ third: 1 });
  });
});
