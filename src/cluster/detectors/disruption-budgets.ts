import { type Condition, condition, layers, refOf, subjectOf } from '../condition.ts';
import { fields, isTerminating, labelsOf, number, selects, statusCondition } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/** Disruption budgets with fewer healthy pods than they demand (specification §2.4). */
export function detectDisruptionBudgets(scene: Scene): Condition[] {
  return scene.view.list('poddisruptionbudgets.policy').flatMap((budget) => {
    if (isTerminating(budget) || isIgnored(budget)) return [];
    const status = fields(budget.status);
    const healthy = number(status['currentHealthy'], 0);
    const desired = number(status['desiredHealthy'], 0);
    if (healthy >= desired || number(status['expectedPods'], 0) === 0) return [];
    const subject = subjectOf('PodDisruptionBudget', budget);
    const selector = fields(fields(budget.spec)['selector'])['matchLabels'];
    const workloads = new Set(
      scene.index.pods
        .filter(
          ({ pod }) =>
            pod.metadata.namespace === budget.metadata.namespace && selects(selector, labelsOf(pod)),
        )
        .map(({ ref }) => ref),
    );
    const allowed = statusCondition(budget, 'DisruptionAllowed');
    return condition(scene.rules, {
      rule: 'pdb.unhealthy',
      reason: 'TooFewHealthy',
      subject,
      since: scene.history.seen(`pdb/${refOf(subject)}`, scene.now),
      onset: allowed?.status === 'False' ? allowed.since : null,
      title: `${nameOf(subject)}: ${healthy} healthy pods, ${desired} demanded`,
      description: 'Nothing may be evicted meanwhile: drains and upgrades of nodes wait.',
      layer: layers.budget,
      explainedBy: workloads.size === 0 ? [] : [[...workloads]],
    });
  });
}
