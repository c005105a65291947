import { setTimeout as sleep } from 'node:timers/promises';
import type { GivenObject } from '../sandbox/kubernetes/object-store.ts';
import { startKubernetesSandbox } from '../sandbox/kubernetes/server.ts';
import { benchCluster } from './cluster-objects.ts';

/**
 * The sandbox's API server in a process of its own, with a large cluster behind it
 * that changes as often as it is told to. Spoken to by messages of its parent.
 */
export type ClusterOrder =
  | { do: 'update'; perSecond: number }
  /** Applied when it is read; the answer says when. */
  | { do: 'apply'; object: GivenObject };
export type ClusterNews = { is: 'serving'; url: string; token: string } | { is: 'applied'; atMs: number };

const compactEveryMs = 30_000;

const say = (news: ClusterNews): void => void process.send?.(news);
const cluster = await startKubernetesSandbox();
const { objects, apps, nodes } = benchCluster(Number(process.argv[2]), new Date());
for (const object of objects) cluster.apply(object);

let perSecond = 0;
let updates = 0;
process.on('message', (order: ClusterOrder) => {
  if (order.do === 'update') perSecond = order.perSecond;
  else {
    cluster.apply(order.object);
    say({ is: 'applied', atMs: Date.now() });
  }
});
process.on('disconnect', () => process.exit());
setInterval(() => cluster.compact(), compactEveryMs);
say({ is: 'serving', url: cluster.url, token: cluster.token() });

/** Of ten changes, seven are of pods; all of them leave everything well. The last workloads are left alone. */
function update(): void {
  updates += 1;
  const still = 40;
  const app = apps[(updates * 7) % (apps.length - still)];
  const node = nodes[updates % (nodes.length - 1)];
  if (app === undefined || node === undefined) return;
  const { name, namespace, pods } = app;
  const mark = { metadata: { annotations: { 'bench/update': String(updates) } } };
  switch (updates % 10) {
    case 0:
      cluster.patch('nodes', null, node, mark);
      return;
    case 1:
      cluster.patch('endpointslices.discovery.k8s.io', namespace, `${name}-x7k2p`, mark);
      return;
    case 2:
      cluster.apply(event(name, namespace, pods[0] ?? ''));
      return;
    default:
      cluster.patch('pods', namespace, pods[updates % pods.length] ?? '', mark);
  }
}

function event(app: string, namespace: string, pod: string): GivenObject {
  const now = new Date().toISOString();
  return {
    kind: 'Event',
    metadata: { name: `${app}.${updates % 2_000}`, namespace },
    type: 'Normal',
    reason: 'Pulled',
    message: 'Container image already present on machine',
    count: updates,
    firstTimestamp: now,
    lastTimestamp: now,
    involvedObject: { kind: 'Pod', namespace, name: pod },
  };
}

/** What is late is caught up with, so that the rate holds whatever the timers do. */
let due = 0;
let countedAt = performance.now();
for (;;) {
  await sleep(10);
  const now = performance.now();
  due = Math.min(perSecond, due + ((now - countedAt) / 1_000) * perSecond);
  countedAt = now;
  for (; due >= 1; due -= 1) update();
}
