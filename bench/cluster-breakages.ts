import type { GivenObject } from '../sandbox/kubernetes/object-store.ts';
import { ago, type App, deployment, nodeObject, podObject, type PodState } from './cluster-objects.ts';

/** What breaks in the bench's cluster. Each wait is over or none, so that what passes until the alert is ours. */
export type Breakage = {
  what: string;
  /** Label `workload` of the alert. */
  workload: string;
  object: GivenObject;
};

const waiting = (reason: string, restartCount = 0): Record<string, unknown> => ({
  ready: false,
  restartCount,
  state: { waiting: { reason, message: reason } },
});

export function breakages(apps: readonly App[], nodes: readonly string[], now: Date): Breakage[] {
  const ended = (reason: string, exitCode: number) => ({
    terminated: { reason, exitCode, startedAt: ago(now, 60), finishedAt: ago(now, 1) },
  });
  const running = { phase: 'Running', isScheduled: true };
  const pods: [string, PodState][] = [
    [
      'crash loop',
      {
        ...running,
        container: { ...waiting('CrashLoopBackOff', 6), lastState: ended('Error', 1) },
        unreadySeconds: 600,
      },
    ],
    [
      'image name',
      { ...running, phase: 'Pending', container: waiting('InvalidImageName'), unreadySeconds: 600 },
    ],
    [
      'out of memory',
      {
        ...running,
        container: {
          ready: true,
          restartCount: 1,
          state: { running: { startedAt: ago(now, 1) } },
          lastState: ended('OOMKilled', 137),
        },
        unreadySeconds: null,
      },
    ],
    ['no node', { phase: 'Pending', container: null, unreadySeconds: 600, isScheduled: false }],
    [
      'not ready',
      { ...running, container: { ready: false, restartCount: 0, state: {} }, unreadySeconds: 900 },
    ],
  ];
  const found: Breakage[] = [];
  // Twice each, on workloads of their own; from the end, where nothing else changes.
  for (let round = 0; round < 2; round += 1) {
    for (const [what, state] of pods) {
      const app = apps[apps.length - 1 - found.length];
      const [name] = app?.pods ?? [];
      if (app === undefined || name === undefined) continue;
      const of = { name, app: app.name, namespace: app.namespace, node: nodes[0] ?? '' };
      found.push({ what, workload: `Deployment/${app.name}`, object: podObject(of, state, now) });
    }
    const down = apps[apps.length - 1 - found.length];
    if (down !== undefined)
      found.push({
        what: 'no pod available',
        workload: `Deployment/${down.name}`,
        object: deployment(down.name, down.namespace, 0, now),
      });
  }
  const node = nodes.at(-1) ?? '';
  found.push({ what: 'node', workload: `Node/${node}`, object: nodeObject(node, false, now) });
  return found;
}
