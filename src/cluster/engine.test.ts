import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClusterLook } from '../../test/support/cluster-look.ts';
import {
  ago,
  clusterNow,
  container,
  deployment,
  ended,
  event,
  make,
  node,
  owner,
  pod,
  replicaSet,
  unready,
  waiting,
} from '../../test/support/cluster-objects.ts';
import type { Detected } from './detect.ts';
import { emptyMemory, holdDownMs, type Memory, step } from './engine.ts';
import { activeRules } from './rules.ts';

const nodes = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'].map((name) => node(name));
const down = (unavailableFor = 0) => deployment('web', { available: 0, unavailableFor });
const up = () => deployment('web');
const fired = 'workload.none-available P1 Deployment/shop/web';

describe('waits (G1)', () => {
  it("count from the object's own time, not from when it was first seen", () => {
    const look = new ClusterLook([down(25)]);
    look.step();
    expect(look.fired).toEqual([]);
    look.pass(5, 5);
    expect(look.fired).toEqual([fired]);
  });

  it('say when the next one ends', () => {
    const look = new ClusterLook([down(10)]);
    expect(look.step().nextDueAt).toEqual(new Date(clusterNow.getTime() + 20_000));
  });

  it('grow graver with time, and tell that once', () => {
    const look = new ClusterLook([
      ...nodes,
      deployment('web', { replicas: 4 }),
      replicaSet('web-abc12', 'web'),
      pod('web-1'),
      pod('web-2', {
        status: {
          phase: 'Pending',
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: ago(0) },
          ],
          containerStatuses: [],
        },
      }),
    ]);
    look.pass(600);
    expect(look.fired).toEqual([
      'pod.unschedulable P3 Deployment/shop/web',
      'pod.unschedulable P2 Deployment/shop/web',
    ]);
  });

  it('follow the settings', () => {
    const look = new ClusterLook([down(0)]);
    look.rules = activeRules({ 'workload.none-available': { waitSeconds: 120, severity: 'P3' } });
    look.pass(110);
    expect(look.fired).toEqual([]);
    look.pass(20);
    expect(look.fired).toEqual(['workload.none-available P3 Deployment/shop/web']);
    look.rules = activeRules({ 'workload.none-available': { enabled: false } });
    look.pass(70);
    expect(look.resolved).toEqual(['workload.none-available P3 Deployment/shop/web']);
  });
});

describe('the end (G11)', () => {
  it('comes after a minute of health', () => {
    const look = new ClusterLook([down(40)]);
    look.step();
    look.view.put(up());
    look.pass(50);
    expect(look.resolved).toEqual([]);
    look.pass(20);
    expect(look.resolved).toEqual([fired]);
    look.pass(300);
    expect([look.fired.length, look.resolved.length]).toEqual([1, 1]);
  });

  it('does not come when it breaks again meanwhile', () => {
    const look = new ClusterLook([down(40)]);
    look.step();
    for (let i = 0; i < 3; i += 1) {
      look.view.put(up());
      look.pass(40);
      look.view.put(
        deployment('web', {
          available: 0,
          unavailableFor: (clusterNow.getTime() - look.now.getTime()) / 1_000,
        }),
      );
      look.pass(40);
    }
    expect([look.fired, look.resolved]).toEqual([[fired], []]);
  });

  it('is late for what flaps, which is then told once', () => {
    const look = new ClusterLook([down(40)]);
    look.step();
    for (let i = 0; i < 8; i += 1) {
      look.view.put(up());
      look.pass(90);
      look.view.put(
        deployment('web', {
          available: 0,
          unavailableFor: (clusterNow.getTime() - look.now.getTime()) / 1_000,
        }),
      );
      look.pass(90);
    }
    expect(look.fired.length).toBeLessThanOrEqual(4);
    const [finding] = [...look.memory.findings.values()];
    expect(finding?.flapping).toBe(true);
    const told = look.resolved.length;
    look.view.put(up());
    look.pass(800);
    expect(look.resolved.length).toBe(told);
    look.pass(200);
    expect(look.resolved.length).toBe(told + 1);
  });
});

describe('one alert per cause (G12, G13)', () => {
  const lost = (name: string, app: string, seconds: number) =>
    pod(name, { app, status: { conditions: unready(seconds) } });

  it('lists the pods of a broken node under it', () => {
    const look = new ClusterLook([
      ...nodes.slice(1),
      node('n1', { ready: 'Unknown', since: 0 }),
      replicaSet('web-abc12', 'web'),
      replicaSet('api-abc12', 'api'),
      deployment('web', { replicas: 1, available: 0, unavailableFor: 0 }),
      deployment('api', { replicas: 4, available: 2, unavailableFor: 0 }),
      lost('web-1', 'web', 0),
      lost('api-1', 'api', 0),
      lost('api-2', 'api', 0),
    ]);
    look.pass(420);
    expect(look.fired).toEqual(['node.not-ready.grave P1 Node/-/n1']);
    const under = [...look.memory.findings.values()].filter(({ state }) => state === 'suppressed');
    expect(under.map(({ condition }) => condition.rule).toSorted()).toEqual([
      'pod.not-ready',
      'workload.below-minimum',
      'workload.none-available',
    ]);
  });

  it('tells of what still fails two minutes after the node came back', () => {
    const look = new ClusterLook([
      ...nodes.slice(1),
      node('n1', { ready: 'Unknown', since: 40 }),
      replicaSet('web-abc12', 'web'),
      deployment('web', { replicas: 1, available: 0, unavailableFor: 40 }),
      lost('web-1', 'web', 40),
    ]);
    look.pass(30);
    look.view.put(node('n1'));
    look.pass(170);
    expect(look.fired).toEqual(['node.not-ready.grave P1 Node/-/n1']);
    look.pass(40);
    expect(look.fired.slice(1)).toEqual([fired]);
    expect(look.resolved).toEqual(['node.not-ready.grave P1 Node/-/n1']);
  });

  describe('where most nodes are away', () => {
    const names = Array.from({ length: 50 }, (_, i) => `n${String(i).padStart(2, '0')}`);
    const most = 'node.not-ready.most P0 Cluster/-/nodes';
    const away = (name: string, since: number) => node(name, { ready: 'Unknown', since });

    it('is one alert that lists them, not one for each', () => {
      const look = new ClusterLook([
        ...names.map((name, i) => (i < 30 ? away(name, 0) : node(name))),
        replicaSet('web-abc12', 'web'),
        deployment('web', { replicas: 2, available: 0, unavailableFor: 0 }),
        ...['n01', 'n02'].map((name, i) =>
          pod(`web-${i}`, { node: name, status: { conditions: unready(0, 'NodeLost') } }),
        ),
      ]);
      look.pass(900);
      expect(look.fired).toEqual([most]);
      const finding = [...look.memory.findings.values()].find(({ state }) => state === 'firing');
      expect(finding?.condition.title).toBe('30 of 50 nodes are not ready');
      expect(finding?.condition.description).toContain('Not ready: n00, n01');
      expect(finding?.condition.description).toContain('n19 and 10 more');
      expect(finding?.condition.description).toContain('2 watched pods run there.');
      for (const name of names) look.view.put(node(name));
      look.view.put(deployment('web', { replicas: 2 }));
      for (const i of [0, 1]) look.view.put(pod(`web-${i}`));
      look.pass(300);
      expect([look.fired, look.resolved]).toEqual([[most], [most]]);
    });

    it('goes with what fails in the same moment, DNS too', () => {
      const dns = { labels: { 'k8s-app': 'kube-dns' } };
      const look = new ClusterLook([
        ...['n1', 'n2', 'n3'].map((name) => away(name, 0)),
        node('n4'),
        make('ReplicaSet', 'coredns-1', {
          namespace: 'kube-system',
          metadata: { ...owner('Deployment', 'coredns') },
        }),
        deployment('coredns', {
          namespace: 'kube-system',
          metadata: dns,
          replicas: 1,
          available: 0,
          unavailableFor: 0,
        }),
        pod('coredns-1-a', {
          namespace: 'kube-system',
          metadata: { ...dns, ...owner('ReplicaSet', 'coredns-1') },
          node: 'n1',
          status: { conditions: unready(0, 'NodeLost') },
        }),
        // Its node is away, and no other takes what stands in for it.
        replicaSet('web-abc12', 'web'),
        deployment('web', { replicas: 1, available: 0, unavailableFor: 0 }),
        pod('web-1', { node: 'n2', status: { conditions: unready(0, 'NodeLost') } }),
        pod('web-2', {
          spec: { nodeName: undefined },
          status: {
            phase: 'Pending',
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                reason: 'Unschedulable',
                lastTransitionTime: ago(0),
              },
            ],
            containerStatuses: [],
          },
        }),
      ]);
      look.pass(900, 5);
      expect(look.fired).toEqual([most]);
    });

    it('follows single nodes that were told before, and leaves those that remain', () => {
      const look = new ClusterLook(['n1', 'n2', 'n3', 'n4', 'n5'].map((name) => node(name)));
      const since = () => (clusterNow.getTime() - look.now.getTime()) / 1_000;
      look.view.put(away('n1', since()));
      look.pass(60);
      const [one = ''] = look.fired;
      expect(look.fired).toEqual(['node.not-ready P2 Node/-/n1']);
      look.view.put(away('n2', since()));
      look.view.put(away('n3', since()));
      look.pass(60);
      expect(look.fired).toEqual([one, most]);
      look.view.put(node('n2'));
      look.view.put(node('n3'));
      look.pass(90);
      expect([look.fired.length, look.resolved]).toEqual([2, [most]]);
      look.view.put(node('n1'));
      look.pass(90);
      expect([look.fired.length, look.resolved]).toEqual([2, [most, one]]);
    });

    it('does not make a single node wait when so many were away for a moment only', () => {
      const look = new ClusterLook([away('n1', 0), away('n2', 0), node('n3'), node('n4')]);
      look.pass(25, 5);
      look.view.put(node('n2'));
      look.pass(25, 5);
      expect(look.fired).toEqual(['node.not-ready P2 Node/-/n1']);
    });

    it('is not so because many join, or are in maintenance', () => {
      const joining = { creationTimestamp: ago(20) };
      const look = new ClusterLook([
        ...['n1', 'n2', 'n3', 'n4', 'n5'].map((name) => node(name)),
        ...['n6', 'n7', 'n8', 'n9'].map((name) =>
          node(name, { ready: 'False', since: 18, metadata: joining }),
        ),
        ...['m1', 'm2', 'm3'].map((name) =>
          node(name, { ready: 'Unknown', since: 0, spec: { unschedulable: true } }),
        ),
      ]);
      look.view.put(away('n1', 0));
      look.pass(60);
      expect(look.fired.filter((one) => !one.includes('P4'))).toEqual(['node.not-ready P2 Node/-/n1']);
    });
  });

  it('does not tell a workload once for its pods and once for itself', () => {
    const crashing = (name: string) =>
      pod(name, {
        status: {
          conditions: unready(0),
          containerStatuses: [
            container(waiting('CrashLoopBackOff'), { restartCount: 5, lastState: ended('Error', 1, 0) }),
          ],
        },
      });
    const look = new ClusterLook([
      ...nodes,
      replicaSet('web-abc12', 'web'),
      deployment('web', { replicas: 2, available: 0, unavailableFor: 0 }),
      crashing('web-1'),
      crashing('web-2'),
    ]);
    look.pass(1_200);
    expect(look.fired).toEqual([fired]);
  });

  it('does not hide what crashes under a node that is only short of memory', () => {
    const pressed = node('n1', {
      status: {
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'MemoryPressure', status: 'True', lastTransitionTime: ago(300) },
        ],
      },
    });
    const look = new ClusterLook([
      pressed,
      ...nodes.slice(1),
      replicaSet('web-abc12', 'web'),
      deployment('web', { replicas: 1, available: 0, unavailableFor: 0 }),
      lost('web-1', 'web', 0),
    ]);
    look.pass(60);
    expect(look.fired).toEqual(['node.pressure P2 Node/-/n1', fired]);
  });

  it('does not hide an outage under a node in maintenance', () => {
    const look = new ClusterLook([
      ...nodes.slice(1),
      node('n1', { ready: 'Unknown', since: 0, spec: { unschedulable: true } }),
      replicaSet('web-abc12', 'web'),
      deployment('web', { replicas: 1, available: 0, unavailableFor: 0 }),
      lost('web-1', 'web', 0),
    ]);
    look.pass(60);
    expect(look.fired).toContain(fired);
  });

  it('tells P0 whatever explains it', () => {
    const dns = { namespace: 'kube-system', metadata: { labels: { 'k8s-app': 'kube-dns' } } };
    const look = new ClusterLook([
      ...nodes.slice(1),
      node('n1', { ready: 'Unknown', since: 0 }),
      deployment('coredns', { ...dns, available: 0, unavailableFor: 0 }),
    ]);
    look.pass(60);
    expect(look.fired).toContain('workload.platform-down P0 Deployment/kube-system/coredns');
  });
});

describe('stale data (G14)', () => {
  it('neither fire nor resolve anything, and raise one alert', () => {
    const look = new ClusterLook([down(40)]);
    look.step();
    look.view.put(up());
    look.view.put(deployment('api', { available: 0, unavailableFor: 0 }));
    for (const resource of ['pods', 'deployments.apps', 'services'])
      look.view.states.set(resource, { state: 'backoff', heardAt: look.now });
    look.pass(300);
    expect(look.resolved).toEqual([]);
    expect(look.fired).toEqual([fired, 'watcher.stale P2 Cluster/-/watch']);
    look.view.states.clear();
    look.pass(90);
    expect(look.fired.slice(2)).toEqual(['workload.none-available P1 Deployment/shop/api']);
    expect(look.resolved.toSorted()).toEqual(['watcher.stale P2 Cluster/-/watch', fired].toSorted());
  });

  it('of several kinds for a moment each, one after the other, are no alert', () => {
    const look = new ClusterLook([up()]);
    for (const resource of ['pods', 'services', 'deployments.apps', 'configmaps', 'events']) {
      look.view.states.set(resource, { state: 'backoff', heardAt: look.now });
      look.pass(20);
      look.view.states.delete(resource);
    }
    look.pass(60);
    expect(look.fired).toEqual([]);
  });

  it('believe no stream that has been silent for long', () => {
    const look = new ClusterLook([down(40)]);
    look.view.states.set('pods', { state: 'streaming', heardAt: new Date(look.now.getTime() - 200_000) });
    look.pass(30);
    expect(look.fired).toEqual([]);
  });

  it('leave it at the API server when that is away', () => {
    const look = new ClusterLook([]);
    look.view.states.set('pods', { state: 'backoff', heardAt: null });
    look.probes = {
      ...look.probes,
      apiServer: { failures: 3, failingSince: clusterNow, failing: [], detail: 'connection refused' },
    };
    look.pass(300);
    expect(look.fired).toEqual(['control-plane.unreachable P0 Cluster/-/api-server']);
  });
});

describe('the first start (G10)', () => {
  it('puts what is old into one digest, and tells what is new', () => {
    const old = Array.from({ length: 30 }, (_, i) =>
      deployment(`old-${i}`, {
        available: 0,
        unavailableFor: 90_000,
        metadata: { creationTimestamp: ago(400_000) },
      }),
    );
    const look = new ClusterLook([...old, down(40)], { isFirstStart: true });
    look.pass(600);
    expect(look.fired).toEqual([fired, 'watcher.digest P3 Cluster/-/digest']);
  });

  it('ends the digest after a day, and tells what comes back', () => {
    const old = deployment('web', {
      available: 0,
      unavailableFor: 90_000,
      metadata: { creationTimestamp: ago(400_000) },
    });
    const look = new ClusterLook([old], { isFirstStart: true });
    look.pass(100);
    look.view.put(up());
    look.pass(200);
    expect(look.resolved).toEqual(['watcher.digest P3 Cluster/-/digest']);
    look.view.put(
      deployment('web', {
        available: 0,
        unavailableFor: (clusterNow.getTime() - look.now.getTime()) / 1_000,
      }),
    );
    look.pass(60);
    expect(look.fired.at(-1)).toBe(fired);
  });

  it('is over after the first: a second process makes no digest', () => {
    const look = new ClusterLook([], { isFirstStart: true });
    look.step();
    look.view.put(
      deployment('web', {
        available: 0,
        unavailableFor: 90_000,
        metadata: { creationTimestamp: ago(400_000) },
      }),
    );
    look.step();
    expect(look.fired).toEqual([fired]);
  });
});

it('old events after a relist are no news (T19)', () => {
  const look = new ClusterLook([
    node('n1'),
    event({ kind: 'Node', name: 'n1', namespace: 'default' }, 'SystemOOM', { seconds: 1_800 }),
  ]);
  look.pass(60);
  expect(look.fired).toEqual([]);
});

/** Random lives of a few conditions, with restarts of ours and stale data in between. */
describe('whatever happens', () => {
  const names = ['a', 'b', 'c'] as const;
  const condition = (name: string, since: Date | null): Detected => ({
    detector: name === 'c' ? 'other' : 'one',
    rule: 'workload.none-available',
    reason: 'NoPodsAvailable',
    subject: { kind: 'Deployment', namespace: 'shop', name },
    container: null,
    since,
    onset: null,
    stages: [{ afterSeconds: 30, severity: 'P1' }],
    title: name,
    description: '',
    labels: {},
    pods: [],
    nodes: [],
    layer: 40,
    explainedBy: [],
    version: null,
  });
  const moment = fc.record({
    seconds: fc.integer({ min: 1, max: 90 }),
    broken: fc.subarray([...names]),
    stale: fc.boolean(),
    restart: fc.boolean(),
  });

  it('each alert fires and ends in turn, never on stale data, and ends after a minute of health', () => {
    fc.assert(
      fc.property(fc.array(moment, { minLength: 5, maxLength: 60 }), (moments) => {
        let memory: Memory = { ...emptyMemory, startedAt: clusterNow, baselined: new Set(['one', 'other']) };
        let now = clusterNow.getTime();
        const open = new Set<string>();
        const lastBroken = new Map<string, number>();
        for (const { seconds, broken, stale, restart } of moments) {
          now += seconds * 1_000;
          if (restart) memory = revive(memory);
          const evaluated = new Set(stale ? ['one'] : ['one', 'other']);
          const conditions = broken
            .map((name) => condition(name, null))
            .filter(({ detector }) => evaluated.has(detector));
          for (const one of conditions) lastBroken.set(one.subject.name, now);
          const result = step(memory, {
            conditions,
            evaluated,
            baseline: new Set(),
            rules: activeRules({}),
            now: new Date(now),
          });
          memory = result.memory;
          for (const { finding, kind } of result.fire) {
            expect(evaluated.has(finding.condition.detector)).toBe(true);
            expect(broken).toContain(finding.condition.subject.name);
            expect(kind === 'new').toBe(!open.has(finding.key));
            open.add(finding.key);
          }
          for (const finding of result.resolve) {
            expect(evaluated.has(finding.condition.detector)).toBe(true);
            expect(open.delete(finding.key)).toBe(true);
            expect(now - (lastBroken.get(finding.condition.subject.name) ?? 0)).toBeGreaterThanOrEqual(
              holdDownMs,
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  function revive(memory: Memory): Memory {
    const dated = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
    const findings = JSON.parse(JSON.stringify([...memory.findings]), (_key, value: unknown) =>
      typeof value === 'string' && dated.test(value) ? new Date(value) : value,
    ) as [string, never][];
    return { ...memory, findings: new Map(findings) };
  }
});

describe('one cause that shows in several places, one after the other', () => {
  const waiter = pod('needs-claim', {
    metadata: { ownerReferences: [], creationTimestamp: ago(0) },
    spec: { nodeName: undefined, volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }] },
    status: {
      phase: 'Pending',
      conditions: [
        { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: ago(0) },
      ],
      containerStatuses: [],
    },
  });
  const claim = make('PersistentVolumeClaim', 'data', {
    metadata: { creationTimestamp: ago(0) },
    spec: { storageClassName: 'nope' },
    status: { phase: 'Pending' },
  });

  it('a pod says nothing while the wait of the claim it waits for is not over', () => {
    const look = new ClusterLook([...nodes, claim, waiter]);
    look.pass(900);
    expect(look.fired).toEqual(['volume.claim-pending P2 PersistentVolumeClaim/shop/data']);
  });

  it('and speaks for itself when that was not it', () => {
    const look = new ClusterLook([...nodes, claim, waiter]);
    look.pass(200);
    expect(look.fired).toEqual([]);
    look.view.put({ ...claim, status: { phase: 'Bound' } });
    look.pass(200);
    expect(look.fired).toEqual(['pod.unschedulable P2 Pod/shop/needs-claim']);
  });

  it('a rollout that is stuck is not told again as pods that are missing', () => {
    const stuck = deployment('web', {
      replicas: 4,
      available: 2,
      unavailableFor: 0,
      status: {
        updatedReplicas: 2,
        conditions: [
          {
            type: 'Available',
            status: 'False',
            reason: 'MinimumReplicasUnavailable',
            lastTransitionTime: ago(0),
          },
          {
            type: 'Progressing',
            status: 'False',
            reason: 'ProgressDeadlineExceeded',
            lastTransitionTime: ago(0),
          },
        ],
      },
    });
    const look = new ClusterLook([...nodes, stuck]);
    look.pass(1_200);
    expect(look.fired).toEqual(['deployment.stuck P2 Deployment/shop/web']);
  });

  it('a pod that is not ready says nothing while its StatefulSet is about to say more gravely the same', () => {
    const set = make('StatefulSet', 'db', {
      spec: { replicas: 3, serviceName: 'db', selector: { matchLabels: { app: 'db' } } },
      status: { replicas: 3, readyReplicas: 2, currentRevision: 'a', updateRevision: 'a' },
    });
    const one = (name: string, seconds: number | null) =>
      pod(name, {
        metadata: { labels: { app: 'db' }, ...owner('StatefulSet', 'db') },
        status: seconds === null ? {} : { conditions: unready(seconds) },
      });
    const look = new ClusterLook([...nodes, set, one('db-0', null), one('db-1', 0), one('db-2', null)]);
    look.pass(1_200);
    expect(look.fired).toEqual(['stateful-set.partial P2 StatefulSet/shop/db']);
  });

  /** As a kubelet shows it: without a probe it is ready for two seconds after each start. */
  const crashing = (look: ClusterLook, runs: boolean, restarts: number): void => {
    const since = { lastTransitionTime: look.now.toISOString() };
    look.view.put(
      pod('web-1', {
        status: {
          conditions: [{ type: 'Ready', status: runs ? 'True' : 'False', reason: 'x', ...since }],
          containerStatuses: [
            container(
              runs ? { running: { startedAt: look.now.toISOString() } } : waiting('CrashLoopBackOff'),
              {
                ready: runs,
                restartCount: restarts,
                lastState: ended('Error', 1, 0),
              },
            ),
          ],
        },
      }),
    );
    look.view.put(
      deployment('web', {
        replicas: 1,
        available: runs ? 1 : 0,
        status: {
          conditions: [
            { type: 'Available', status: runs ? 'True' : 'False', reason: 'x', ...since },
            { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
          ],
        },
      }),
    );
    look.view.put(
      make('EndpointSlice', 'web-1', {
        metadata: { labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints: [
          { addresses: ['10.0.0.1'], conditions: { ready: runs }, targetRef: { kind: 'Pod', name: 'web-1' } },
        ],
      }),
    );
  };

  it('a workload that crashes between moments of readiness is told once, within a minute', () => {
    const service = make('Service', 'web', { spec: { selector: { app: 'web' } } });
    const look = new ClusterLook([...nodes, replicaSet('web-abc12', 'web'), service]);
    for (let restarts = 1; restarts <= 12; restarts += 1) {
      crashing(look, true, restarts);
      look.pass(2, 2);
      crashing(look, false, restarts);
      look.pass(Math.min(20 * restarts, 50), 10);
      if (restarts === 2) expect(look.fired).toEqual([fired]);
    }
    expect(look.fired).toEqual([fired]);
  });
});
