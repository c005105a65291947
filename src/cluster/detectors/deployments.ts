import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, earliest, layers, refOf, subjectOf } from '../condition.ts';
import { fields, intOrPercent, isTerminating, number, statusCondition } from '../fields.ts';
import { isIgnored, platformPart, type Scene, underNodes } from '../scene.ts';
import { type WorkloadStatus, workloadStatus } from '../workload-status.ts';
import { nameOf, oneUp } from './pod-findings.ts';

/** Deployments whose rollout hangs or whose pods are missing (specification §2.4, guards G2, G3, G7). */
export function detectDeployments(scene: Scene): Condition[] {
  return scene.view.list('deployments.apps').flatMap((deployment) => {
    const spec = fields(deployment.spec);
    const desired = number(spec['replicas'], 1);
    if (isTerminating(deployment) || isIgnored(deployment) || desired === 0 || spec['paused'] === true)
      return [];
    const subject = subjectOf('Deployment', deployment);
    const status = workloadStatus(scene, subject);
    const name = nameOf(subject);
    const common = {
      subject,
      layer: layers.workload,
      pods: status.unready.map(({ pod }) => pod.metadata.name).toSorted(),
      explainedBy: explainedBy(subject, status),
    };
    const found: Condition[] = [];
    const progressing = statusCondition(deployment, 'Progressing');
    const isStuck = progressing?.status === 'False' && progressing.reason === 'ProgressDeadlineExceeded';
    if (isStuck && status.available > 0) {
      found.push(
        ...condition(scene.rules, {
          ...common,
          rule: 'deployment.stuck',
          reason: 'ProgressDeadlineExceeded',
          since: progressing.since,
          title: `${name}: the rollout is stuck`,
          description: whatIsWrong(status, progressing.message),
        }),
      );
    }
    const failure = statusCondition(deployment, 'ReplicaFailure');
    if (failure?.status === 'True') {
      found.push(
        ...condition(scene.rules, {
          ...common,
          rule: 'workload.replica-failure',
          reason: 'ReplicaFailure',
          since: failure.since,
          title: `${name}: pods cannot be created`,
          description: `${failure.reason}: ${failure.message}`,
          layer: layers.pods,
          explainedBy: [[refOf(subject)]],
        }),
      );
    }
    if (status.available === 0) found.push(...noneAvailable(scene, status, common, isStuck, desired));
    else if (status.available < desired) found.push(...tooFew(scene, status, common, desired));
    return found;
  });
}

type Common = Pick<Condition, 'subject' | 'layer' | 'pods' | 'explainedBy'>;

/** Its pods' own findings, or the nodes that all of its missing pods are on. */
export function explainedBy(subject: Condition['subject'], status: WorkloadStatus): string[][] {
  return [[refOf(subject)], ...underNodes(status.unready)];
}

export function whatIsWrong(status: WorkloadStatus, message: string): string {
  const lines = [`${status.available} of ${status.desired} pods are available.`];
  if (status.failing.length > 0) lines.push(`Pods fail with ${status.failing.join(', ')}.`);
  if (message !== '') lines.push(message);
  return lines.join('\n');
}

function noneAvailable(
  scene: Scene,
  status: WorkloadStatus,
  common: Common,
  isStuck: boolean,
  desired: number,
): Condition[] {
  const { object } = status;
  if (object === undefined || status.grace) return [];
  const available = statusCondition(object, 'Available');
  const isAvailable = available?.status === 'True';
  // The controller has not counted yet.
  if (isAvailable && number(fields(object.status)['replicas'], 0) === 0) return [];
  // Its first rollout: what has never been there is not lost, until the deadline passes or its pods fail.
  const created = Date.parse(object.metadata.creationTimestamp ?? '');
  const was =
    available?.since !== null && available !== undefined && available.since.getTime() - created > 10_000;
  if (status.rolling && !was && !isStuck && status.failing.length === 0 && isWithinDeadline(scene, object))
    return [];
  const seen = scene.history.seen(`none/${refOf(common.subject)}`, scene.now);
  // Pods that crash are ready for a moment after each start, and the condition's time begins anew with it.
  const alternates = isAvailable || status.failing.length > 0;
  const since = earliest([alternates ? seen : null, isAvailable ? null : (available?.since ?? null)]);
  const part = platformPart(object);
  const down = part === 'dns' || part === 'ingress';
  return condition(scene.rules, {
    ...common,
    rule: down ? 'workload.platform-down' : 'workload.none-available',
    reason: 'NoPodsAvailable',
    since,
    title: `${nameOf(common.subject)}: none of ${desired} pods is available${status.failing.length > 0 ? ` (${status.failing.join(', ')})` : ''}`,
    description: whatIsWrong(status, available?.message ?? ''),
  });
}

const longestRolloutSeconds = 600;

/** Should nobody be there to say that a rollout passed its deadline, time says it. */
function isWithinDeadline(scene: Scene, deployment: KubeObject): boolean {
  const progressing = statusCondition(deployment, 'Progressing');
  const begun = progressing?.updatedAt ?? progressing?.since ?? null;
  if (begun === null) return true;
  const seconds = number(fields(deployment.spec)['progressDeadlineSeconds'], longestRolloutSeconds);
  return scene.now.getTime() - begun.getTime() < Math.min(seconds, longestRolloutSeconds) * 1_000;
}

function tooFew(scene: Scene, status: WorkloadStatus, common: Common, desired: number): Condition[] {
  const { object } = status;
  if (object === undefined) return [];
  const rolling = fields(fields(fields(object.spec)['strategy'])['rollingUpdate']);
  const mayMiss = intOrPercent(rolling['maxUnavailable'] ?? '25%', desired, 'down') ?? 0;
  const isBelow = status.available < desired - mayMiss;
  // Guard G2: while it rolls, fewer pods are the plan; a deadline ends that.
  if (status.rolling) return [];
  const available = statusCondition(object, 'Available');
  const rule = isBelow ? 'workload.below-minimum' : 'workload.partial';
  const { stages } = scene.rules[rule];
  return condition(scene.rules, {
    ...common,
    rule,
    reason: 'TooFewPods',
    // The counts carry no time: the oldest of the missing pods does, or our first sight.
    since:
      isBelow && available?.status === 'False'
        ? available.since
        : scene.history.seen(`few/${refOf(common.subject)}`, scene.now),
    stages: platformPart(object) === null ? stages : stages.map(oneUp),
    title: `${nameOf(common.subject)}: ${status.available} of ${desired} pods available`,
    description: whatIsWrong(status, available?.message ?? ''),
  });
}
