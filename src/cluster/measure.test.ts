import { describe, expect, it } from 'vitest';
import { ClusterLook } from '../../test/support/cluster-look.ts';
import { clusterNow, deployment, node, TestView } from '../../test/support/cluster-objects.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { countLook, measureCluster } from './measure.ts';

const before = (seconds: number): Date => new Date(clusterNow.getTime() - seconds * 1_000);

async function samples(metrics: Metrics): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith('gomon_cluster_'));
}
const but = (pattern: RegExp) => (line: string) => !pattern.test(line);

describe('the measures of the watch over a cluster', () => {
  it('say who leads, how old each kind is, and what is wrong', async () => {
    const metrics = createMetrics();
    const view = new TestView();
    view.states.set('pods', { state: 'streaming', heardAt: before(30) });
    view.states.set('nodes', { state: 'backoff', heardAt: before(200) });
    view.states.set('secrets', { state: 'forbidden', heardAt: before(9_000) });
    const collections = [
      { resource: 'pods', objects: 5 },
      { resource: 'pods', objects: 2 },
      { resource: 'nodes', objects: 3 },
      { resource: 'secrets', objects: 0 },
    ];
    const look = new ClusterLook([deployment('web', { available: 0, unavailableFor: 40 })]);
    look.step();
    measureCluster(metrics, 'c', { leads: true, memory: look.memory, view, collections }, clusterNow);
    expect((await samples(metrics)).filter(but(/evaluation/))).toEqual([
      'gomon_cluster_leader{cluster="c"} 1',
      'gomon_cluster_watch_age_seconds{resource="pods"} 30',
      'gomon_cluster_watch_age_seconds{resource="nodes"} 200',
      'gomon_cluster_objects{resource="pods"} 7',
      'gomon_cluster_objects{resource="nodes"} 3',
      'gomon_cluster_objects{resource="secrets"} 0',
      'gomon_cluster_kinds{state="streaming"} 1',
      'gomon_cluster_kinds{state="backoff"} 1',
      'gomon_cluster_kinds{state="forbidden"} 1',
      'gomon_cluster_findings{state="pending"} 0',
      'gomon_cluster_findings{state="suppressed"} 0',
      'gomon_cluster_findings{state="digested"} 0',
      'gomon_cluster_findings{state="firing"} 1',
    ]);
    // What the process that led said of findings is not said any more.
    measureCluster(metrics, 'c', { leads: false, memory: null, view, collections: [] }, clusterNow);
    expect((await samples(metrics)).filter(but(/evaluation/))).toEqual([
      'gomon_cluster_leader{cluster="c"} 0',
    ]);
  });

  it('count how long it took to tell, of what went wrong while somebody watched', async () => {
    const metrics = createMetrics();
    const look = new ClusterLook([
      ...['n1', 'n2', 'n3', 'n4', 'n5'].map((name) => node(name)),
      deployment('web', { available: 0, unavailableFor: 25 }),
      deployment('old', { available: 0, unavailableFor: 7_200 }),
    ]);
    const fired = () => {
      const { fire } = look.step();
      const more = { at: new Date(look.now.getTime() + 500), firstLookAt: look.memory.startedAt };
      for (const one of fire) countLook(metrics, { kind: 'fired', fire: one, ...more });
    };
    fired();
    look.now = new Date(clusterNow.getTime() + 10_000);
    fired();
    countLook(metrics, { kind: 'fired', fire: firingAgain(look), at: look.now, firstLookAt: before(9_000) });
    expect((await samples(metrics)).filter((line) => /detection_seconds_(?:sum|count)/.test(line))).toEqual([
      'gomon_cluster_detection_seconds_sum{severity="P1"} 35.5',
      'gomon_cluster_detection_seconds_count{severity="P1"} 1',
    ]);
  });
});

/** An alert that is told again because it changed. */
function firingAgain(look: ClusterLook) {
  const [finding] = [...look.memory.findings.values()].filter(({ state }) => state === 'firing');
  if (finding === undefined) throw new Error('nothing fires');
  return { finding, secondaries: [], kind: 'changed' as const };
}
