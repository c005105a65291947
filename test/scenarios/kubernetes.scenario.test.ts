import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KubernetesSandbox, startKubernetesSandbox } from '../../sandbox/kubernetes/server.ts';
import { startWorld, type World } from '../support/world.ts';

describe('the watch of a cluster', () => {
  let cluster: KubernetesSandbox;
  let world: World | undefined;
  const now = (): Date => world?.clock.now() ?? new Date();
  const ago = (seconds: number): string => new Date(now().getTime() - seconds * 1_000).toISOString();
  const the = (): World => {
    if (world === undefined) throw new Error('the world has not started');
    return world;
  };

  beforeAll(async () => {
    cluster = await startKubernetesSandbox({ now, bookmarkEveryMs: 100 });
    cluster.forbid({ resource: 'ingresses.networking.k8s.io' });
    healthyCluster();
    world = await startWorld({
      settings: {
        kubernetes: {
          apiUrl: cluster.url,
          cluster: 'harbour',
          rules: { 'config.changed': { thresholds: { showSeconds: 30 } } },
        },
      },
      env: { GOMON_KUBERNETES: 'url', GOMON_KUBERNETES_TOKEN: cluster.token() },
    });
  });

  afterAll(async () => {
    await world?.stop();
    await cluster.stop();
  });

  function healthyCluster(): void {
    cluster.apply({
      kind: 'Node',
      metadata: { name: 'n1', creationTimestamp: ago(86_400) },
      status: {
        allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
        conditions: [
          { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: ago(86_000) },
        ],
        nodeInfo: { kubeletVersion: 'v1.35.0' },
      },
    });
    cluster.apply({
      kind: 'ReplicaSet',
      apiVersion: 'apps/v1',
      metadata: { name: 'shop-1', namespace: 'monitoring', ...owned('Deployment', 'shop') },
      spec: { replicas: 2 },
      status: { replicas: 2 },
    });
    putShop({ crashing: false });
    putSettings('hunter-one');
  }

  function putSettings(value: string, annotations: Record<string, string> = {}): void {
    cluster.apply({
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'monitoring', annotations },
      data: { 'app.conf': value, other: 'hunter-other' },
    });
  }

  /** A Deployment of two pods; one of them crashes or both are well. */
  function putShop({ crashing }: { crashing: boolean }): void {
    const available = crashing ? 1 : 2;
    cluster.apply({
      kind: 'Deployment',
      apiVersion: 'apps/v1',
      metadata: { name: 'shop', namespace: 'monitoring', generation: 1, creationTimestamp: ago(86_400) },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'shop' } },
        template: { metadata: { labels: { app: 'shop' } } },
      },
      status: {
        observedGeneration: 1,
        replicas: 2,
        updatedReplicas: 2,
        readyReplicas: available,
        availableReplicas: available,
        ...(crashing && { unavailableReplicas: 1 }),
        conditions: [
          { type: 'Available', status: 'True', lastTransitionTime: ago(86_000) },
          {
            type: 'Progressing',
            status: 'True',
            reason: 'NewReplicaSetAvailable',
            lastTransitionTime: ago(86_000),
          },
        ],
      },
    });
    putPod('shop-1-a', false);
    putPod('shop-1-b', crashing);
  }

  function putPod(name: string, crashing: boolean): void {
    const ready = crashing
      ? { type: 'Ready', status: 'False', reason: 'ContainersNotReady', lastTransitionTime: ago(0) }
      : { type: 'Ready', status: 'True', lastTransitionTime: ago(80_000) };
    cluster.apply({
      kind: 'Pod',
      metadata: {
        name,
        namespace: 'monitoring',
        labels: { app: 'shop' },
        creationTimestamp: ago(86_400),
        ...owned('ReplicaSet', 'shop-1'),
      },
      spec: { nodeName: 'n1', containers: [{ name: 'web', image: 'shop:1' }] },
      status: {
        phase: 'Running',
        startTime: ago(86_400),
        conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: ago(86_400) }, ready],
        containerStatuses: [
          crashing
            ? {
                name: 'web',
                ready: false,
                restartCount: 4,
                state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s restarting' } },
                lastState: { terminated: { reason: 'Error', exitCode: 1, finishedAt: ago(0) } },
              }
            : {
                name: 'web',
                ready: true,
                restartCount: 0,
                state: { running: { startedAt: ago(86_000) } },
                lastState: {},
              },
        ],
      },
    });
  }

  const posts = (): string[] =>
    ['#alert-critical', '#k8s-healthchecks', '#monitoring-dev'].flatMap((channel) =>
      the()
        .slack.messages(channel)
        .map(({ text }) => text),
    );
  const alerts = async (): Promise<Record<string, unknown>[]> =>
    (await the().call('GET', '/api/v1/alerts')).body.items;
  const kubernetes = async (): Promise<{ state: string; detail?: string }> =>
    (await the().call('GET', '/readyz')).body.dependencies.kubernetes;

  /** The watcher has seen what the cluster is now, and everything it has told has been dealt with. */
  async function seen(podReason: string): Promise<void> {
    const reasons = async (): Promise<string[]> => {
      const { body } = await the().call('GET', '/api/v1/cluster/pods');
      return (body.items as { name: string; reason: string }[])
        .filter(({ name }) => name === 'shop-1-b')
        .map(({ reason }) => reason);
    };
    await expect.poll(reasons, { timeout: 15_000, interval: 20 }).toEqual([podReason]);
    // What is not read yet is not judged yet.
    const listing = async (): Promise<string[]> => {
      const { body } = await the().call('GET', '/api/v1/cluster/health');
      return (body.data as { resource: string; state: string }[])
        .filter(({ state }) => !['streaming', 'forbidden', 'absent'].includes(state))
        .map(({ resource }) => resource);
    };
    await expect.poll(listing, { timeout: 15_000 }).toEqual([]);
    await looked();
  }

  /** The watcher has looked at what is there now, and what followed has been done. */
  async function looked(): Promise<void> {
    const leads = (): number => the().log().split('this process watches the cluster now').length;
    const starts = the().log().split('gomon is ready').length;
    await expect.poll(leads, { timeout: 15_000 }).toBe(starts);
    const looks = async (): Promise<number> => (await the().rows('SELECT FROM cluster_watch')).length;
    await expect.poll(looks, { timeout: 15_000 }).toBe(1);
    await the().advance(0);
    await the().drain();
  }

  const statuses = async (): Promise<unknown[]> => {
    await looked();
    return (await alerts()).map(({ status }) => status);
  };

  it('tells nothing of a healthy cluster, and names what it may not read', async () => {
    await seen('');
    await expect
      .poll(async () => (await kubernetes()).detail, { timeout: 15_000 })
      .toBe('ingresses.networking.k8s.io: forbidden');
    expect((await kubernetes()).state).toBe('failing');
    expect((await the().call('GET', '/readyz')).status).toBe(200);
    expect(await alerts()).toEqual([]);
    expect(posts()).toEqual([]);
  });

  it('tells a crash loop once, when its wait is over', async () => {
    cluster.setLog('monitoring', 'shop-1-b', 'web', {
      previous: 'connecting with password=hunter2\npanic: no database\n',
    });
    putShop({ crashing: true });
    await seen('CrashLoopBackOff');
    expect(await alerts()).toEqual([]);
    await the().advance(61_000);
    await expect.poll(statuses, { timeout: 15_000 }).toEqual(['firing']);
    expect(await alerts()).toEqual([
      expect.objectContaining({ source: 'kubernetes', namespace: 'monitoring', status: 'firing' }),
    ]);
    const alert = await the().alert('status=firing');
    expect(alert.labels).toMatchObject({ cluster: 'harbour', workload: 'Deployment/shop', container: 'web' });
    expect(alert.annotations.logs).toContain('panic: no database');
    expect(JSON.stringify(alert)).not.toContain('hunter2');
    expect(posts()).toHaveLength(1);
    await the().advance(30_000);
    await the().drain();
    expect(posts()).toHaveLength(1);
  });

  it('says nothing again after a restart', async () => {
    await the().restart();
    await seen('CrashLoopBackOff');
    await the().advance(5_000);
    await the().drain();
    expect(await alerts()).toHaveLength(1);
    expect(posts()).toHaveLength(1);
  });

  it('answers what is asked about the cluster', async () => {
    cluster.apply({
      kind: 'Event',
      metadata: { name: 'shop-1-b.1', namespace: 'monitoring' },
      type: 'Warning',
      reason: 'BackOff',
      message: 'Back-off restarting failed container',
      count: 3,
      firstTimestamp: ago(0),
      lastTimestamp: ago(0),
      involvedObject: { kind: 'Pod', namespace: 'monitoring', name: 'shop-1-b' },
    });
    const alert = await the().alert('status=firing');
    const health = await the().call('GET', '/api/v1/cluster/health');
    expect(health.body).toMatchObject({
      cluster: 'harbour',
      nodes: { total: 1, ready: 1 },
      pods: { total: 2 },
      namespaces: { monitoring: { pods: 2, ready: 1 } },
    });
    expect(health.body.alerts[alert.severity]).toBe(1);
    const pods = await the().call('GET', '/api/v1/cluster/pods?unhealthy=true');
    expect(pods.body.items).toEqual([
      expect.objectContaining({ name: 'shop-1-b', restarts: 4, alertIds: [alert.id] }),
    ]);
    const events = async (): Promise<unknown[]> =>
      (await the().call('GET', '/api/v1/cluster/events?namespace=monitoring')).body.items;
    await expect
      .poll(events, { timeout: 10_000 })
      .toEqual([expect.objectContaining({ reason: 'BackOff', alertIds: [alert.id] })]);
    expect((await the().call('GET', '/api/v1/cluster/pods', undefined, { authorization: 'no' })).status).toBe(
      401,
    );
  });

  it('measures its own watch', async () => {
    const { text } = await the().call('GET', '/metrics');
    const value = (sample: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${sample} `))
          ?.split(' ')[1],
      );
    expect(value('gomon_cluster_leader{cluster="harbour"}')).toBe(1);
    expect(value('gomon_cluster_objects{resource="pods"}')).toBe(2);
    expect(value('gomon_cluster_kinds{state="forbidden"}')).toBe(1);
    expect(value('gomon_cluster_findings{state="firing"}')).toBe(1);
    expect(value('gomon_cluster_watch_age_seconds{resource="pods"}')).toBeLessThan(60);
    expect(value('gomon_cluster_evaluation_seconds_count')).toBeGreaterThan(0);
    // What may not be read is not stale.
    expect(text).not.toContain('gomon_cluster_watch_age_seconds{resource="ingresses.networking.k8s.io"}');
    expect(text).not.toMatch(/resource="(?:readyz|version)"/);
  });

  it('resolves it when the pod has been well for a while', async () => {
    putShop({ crashing: false });
    await seen('');
    expect(await alerts()).toMatchObject([{ status: 'firing' }]);
    await the().advance(61_000);
    await expect.poll(statuses, { timeout: 15_000 }).toEqual(['resolved']);
    expect(posts()).toHaveLength(1);
  });

  it('reads again what it may not read any more as soon as it may', async () => {
    cluster.allow();
    await the().restart();
    await expect.poll(async () => (await kubernetes()).state, { timeout: 15_000 }).toBe('ok');
  });

  /** The version of the ConfigMap that is known. */
  const knownVersion = async (): Promise<string | undefined> =>
    (await the().rows<{ resource_version: string }>('SELECT resource_version FROM cluster_config_maps'))[0]
      ?.resource_version;
  const configAlerts = async (): Promise<{ description: string; status: string }[]> =>
    (await alerts()).filter(
      (alert) => alert['title'] === 'ConfigMap monitoring/settings was changed',
    ) as never;

  it('tells which keys of a ConfigMap changed, and never a value', async () => {
    await seen('');
    const first = await knownVersion();
    expect(first).toBeDefined();
    putSettings('hunter-one', { note: 'only metadata' });
    await expect.poll(knownVersion, { timeout: 15_000 }).not.toBe(first);
    await looked();
    expect(await configAlerts()).toEqual([]);
    const before = posts().length;
    putSettings('hunter-two');
    await expect.poll(configAlerts, { timeout: 15_000 }).toHaveLength(1);
    await looked();
    expect((await the().alert('status=firing')).description).toMatch(
      /^Changed: app\.conf\n(?:Last written by sandbox.*\n)?Hash of all of it now: [0-9a-f]{12}$/,
    );
    expect(posts()).toHaveLength(before + 1);
  });

  it('tells it also where the ConfigMap changed while nobody watched, and of none twice', async () => {
    await the().advance(31_000);
    await looked();
    await the().advance(61_000);
    await expect
      .poll(async () => (await looked(), (await configAlerts())[0]?.status), { timeout: 15_000 })
      .toBe('resolved');
    const before = posts().length;
    await the().app.stop();
    putSettings('hunter-three');
    await the().restart();
    await expect
      .poll(async () => (await configAlerts()).filter(({ status }) => status === 'firing'), {
        timeout: 15_000,
      })
      .toHaveLength(1);
    await the().restart();
    await seen('');
    await looked();
    expect(posts()).toHaveLength(before + 1);
    const everything = await the().rows<{ row: string }>(`
      SELECT to_jsonb(c)::text AS row FROM cluster_config_maps c
      UNION ALL SELECT to_jsonb(c)::text FROM cluster_conditions c
      UNION ALL SELECT to_jsonb(a)::text FROM alerts_active a`);
    expect(everything.map(({ row }) => row).join('\n')).toContain('app.conf');
    expect(everything.map(({ row }) => row).join('\n') + the().log() + posts().join('')).not.toContain(
      'hunter-',
    );
  });
});

function owned(kind: string, name: string) {
  return {
    ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: `${kind}-${name}`, controller: true }],
  };
}

describe('a cluster that is not there', () => {
  it('stops the service from starting where it is named and cannot be', async () => {
    await expect(startWorld({ env: { GOMON_KUBERNETES: 'url' } })).rejects.toThrow(
      /kubernetes\.apiUrl is not set/,
    );
  });

  it('is off where nobody names one, and said once', async () => {
    const world = await startWorld();
    try {
      expect((await world.call('GET', '/readyz')).body.dependencies.kubernetes).toEqual({ state: 'off' });
      expect(world.log().match(/no cluster is watched/g)).toHaveLength(1);
      expect((await world.call('GET', '/api/v1/cluster/health')).status).toBe(404);
    } finally {
      await world.stop();
    }
  });
});
