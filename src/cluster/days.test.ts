import { describe, expect, it } from 'vitest';
import { ClusterLook } from '../../test/support/cluster-look.ts';
import { clusterNow } from '../../test/support/cluster-objects.ts';
import { ModelCluster } from '../../test/support/model-cluster.ts';
import { History } from './history.ts';

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const dayMs = 86_400_000;

/** A cluster that has been running for a day: six nodes, some Deployments, a database, DaemonSets, DNS. */
function start(seed: number): {
  look: ClusterLook;
  model: ModelCluster;
  pass: (seconds: number, every?: number) => void;
} {
  const look = new ClusterLook([]);
  const model = new ModelCluster(look.view, new Date(clusterNow.getTime() - 3_600_000), numbers(seed));
  for (let i = 0; i < 6; i += 1) model.addNode(dayMs);
  const createdAt = model.now - dayMs;
  for (const [name, replicas] of [
    ['web', 4],
    ['api', 3],
    ['cart', 2],
    ['mail', 1],
    ['old', 1],
    ['search', 6],
  ] as const)
    model.addApp(name, { replicas, recreate: name === 'old', createdAt });
  model.addApp('db', { kind: 'StatefulSet', replicas: 3, createdAt });
  model.addApp('cache', { kind: 'StatefulSet', replicas: 1, createdAt });
  model.addApp('agent', { kind: 'DaemonSet', createdAt });
  model.addApp('kube-proxy', { kind: 'DaemonSet', namespace: 'kube-system', createdAt });
  model.addApp('coredns', { namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' }, createdAt });
  while (model.now < clusterNow.getTime()) model.tick(20_000);
  const pass = (seconds: number, every = 5): void => {
    for (let i = 0; i < seconds; i += every) {
      model.tick(every * 1_000);
      look.now = new Date(model.now);
      look.step();
    }
  };
  pass(60);
  return { look, model, pass };
}

/** What a process that starts anew knows: memory and history from the database. */
function restart(look: ClusterLook): void {
  const saved = look.history.save();
  look.history = new History(look.now);
  look.history.restore(saved);
}

describe('a quiet day', () => {
  it.each([1, 2, 3, 4])('of 250 ordinary operations gives no alert (seed %i)', (seed) => {
    const { look, model, pass } = start(seed);
    const drained: string[] = [];
    const deployments = () => [...model.apps.values()].filter(({ kind }) => kind === 'Deployment');
    const anyApp = () => [...model.apps.values()][model.between(0, model.apps.size - 1)];
    const operations: (() => void)[] = [
      () => {
        const app = anyApp();
        if (app !== undefined) app.revision += 1;
      },
      () => {
        const app = deployments()[model.between(0, 5)];
        if (app !== undefined && app.name !== 'coredns') app.replicas = model.between(1, 8);
      },
      () => {
        const app = deployments()[model.between(0, 5)];
        if (app !== undefined && app.name !== 'coredns') app.replicas = app.replicas === 0 ? 3 : 0;
      },
      () => model.runJob(),
      () => model.runJob(),
      () => {
        if (drained.length > 0) return;
        const name = [...model.nodes.keys()][model.between(0, model.nodes.size - 1)];
        if (name === undefined) return;
        drained.push(name);
        model.drain(name);
      },
      () => {
        const name = drained.pop();
        if (name !== undefined) model.uncordon(name);
      },
      () => restart(look),
      () => {
        if (model.nodes.size < 10) model.addNode();
      },
      () => {
        // A deleted pod of an app with others.
        const app = deployments().find(({ replicas }) => replicas > 2);
        const pod =
          app === undefined ? undefined : model.podsOf(app.name).find(({ readyAt }) => readyAt !== null);
        if (pod !== undefined) model.deletePod(pod);
      },
    ];
    for (let i = 0; i < 250; i += 1) {
      operations[model.between(0, operations.length - 1)]?.();
      pass(model.between(1, 12) * 10, 10);
      expect(look.fired, `after operation ${i}`).toEqual([]);
    }
  });
});

describe('a bad day', () => {
  it('a node that dies is one alert, within a minute of its condition', () => {
    const { look, model, pass } = start(11);
    const [name = ''] = [...model.nodes.keys()];
    model.silence(name);
    pass(40);
    expect(look.fired).toEqual([]);
    pass(60);
    expect(look.fired).toHaveLength(1);
    expect(look.fired[0]).toMatch(new RegExp(`^node\\.not-ready\\S* P[12] Node/-/${name}$`));
    pass(240);
    expect(look.fired).toHaveLength(1);
  });

  it('a bad image on a Deployment that takes its old pods first is one alert, within a minute', () => {
    const { look, model, pass } = start(12);
    const app = model.apps.get('old');
    if (app === undefined) throw new Error('no app');
    app.failing = { from: 2, how: 'image' };
    app.revision = 2;
    pass(70);
    expect(look.fired).toEqual(['workload.none-available P1 Deployment/shop/old']);
    pass(900);
    expect(look.fired).toHaveLength(1);
  });

  it('a bad image in a careful rollout is one alert for its pods', () => {
    const { look, model, pass } = start(13);
    const app = model.apps.get('web');
    if (app === undefined) throw new Error('no app');
    app.failing = { from: 2, how: 'image' };
    app.revision = 2;
    pass(150);
    expect(look.fired).toEqual(['pod.image-pull P3 Deployment/shop/web']);
    pass(600);
    expect(look.fired).toHaveLength(1);
    app.failing = null;
    pass(300);
    expect(look.resolved).toEqual(look.fired);
  });

  it('a workload whose pods all begin to crash is one alert, and one end', () => {
    const { look, model, pass } = start(14);
    const app = model.apps.get('api');
    if (app === undefined) throw new Error('no app');
    app.failing = { from: 1, how: 'crash' };
    pass(60);
    expect(look.fired).toEqual(['workload.none-available P1 Deployment/shop/api']);
    pass(900);
    expect(look.fired).toHaveLength(1);
    app.failing = null;
    app.revision += 1;
    pass(900);
    expect(look.resolved).toEqual(look.fired);
  });

  it('cluster DNS without pods is P0 within a minute', () => {
    const { look, model, pass } = start(15);
    const app = model.apps.get('coredns');
    if (app === undefined) throw new Error('no app');
    app.failing = { from: 1, how: 'never-ready' };
    pass(45);
    expect(look.fired).toEqual(['workload.platform-down P0 Deployment/kube-system/coredns']);
    pass(600);
    expect(look.fired).toHaveLength(1);
  });

  it.each([3, 4, 6])('%i of six nodes lost are one alert, and one end', (lost) => {
    const { look, model, pass } = start(16);
    const names = [...model.nodes.keys()].slice(0, lost);
    for (const name of names) model.silence(name);
    pass(100);
    expect(look.fired).toEqual(['node.not-ready.most P0 Cluster/-/nodes']);
    pass(900);
    expect(look.fired).toHaveLength(1);
    for (const name of names) model.restore(name);
    pass(600);
    expect([look.fired, look.resolved]).toEqual([look.resolved, look.fired]);
    expect(look.fired).toHaveLength(1);
  });
});
