import { type Condition, condition, refOf, subjectOf } from '../condition.ts';
import { fields, isTerminating, list, number, statusCondition, text } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { workloadObject } from '../owners.ts';
import { nameOf } from './pod-findings.ts';

/** Horizontal autoscalers (specification §2.4): at their maximum, or without what they scale by. */
export function detectAutoscalers(scene: Scene): Condition[] {
  return scene.view.list('horizontalpodautoscalers.autoscaling').flatMap((hpa) => {
    if (isTerminating(hpa) || isIgnored(hpa)) return [];
    const subject = subjectOf('HorizontalPodAutoscaler', hpa);
    const spec = fields(hpa.spec);
    const active = statusCondition(hpa, 'ScalingActive');
    // Guard G7: its target is scaled to zero.
    if (active?.reason === 'ScalingDisabled') return [];
    const target = fields(spec['scaleTargetRef']);
    const workload = {
      kind: text(target['kind']) ?? '',
      namespace: hpa.metadata.namespace ?? null,
      name: text(target['name']) ?? '',
    };
    if (number(fields(workloadObject(scene.view, workload)?.spec)['replicas'], 1) === 0) return [];
    const broken = [statusCondition(hpa, 'AbleToScale'), active].find((one) => one?.status === 'False');
    if (broken !== undefined) {
      return condition(scene.rules, {
        rule: 'hpa.broken',
        reason: 'ScalingBroken',
        subject,
        since: broken.since,
        title: `${nameOf(subject)} cannot scale (${broken.reason})`,
        description: broken.message,
        explainedBy: [[refOf(workload)]],
      });
    }
    const limited = statusCondition(hpa, 'ScalingLimited');
    const most = number(spec['maxReplicas'], 0);
    if (
      limited?.status !== 'True' ||
      limited.reason !== 'TooManyReplicas' ||
      number(spec['minReplicas'], 1) === most
    )
      return [];
    const over = isOverTarget(spec, fields(hpa.status));
    return condition(scene.rules, {
      rule: over === null ? 'hpa.maxed' : 'hpa.maxed.over-target',
      reason: 'MaxedOut',
      subject,
      since: limited.since,
      title: `${nameOf(subject)} is at its maximum of ${most}`,
      description: over ?? limited.message,
    });
  });
}

/** CPU use beside its target, where it still exceeds it at the maximum. */
function isOverTarget(spec: Record<string, unknown>, status: Record<string, unknown>): string | null {
  for (const metric of list(spec['metrics'])) {
    const resource = fields(metric['resource']);
    const target = number(fields(resource['target'])['averageUtilization']);
    const current = list(status['currentMetrics'])
      .map((one) => fields(one['resource']))
      .find((one) => one['name'] === resource['name']);
    const used = number(fields(current?.['current'])['averageUtilization']);
    if (target !== null && used !== null && used > target)
      return `${text(resource['name']) ?? ''} use is ${used} %, the target ${target} %.`;
  }
  return null;
}
