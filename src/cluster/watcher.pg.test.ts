import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describeSignal } from '../alerts/describe.ts';
import type { AlertSignal } from '../alerts/source.ts';
import { defaultSourceRules } from '../alerts/source-rules.ts';
import { Leadership } from '../db/leadership.ts';
import {
  ago,
  clusterNow,
  container,
  deployment,
  ended,
  node,
  pod,
  replicaSet,
  TestView,
  unready,
  waiting,
} from '../../test/support/cluster-objects.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { clusterEvents, clusterHealth, clusterPods, openClusterAlerts } from './cluster-queries.ts';
import { activeRules } from './rules.ts';
import { recentSnapshots, storeSnapshot, thinSnapshots } from './snapshot-store.ts';
import { takeSnapshot } from './snapshot.ts';
import { ClusterWatcher, type WatcherEvent } from './watcher.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

/** A process with a watcher; the clock is moved by hand. */
function process(view: TestView, now: { at: Date }, options: { refuse?: () => boolean; logs?: string } = {}) {
  const events: WatcherEvent[] = [];
  const submitted: AlertSignal[] = [];
  const watcher = new ClusterWatcher({
    db: database.db,
    view,
    cluster: 'test',
    rules: activeRules({}),
    clock: { now: () => now.at },
    onChange: () => () => undefined,
    submit: async (signals) => {
      if (options.refuse?.() === true) return false;
      submitted.push(...signals);
      const described = signals.map((signal) => describeSignal(signal, defaultSourceRules, 'kubernetes'));
      await database.store(described, now.at, 'kubernetes');
      return true;
    },
    readLogs: () => Promise.resolve(options.logs ?? null),
    observe: (event) => events.push(event),
  });
  return { watcher, submitted, events };
}

const crashing = pod('web-1', {
  status: {
    conditions: unready(70),
    containerStatuses: [
      container(waiting('CrashLoopBackOff'), { restartCount: 5, lastState: ended('Error', 1, 30) }),
    ],
  },
});
const broken = () => [
  node('n1'),
  node('n2'),
  replicaSet('web-abc12', 'web'),
  deployment('web', { replicas: 2, available: 0, unavailableFor: 70 }),
  crashing,
];
const later = (now: { at: Date }, seconds: number) => {
  now.at = new Date(now.at.getTime() + seconds * 1_000);
};

describe('the watcher', () => {
  it('takes an alert in with what is known about it, and resolves it', async () => {
    const view = new TestView(broken());
    const now = { at: clusterNow };
    const { watcher, submitted } = process(view, now, { logs: 'panic: no database' });
    await watcher.evaluate();
    expect(submitted.map(({ status, labels }) => `${status} ${labels['alertname']}`)).toEqual([
      'firing NoPodsAvailable',
    ]);
    const alert = await database.row<Record<string, unknown>>('SELECT * FROM alerts_active');
    expect(alert).toMatchObject({
      severity: 'P1',
      namespace: 'shop',
      status: 'firing',
      source: 'kubernetes',
    });
    expect(alert['labels']).toMatchObject({
      cluster: 'test',
      workload: 'Deployment/web',
      deployment: 'web',
      reason: 'NoPodsAvailable',
    });
    expect(alert['annotations']).toMatchObject({
      pods: 'web-1',
      restarts: 'web-1: 5',
      owners: 'Pod/web-1 -> ReplicaSet/web-abc12 -> Deployment/web',
    });
    view.put(deployment('web', { replicas: 2 }));
    view.put(pod('web-1'));
    await watcher.evaluate();
    later(now, 61);
    await watcher.evaluate();
    expect(await database.row('SELECT status FROM alerts_active')).toEqual({ status: 'resolved' });
  });

  it('goes on after a restart without repeating anything', async () => {
    const view = new TestView(broken());
    const now = { at: clusterNow };
    await process(view, now).watcher.evaluate();
    later(now, 30);
    const second = process(view, now);
    await second.watcher.evaluate();
    expect(second.submitted).toEqual([]);
    view.put(deployment('web', { replicas: 2 }));
    view.put(pod('web-1'));
    later(now, 5);
    await second.watcher.evaluate();
    later(now, 30);
    const third = process(view, now);
    await third.watcher.evaluate();
    later(now, 31);
    await third.watcher.evaluate();
    expect(third.submitted.map(({ status }) => status)).toEqual(['resolved']);
  });

  it('decides the same again when an alert could not be taken in', async () => {
    const view = new TestView(broken());
    const now = { at: clusterNow };
    let isFull = true;
    const { watcher, submitted } = process(view, now, { refuse: () => isFull });
    await watcher.evaluate();
    isFull = false;
    later(now, 1);
    await watcher.evaluate();
    expect(submitted.map(({ status }) => status)).toEqual(['firing']);
  });

  it('adds the last log lines to what crashes', async () => {
    const view = new TestView([
      ...broken().slice(0, 3),
      deployment('web', { replicas: 3, available: 2 }),
      pod('web-2'),
      pod('web-3'),
      crashing,
    ]);
    const now = { at: clusterNow };
    const { watcher, submitted } = process(view, now, { logs: 'panic: no database' });
    await watcher.evaluate();
    later(now, 61);
    await watcher.evaluate();
    expect(submitted.map(({ explicit }) => explicit.description?.includes('panic: no database'))).toContain(
      true,
    );
  });

  it('leads in one process at a time; another takes over when that one ends', async () => {
    const led: string[] = [];
    const leaders: { name: string; end: () => void }[] = [];
    const started = new Map<string, () => void>();
    const leader = (name: string): Leadership =>
      new Leadership({
        url: database.url,
        lock: 99_007,
        askEveryMs: 20,
        onError: () => undefined,
        lead: async (signal) => {
          led.push(name);
          started.get(name)?.();
          const { promise, resolve } = Promise.withResolvers<void>();
          leaders.push({ name, end: resolve });
          signal.addEventListener('abort', () => resolve(), { once: true });
          await promise;
        },
      });
    const begun = (name: string): Promise<void> => new Promise((resolve) => started.set(name, resolve));
    const [first, second] = [leader('first'), leader('second')];
    const firstBegun = begun('first');
    first.start();
    await firstBegun;
    const secondBegun = begun('second');
    second.start();
    expect(second.leading).toBe(false);
    await first.stop();
    await secondBegun;
    expect([led, first.leading, second.leading]).toEqual([['first', 'second'], false, true]);
    await second.stop();
  });

  it('lets another take over when the process hangs', async () => {
    const { promise: taken, resolve } = Promise.withResolvers<void>();
    const isAborted: boolean[] = [];
    // It never checks its lock, as a frozen process does not.
    const hanging = new Leadership({
      url: database.url,
      lock: 99_009,
      checkEveryMs: 60_000,
      idleTimeoutMs: 200,
      onError: () => undefined,
      lead: async (signal) => {
        next.start();
        await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
        isAborted.push(signal.aborted);
      },
    });
    const next = new Leadership({
      url: database.url,
      lock: 99_009,
      askEveryMs: 20,
      onError: () => undefined,
      lead: async (signal) => {
        resolve();
        await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
      },
    });
    hanging.start();
    await taken;
    await next.stop();
    await hanging.stop();
    expect(isAborted).toEqual([true]);
  });

  it('lets another take over when its connection breaks', async () => {
    const { promise: again, resolve } = Promise.withResolvers<void>();
    let times = 0;
    const leadership = new Leadership({
      url: database.url,
      lock: 99_008,
      askEveryMs: 20,
      onError: () => undefined,
      lead: async (signal) => {
        times += 1;
        if (times === 2) resolve();
        else
          await database.rows(
            `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 99008`,
          );
        if (!signal.aborted)
          await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
      },
    });
    leadership.start();
    await again;
    await leadership.stop();
    expect(times).toBe(2);
  });
});

describe('snapshots', () => {
  it('are thinned with age', async () => {
    const snapshot = takeSnapshot(new TestView(broken()));
    const at = (hours: number, minutes = 0) =>
      new Date(clusterNow.getTime() - hours * 3_600_000 - minutes * 60_000);
    const times = [
      at(1),
      at(1, 1),
      at(48),
      at(48, 1),
      at(48, 2),
      at(49),
      at(40 * 24),
      at(40 * 24, 1),
      at(40 * 24 + 2),
      at(366 * 24),
    ];
    for (const time of times) await storeSnapshot(database.db, snapshot, time);
    await thinSnapshots(database.db, clusterNow);
    const kept = await database.rows<{ age: number }>(
      `SELECT round(extract(epoch FROM $1::timestamptz - snapshot_time) / 3600)::int AS age FROM cluster_health ORDER BY snapshot_time DESC`,
      [clusterNow],
    );
    expect(kept.map(({ age }) => age)).toEqual([1, 1, 48, 49, 962]);
    const recent = await recentSnapshots(database.db, at(2), 10);
    expect(recent.map(({ nodes, readyNodes, pods }) => [nodes, readyNodes, pods])).toEqual([
      [2, 2, 1],
      [2, 2, 1],
    ]);
  });
});

describe('what the pages ask', () => {
  it('links pods and events with the open alerts about them', async () => {
    const view = new TestView(broken());
    view.put({
      kind: 'Event',
      metadata: { name: 'e1', namespace: 'shop', uid: 'e1' },
      type: 'Warning',
      reason: 'BackOff',
      lastTimestamp: ago(10),
      involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web-1' },
    });
    view.put({
      kind: 'Event',
      metadata: { name: 'e2', namespace: 'shop', uid: 'e2' },
      type: 'Normal',
      reason: 'Pulled',
      lastTimestamp: ago(20),
      involvedObject: { kind: 'Pod', namespace: 'shop', name: 'other' },
    });
    await process(view, { at: clusterNow }).watcher.evaluate();
    const alerts = await openClusterAlerts(database.db, 'test');
    const [alert] = alerts;
    expect(alert).toMatchObject({ severity: 'P1', workload: 'Deployment/web', pods: ['web-1'] });
    expect(await openClusterAlerts(database.db, 'another')).toEqual([]);

    const pods = clusterPods(view, alerts, { unhealthy: true }, { limit: 10, after: null });
    expect(pods.items).toMatchObject([
      {
        name: 'web-1',
        reason: 'CrashLoopBackOff',
        restarts: 5,
        workload: { kind: 'Deployment', name: 'web' },
        alertIds: [alert?.id],
        events: [{ reason: 'BackOff' }],
      },
    ]);

    const events = clusterEvents(view, alerts, {}, { limit: 1, after: null });
    expect(events.items).toMatchObject([{ reason: 'BackOff', severity: 'P1', alertIds: [alert?.id] }]);
    const next = clusterEvents(view, alerts, {}, { limit: 1, after: { key: ago(10), id: 'e1' } });
    expect([next.items.map(({ reason, severity }) => `${reason} ${severity}`), next.nextCursor]).toEqual([
      ['Pulled P4'],
      null,
    ]);
    expect(
      clusterEvents(view, alerts, { severity: ['P1'], namespace: ['shop'] }, { limit: 10, after: null })
        .items,
    ).toHaveLength(1);

    const health = clusterHealth(view, alerts, clusterNow);
    expect(health).toMatchObject({ status: 'degraded', alerts: { P1: 1 }, snapshot: { nodes: 2, pods: 1 } });
    view.states.set('pods', { state: 'backoff', heardAt: null });
    expect(clusterHealth(view, alerts, clusterNow).status).toBe('unknown');
  });
});
