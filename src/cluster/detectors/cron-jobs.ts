import { type Condition, condition, subjectOf } from '../condition.ts';
import { nextRun, parseCron } from '../cron.ts';
import { createdAt, fields, isTerminating, number, text, time } from '../fields.ts';
import { isIgnored, type Scene } from '../scene.ts';
import { nameOf } from './pod-findings.ts';

/** CronJobs that were not started when their schedule says (specification §2.4). */
export function detectCronJobs(scene: Scene): Condition[] {
  return scene.view.list('cronjobs.batch').flatMap((cronJob) => {
    if (isTerminating(cronJob) || isIgnored(cronJob)) return [];
    const subject = subjectOf('CronJob', cronJob);
    const spec = fields(cronJob.spec);
    const status = fields(cronJob.status);
    const last = time(status['lastScheduleTime']);
    if (spec['suspend'] === true) {
      return condition(scene.rules, {
        rule: 'cron-job.suspended',
        reason: 'Suspended',
        subject,
        since: last ?? createdAt(cronJob),
        title: `${nameOf(subject)} has been suspended for long`,
        description: '',
      });
    }
    const schedule = text(spec['schedule']) ?? '';
    const cron = parseCron(schedule.replace(/^(?:CRON_)?TZ=\S+\s+/, ''));
    const from = last ?? createdAt(cronJob);
    if (cron === null || from === null) return [];
    // Forbid lets a run wait for the one before it.
    if (
      spec['concurrencyPolicy'] === 'Forbid' &&
      Array.isArray(status['active']) &&
      status['active'].length > 0
    )
      return [];
    const due = nextRun(cron, from, text(spec['timeZone']) ?? 'UTC');
    if (due === null) return [];
    const { graceSeconds = 300 } = scene.rules['cron-job.missed'].thresholds;
    const grace = Math.max(graceSeconds, number(spec['startingDeadlineSeconds'], 0));
    const since = new Date(due.getTime() + grace * 1_000);
    if (scene.now <= since) return [];
    return condition(scene.rules, {
      rule: 'cron-job.missed',
      reason: 'MissedSchedule',
      subject,
      since,
      title: `${nameOf(subject)} was not started at ${due.toISOString()}`,
      description: `Schedule ${schedule}; ${last === null ? 'it has never run' : `last started at ${last.toISOString()}`}.`,
    });
  });
}
