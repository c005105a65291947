import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { fields, isTerminating, number, text } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { workloadStatus } from '../workload-status.ts';
import { explainedBy, whatIsWrong } from './deployments.ts';
import { nameOf } from './pod-findings.ts';

/** StatefulSets (specification §2.4). They carry no times, so all waits count from our first sight. */
export function detectStatefulSets(scene: Scene): Condition[] {
  const { history, now, rules } = scene;
  return scene.view.list('statefulsets.apps').flatMap((set) => {
    const spec = fields(set.spec);
    const desired = number(spec['replicas'], 1);
    if (isTerminating(set) || isIgnored(set) || desired === 0) return [];
    const subject = subjectOf('StatefulSet', set);
    const state = workloadStatus(scene, subject);
    const common = {
      subject,
      layer: layers.workload,
      pods: state.unready.map(({ pod }) => pod.metadata.name).toSorted(),
      explainedBy: explainedBy(subject, state),
      description: whatIsWrong(state, ''),
    };
    if (state.available === 0) {
      if (state.grace) return [];
      return condition(rules, {
        ...common,
        rule: 'workload.none-available',
        reason: 'NoPodsAvailable',
        since: history.seen(`none/${refOf(subject)}`, now),
        onset: state.unready.map(({ facts }) => facts.ready?.since ?? null)[0] ?? null,
        title: `${nameOf(subject)}: none of ${desired} pods is ready`,
      });
    }
    const status = fields(set.status);
    const isRolling = text(status['updateRevision']) !== text(status['currentRevision']);
    if (state.available < desired && !isRolling) {
      const rule = rules['stateful-set.partial'];
      const { perOrdinalSeconds = 60 } = rule.thresholds;
      // Ordered start-up brings one pod after the other.
      const more = text(spec['podManagementPolicy']) === 'Parallel' ? 0 : (desired - 1) * perOrdinalSeconds;
      return condition(rules, {
        ...common,
        rule: 'stateful-set.partial',
        reason: 'TooFewPods',
        since: history.seen(`few/${refOf(subject)}`, now),
        stages: rule.stages.map((stage) => ({ ...stage, afterSeconds: stage.afterSeconds + more })),
        title: `${nameOf(subject)}: ${state.available} of ${desired} pods ready`,
      });
    }
    const update = fields(spec['updateStrategy']);
    const partition = number(fields(update['rollingUpdate'])['partition'], 0);
    // OnDelete and a partition stop where somebody wants them to.
    if (!isRolling || partition > 0 || text(update['type']) === 'OnDelete') return [];
    const updated = number(status['updatedReplicas'], 0);
    return condition(rules, {
      ...common,
      rule: 'stateful-set.rollout-stuck',
      reason: 'RolloutStuck',
      since: history.seen(`rollout/${refOf(subject)}/${text(status['updateRevision'])}/${updated}`, now),
      title: `${nameOf(subject)}: the rollout stands still at ${updated} of ${desired} pods`,
    });
  });
}
