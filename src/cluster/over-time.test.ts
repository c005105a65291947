import { describe, expect, it } from 'vitest';
import { type ConfigRecord, hashesOf, noteRead } from './config-maps.ts';
import { noProbes } from './scene.ts';
import { ClusterLook } from '../../test/support/cluster-look.ts';
import { deployment, make, node, pod, replicaSet } from '../../test/support/cluster-objects.ts';

/** What only shows over time: measured use, trends, changes. */

function measured(look: ClusterLook, cpu: string, memory: string): void {
  const timestamp = look.now.toISOString();
  look.view.put(make('NodeMetrics', 'n1', { namespace: null, timestamp, usage: { cpu, memory } }));
}

/** Half an hour and more of samples every 30 s. */
function pass(look: ClusterLook, seconds: number, sample: (second: number) => void): void {
  for (let second = 0; second < seconds; second += 30) {
    sample(second);
    look.step();
    look.now = new Date(look.now.getTime() + 30_000);
  }
}

describe('use of a node (4 cores, 8 GiB)', () => {
  it('CPU counts by its mean over five minutes, and grows graver', () => {
    const look = new ClusterLook([node('n1'), node('n2')]);
    pass(look, 240, () => measured(look, '3900m', '1Gi'));
    expect(look.fired).toEqual([]);
    pass(look, 120, () => measured(look, '3900m', '1Gi'));
    expect(look.fired).toEqual(['node.cpu P3 Node/-/n1']);
    pass(look, 900, () => measured(look, '3900m', '1Gi'));
    expect(look.fired.slice(1)).toEqual(['node.cpu P2 Node/-/n1']);
  });

  it('a short peak is nothing', () => {
    const look = new ClusterLook([node('n1'), node('n2')]);
    pass(look, 1_200, (second) => measured(look, second % 300 < 60 ? '3900m' : '500m', '1Gi'));
    expect(look.fired).toEqual([]);
  });

  it('memory counts after three minutes above 90 %', () => {
    const look = new ClusterLook([node('n1'), node('n2')]);
    pass(look, 180, () => measured(look, '1', '7600Mi'));
    expect(look.fired).toEqual([]);
    pass(look, 60, () => measured(look, '1', '7600Mi'));
    expect(look.fired).toEqual(['node.memory P2 Node/-/n1']);
  });

  it('memory that fills up is told before it is full', () => {
    const look = new ClusterLook([node('n1'), node('n2')]);
    pass(look, 3_600, (second) => measured(look, '1', `${4_200 + second / 2}Mi`));
    expect(look.fired).toEqual(['capacity.trend P3 Node/-/n1']);
  });

  it('metrics that stand still are no new samples', () => {
    const look = new ClusterLook([node('n1'), node('n2')]);
    measured(look, '3900m', '1Gi');
    pass(look, 900, () => undefined);
    expect(look.fired).toEqual([]);
  });
});

it('use of a container counts against its limit', () => {
  const limited = pod('web-1', {
    spec: { containers: [{ name: 'main', resources: { limits: { cpu: '1', memory: '1Gi' } } }] },
  });
  const look = new ClusterLook([
    node('n1'),
    replicaSet('web-abc12', 'web'),
    deployment('web', { replicas: 1 }),
    limited,
  ]);
  pass(look, 600, () =>
    look.view.put(
      make('PodMetrics', 'web-1', {
        timestamp: look.now.toISOString(),
        containers: [{ name: 'main', usage: { cpu: '950m', memory: '1000Mi' } }],
      }),
    ),
  );
  expect(look.fired.toSorted()).toEqual([
    'container.cpu P3 Deployment/shop/web',
    'container.memory P2 Deployment/shop/web',
  ]);
});

it('restarts of a workload add up', () => {
  const restarted = (times: number) =>
    pod('web-1', {
      metadata: { uid: 'web-1' },
      status: {
        containerStatuses: [
          {
            name: 'main',
            ready: true,
            restartCount: times,
            state: { running: {} },
            lastState: { terminated: { exitCode: 1, reason: 'Error', finishedAt: '2026-11-20T12:00:00Z' } },
          },
        ],
      },
    });
  const look = new ClusterLook([
    node('n1'),
    replicaSet('web-abc12', 'web'),
    deployment('web', { replicas: 1 }),
    restarted(40),
  ]);
  look.pass(60);
  for (let times = 41; times <= 45; times += 1) {
    look.pass(600, 60);
    expect(look.fired).toEqual([]);
    look.view.put(restarted(times));
  }
  look.pass(60);
  expect(look.fired).toEqual(['pod.restarts P3 Deployment/shop/web']);
});

describe('changes', () => {
  const config = (version: string, name = 'settings', namespace = 'shop') =>
    make('ConfigMap', name, { namespace, metadata: { uid: name, resourceVersion: version } });
  const secret = (version: string, parts: Record<string, unknown> = {}) =>
    make('Secret', 'token', {
      type: 'Opaque',
      metadata: { uid: 'token', resourceVersion: version, labels: { 'gomon.io/rotate': 'true' }, ...parts },
    });

  it('of a ConfigMap are told once, and not what was there before', () => {
    const look = new ClusterLook([
      config('1'),
      config('1', 'coredns', 'kube-system'),
      config('1', 'kube-root-ca.crt'),
    ]);
    look.pass(60);
    expect(look.fired).toEqual([]);
    look.view.put(config('2'));
    look.view.put(config('2', 'coredns', 'kube-system'));
    look.view.put(config('2', 'kube-root-ca.crt'));
    look.pass(1_200, 30);
    const told = [
      'config.changed P4 ConfigMap/shop/settings',
      'config.changed.platform P3 ConfigMap/kube-system/coredns',
    ];
    expect(look.fired).toEqual(told);
    expect(look.resolved.toSorted()).toEqual(told);
  });

  it('of a ConfigMap that may be read name the keys, and follow what is in it only', () => {
    const look = new ClusterLook([config('1'), config('1', 'coredns', 'kube-system')]);
    const records = new Map<string, ConfigRecord>();
    let isReady = true;
    look.probes = {
      ...noProbes,
      configMaps: {
        get isReady() {
          return isReady;
        },
        of: (namespace, name) => records.get(`${namespace}/${name}`) ?? 'unread',
      },
    };
    const read = (namespace: string, name: string, data: Record<string, string>): void => {
      const key = `${namespace}/${name}`;
      const given = { uid: name, version: '1', hashes: hashesOf(data, {}), writer: null };
      const context = { now: look.now, withinMs: 900_000, isIgnoredWriter: () => false };
      records.set(key, noteRead(records.get(key), { namespace, name }, given, context));
    };
    const description = (): string =>
      [...look.memory.findings.values()].find(({ key }) => key.includes('settings'))?.condition.description ??
      '';
    read('shop', 'settings', { a: 'hunter1', b: '2' });
    read('kube-system', 'coredns', { Corefile: '1' });
    look.pass(60);
    // Another version, and the same in it.
    look.view.put(config('2'));
    look.pass(60);
    expect(look.fired).toEqual([]);
    read('shop', 'settings', { a: 'hunter2', b: '2', c: '3' });
    read('kube-system', 'coredns', { Corefile: '2' });
    look.pass(60);
    const told = [
      'config.changed P4 ConfigMap/shop/settings',
      'config.changed.platform P3 ConfigMap/kube-system/coredns',
    ];
    expect(look.fired).toEqual(told);
    expect(description()).toMatch(/^Changed: a\nAdded: c\nHash of all of it now: [0-9a-f]{12}$/);
    // One more change is a change of the same alert.
    look.pass(60);
    read('shop', 'settings', { a: 'hunter2', b: '3', c: '3' });
    const [again] = look.step().fire;
    expect([again?.kind, again?.finding.since]).toEqual(['changed', new Date('2026-11-20T12:02:00Z')]);
    expect(description()).toMatch(/^Changed: a, b\nAdded: c\nIt changed 2 times/);
    // Before the records are there after a start, nothing is judged.
    isReady = false;
    records.clear();
    look.pass(300);
    expect(look.resolved).toEqual([]);
    isReady = true;
    look.pass(120);
    expect(look.resolved.toSorted()).toEqual(told);
  });

  it('of who uses the default account are one alert, whatever comes and goes', () => {
    const job = pod('job-1', {
      spec: {
        serviceAccountName: 'default',
        containers: [
          {
            name: 'main',
            volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
          },
        ],
      },
    });
    const look = new ClusterLook([
      node('n1'),
      make('ClusterRole', 'view', { namespace: null, rules: [] }),
      make('ClusterRoleBinding', 'b', {
        namespace: null,
        subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'shop' }],
        roleRef: { kind: 'ClusterRole', name: 'view' },
      }),
    ]);
    const description = (): string =>
      [...look.memory.findings.values()].find(({ key }) => key.includes('RiskyRights'))?.condition
        .description ?? '';
    look.pass(60);
    expect(description()).toBe('the default ServiceAccount of shop is bound to view');
    look.pass(60);
    look.view.put(job);
    expect(look.step().fire.map(({ kind }) => kind)).toEqual(['changed']);
    expect(description()).toMatch(/, and its token is mounted by Deployment\/web$/);
    for (let run = 0; run < 3; run += 1) {
      look.view.remove(job);
      look.pass(600, 30);
      expect(description()).toMatch(/pods mounted its token within the last day$/);
      look.view.put(job);
      look.pass(60);
    }
    look.view.remove(job);
    look.pass(90_000, 600);
    expect(description()).toBe('the default ServiceAccount of shop is bound to view');
    expect([look.fired, look.resolved]).toEqual([['rbac.risky P3 ClusterRoleBinding/-/b'], []]);
  });

  it('of a Secret are told where somebody wants it, and so is that there were none', () => {
    const look = new ClusterLook([secret('1', { creationTimestamp: '2026-01-01T00:00:00Z' })]);
    look.step();
    expect(look.fired).toEqual(['secret.overdue P3 Secret/shop/token']);
    look.view.put(secret('2', { creationTimestamp: '2026-01-01T00:00:00Z' }));
    look.pass(120);
    expect(look.fired.slice(1)).toEqual(['secret.rotated P4 Secret/shop/token']);
    expect(look.resolved).toEqual(['secret.overdue P3 Secret/shop/token']);
    look.view.put(
      make('Secret', 'plain', { type: 'Opaque', metadata: { creationTimestamp: '2020-01-01T00:00:00Z' } }),
    );
    look.pass(60);
    expect(look.fired).toHaveLength(2);
  });
});

it('sandboxes that fail on several workloads are the network, told once', () => {
  const waiting = (app: string) =>
    pod(`${app}-1`, {
      app,
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'True' }],
        containerStatuses: [],
      },
    });
  const look = new ClusterLook([node('n1'), waiting('a'), waiting('b')]);
  for (const name of ['a-1', 'b-1'])
    look.view.put(
      make('Event', `${name}.x`, {
        type: 'Warning',
        reason: 'FailedCreatePodSandBox',
        count: 3,
        lastTimestamp: look.now.toISOString(),
        involvedObject: { kind: 'Pod', namespace: 'shop', name },
      }),
    );
  look.pass(60);
  expect(look.fired).toEqual(['network-plugin.sandbox P2 Cluster/-/pod-network']);
});

describe('leases of the control plane', () => {
  const lease = (look: ClusterLook): void =>
    look.view.put(
      make('Lease', 'kube-scheduler', {
        namespace: 'kube-system',
        spec: { renewTime: look.now.toISOString() },
      }),
    );
  const apiServer = (look: ClusterLook, failures: number): void => {
    const down = { failures, failingSince: look.now, failing: [], detail: 'away' };
    look.probes = { ...look.probes, apiServer: failures === 0 ? { ...down, failingSince: null } : down };
  };
  const outage = (look: ClusterLook): void => {
    apiServer(look, 0);
    lease(look);
    look.pass(30);
    apiServer(look, 3);
    look.view.states.set('leases.coordination.k8s.io', { state: 'backoff', heardAt: null });
    look.pass(120);
    look.view.states.delete('leases.coordination.k8s.io');
    // The leases can be read again before the server says that it is ready.
    look.pass(10);
    apiServer(look, 0);
  };

  it('that nobody could renew are given their time again', () => {
    const look = new ClusterLook([]);
    outage(look);
    look.pass(50);
    lease(look);
    look.pass(30);
    expect(look.fired.filter((one) => one.startsWith('control-plane.lease'))).toEqual([]);
  });

  it('that stay as they were are told a minute after the return', () => {
    const look = new ClusterLook([]);
    outage(look);
    look.pass(70);
    expect(look.fired.filter((one) => one.startsWith('control-plane.lease'))).toEqual([
      'control-plane.lease P1 Lease/kube-system/kube-scheduler',
    ]);
  });
});
