import type { KubeObject } from '../cluster-view.ts';
import { type Condition, condition, layers, refOf, subjectOf, type Subject } from '../condition.ts';
import { createdAt, fields, isTerminating, labelsOf, number, statusCondition, time } from '../fields.ts';
import { parentOf } from '../owners.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/**
 * Jobs (specification §2.4). A failed run of a CronJob counts against the
 * CronJob, and is over when a newer run succeeds or the Job is gone.
 */
export function detectJobs(scene: Scene): Condition[] {
  const failed = new Map<string, { subject: Subject; jobs: KubeObject[] }>();
  const found: Condition[] = [];
  for (const job of scene.view.list('jobs.batch')) {
    if (isTerminating(job) || isIgnored(job) || fields(job.spec)['suspend'] === true) continue;
    const own = subjectOf('Job', job);
    const subject = parentOf(scene.view, own) ?? own;
    if (statusCondition(job, 'Failed')?.status === 'True') {
      if (isMadeGood(scene, subject, job) || !isRecent(scene, job)) continue;
      const group = failed.get(refOf(subject));
      if (group === undefined) failed.set(refOf(subject), { subject, jobs: [job] });
      else group.jobs.push(job);
    } else if (
      statusCondition(job, 'Complete')?.status !== 'True' &&
      number(fields(job.status)['active'], 0) > 0
    ) {
      found.push(
        ...condition(scene.rules, {
          rule: 'job.not-completed',
          reason: 'JobNotCompleted',
          subject: own,
          since: time(fields(job.status)['startTime']) ?? createdAt(job),
          title: `${nameOf(own)} has been running for very long`,
          description: '',
        }),
      );
    }
  }
  return [...found, ...[...failed.values()].flatMap((group) => failedJobs(scene, group.subject, group.jobs))];
}

function failedAt(job: KubeObject): Date | null {
  return statusCondition(job, 'Failed')?.since ?? null;
}

/** A failed Job stays as long as nobody deletes it; after a day it is no news. */
function isRecent(scene: Scene, job: KubeObject): boolean {
  const at = failedAt(job);
  const { showSeconds = 86_400 } = scene.rules['job.failed'].thresholds;
  return at === null || scene.now.getTime() - at.getTime() < showSeconds * 1_000;
}

function isMadeGood(scene: Scene, owner: Subject, job: KubeObject): boolean {
  if (owner.kind !== 'CronJob') return false;
  const made = createdAt(job)?.getTime() ?? 0;
  const cronJob = scene.view.get('cronjobs.batch', owner.namespace, owner.name);
  const success = time(fields(cronJob?.status)['lastSuccessfulTime']);
  if (success !== null && success.getTime() > (failedAt(job)?.getTime() ?? made)) return true;
  return scene.view
    .list('jobs.batch', owner.namespace ?? undefined)
    .some(
      (other) =>
        statusCondition(other, 'Complete')?.status === 'True' &&
        (createdAt(other)?.getTime() ?? 0) > made &&
        refOf(parentOf(scene.view, subjectOf('Job', other)) ?? owner) === refOf(owner) &&
        parentOf(scene.view, subjectOf('Job', other)) !== null,
    );
}

function failedJobs(scene: Scene, subject: Subject, jobs: KubeObject[]): Condition[] {
  const newest = jobs.toSorted((a, b) => (failedAt(b)?.getTime() ?? 0) - (failedAt(a)?.getTime() ?? 0))[0];
  if (newest === undefined) return [];
  const failure = statusCondition(newest, 'Failed');
  const cronJob = scene.view.get('cronjobs.batch', subject.namespace, subject.name);
  const isCritical = [newest, cronJob].some(
    (one) => one !== undefined && !['', 'false', undefined].includes(labelsOf(one)['gomon.io/critical']),
  );
  return condition(scene.rules, {
    rule: isCritical ? 'job.failed.critical' : 'job.failed',
    reason: 'JobFailed',
    subject,
    since: failure?.since ?? null,
    title: `${nameOf(subject)}: ${jobs.length > 1 ? `${jobs.length} runs failed` : 'failed'} (${failure?.reason ?? ''})`,
    description: `${newest.metadata.name}: ${failure?.message ?? ''}`,
    layer: layers.workload,
    explainedBy: [[refOf(subject)]],
  });
}
