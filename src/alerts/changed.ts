import { priorities } from '../jobs/catalog.ts';
import type { Job } from '../jobs/enqueue.ts';
import type { Severity } from './alert.ts';

/** How many alerts one job looks after: enough to work on sets, few enough that a P0 behind it does not wait. */
const alertsPerJob = 200;

/**
 * The jobs that tell the rest of the house that alerts changed. This room does
 * not know who listens. Urgent ones go first, in jobs of their own; else the order
 * is that of their arrival, whatever the order they were locked in.
 */
export function changedJobs(alerts: { id: string; severity: Severity }[]): Job[] {
  const inOrder = alerts.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const urgent = inOrder.filter((alert) => alert.severity === 'P0' || alert.severity === 'P1');
  const others = inOrder.filter((alert) => alert.severity !== 'P0' && alert.severity !== 'P1');
  return [...jobsFor(urgent, priorities.urgent), ...jobsFor(others, priorities.normal)];
}

function jobsFor(alerts: { id: string }[], priority: number): Job[] {
  const jobs: Job[] = [];
  for (let start = 0; start < alerts.length; start += alertsPerJob) {
    const alertIds = alerts.slice(start, start + alertsPerJob).map((alert) => alert.id);
    jobs.push({ task: 'alert.changed', payload: { alertIds }, priority });
  }
  return jobs;
}
