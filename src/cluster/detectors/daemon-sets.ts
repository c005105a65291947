import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { fields, isTerminating, number } from '../fields.ts';
import type { Stage } from '../rules.ts';
import { isIgnored, isNetworkPlugin, type Scene } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';
import { explainedBy, whatIsWrong } from './deployments.ts';
import { nameOf } from './pod-findings.ts';

/**
 * DaemonSets (specification §2.4). What is missing on nodes that are broken or in
 * maintenance is those nodes' business and not counted. kube-proxy and the
 * network plugins weigh more: without them a node has no network.
 */
export function detectDaemonSets(scene: Scene): Condition[] {
  const { history, index, now, rules } = scene;
  return scene.view.list('daemonsets.apps').flatMap((set) => {
    if (isTerminating(set) || isIgnored(set)) return [];
    const subject = subjectOf('DaemonSet', set);
    const ref = refOf(subject);
    const status = fields(set.status);
    const desired = number(status['desiredNumberScheduled'], 0);
    const found: Condition[] = [];
    const misscheduled = number(status['numberMisscheduled'], 0);
    if (misscheduled > 0) {
      found.push(
        ...condition(rules, {
          rule: 'daemon-set.misscheduled',
          reason: 'Misscheduled',
          subject,
          since: history.seen(`misscheduled/${ref}`, now),
          title: `${nameOf(subject)}: ${misscheduled} pods run where they should not`,
          description: '',
        }),
      );
    }
    if (desired === 0) return found;
    const state = workloadStatus(scene, subject);
    const away = new Set([...index.brokenNodes, ...index.maintenanceNodes]);
    const pods = index.podsByWorkload.get(ref) ?? [];
    const excused = new Set(
      pods
        .filter(({ facts }) => !facts.isReady && facts.node !== null && away.has(facts.node))
        .map(({ facts }) => facts.node),
    );
    // A pod that is not even there on a broken node is excused as well.
    const running = new Set(pods.map(({ facts }) => facts.node));
    for (const node of away) if (!running.has(node)) excused.add(node);
    const missing = Math.max(
      number(status['numberUnavailable']) ?? desired - state.available,
      desired - number(status['currentNumberScheduled'], desired),
    );
    const unexcused = missing - excused.size;
    if (unexcused <= 0) return found;
    const isNetwork = isNetworkPlugin(set.metadata.name);
    const { percent = 50 } = rules['network-plugin.most'].thresholds;
    const isMost = unexcused > (desired * percent) / 100;
    // Guard G2 and the start of a new node: one pod after the other is on its way.
    const isStarting =
      state.failing.length === 0 &&
      state.unready.length > 0 &&
      state.unready.every(
        ({ facts, pod }) =>
          !facts.wasReady && now.getTime() - Date.parse(pod.metadata.creationTimestamp ?? '') < 120_000,
      );
    if (isStarting) return found;
    const rule = !isNetwork
      ? 'daemon-set.partial'
      : isMost
        ? 'network-plugin.most'
        : 'network-plugin.partial';
    found.push(
      ...condition(rules, {
        rule,
        reason: 'PodsMissing',
        subject,
        stages: state.rolling && state.failing.length === 0 ? later(rules[rule].stages) : rules[rule].stages,
        since: history.seen(`missing/${ref}`, now),
        title: `${nameOf(subject)}: ${unexcused} of ${desired} pods missing`,
        description: whatIsWrong(state, ''),
        pods: state.unready.map(({ pod }) => pod.metadata.name).toSorted(),
        nodes: [...new Set(state.unready.flatMap(({ facts }) => facts.node ?? []))].toSorted(),
        layer: layers.workload,
        explainedBy: explainedBy(subject, state),
      }),
    );
    return found;
  });
}

/** Guard G2: a rollout takes one pod after the other. One that stands still is trouble all the same. */
const rolloutSeconds = 600;

function later(stages: Stage[]): Stage[] {
  return stages.map((stage) => ({ ...stage, afterSeconds: stage.afterSeconds + rolloutSeconds }));
}
