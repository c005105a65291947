import { describe, expect, it } from 'vitest';
import { priorities } from '../jobs/catalog.ts';
import { newId } from '../lib/ids.ts';
import type { Severity } from './alert.ts';
import { changedJobs } from './changed.ts';

const alert = (severity: Severity) => ({ id: newId(), severity });
const idsOf = (jobs: ReturnType<typeof changedJobs>): string[][] =>
  jobs.map(({ payload }) => (payload as { alertIds: string[] }).alertIds);

describe('the jobs of changed alerts', () => {
  it('look after alerts in the order of their arrival, whatever the order they were locked in', () => {
    const alerts = Array.from({ length: 450 }, () => alert('P3'));
    const arrived = alerts.map(({ id }) => id);
    const jobs = idsOf(changedJobs(alerts.toReversed()));
    expect(jobs.map((ids) => ids.length)).toEqual([200, 200, 50]);
    expect(jobs.flat()).toEqual(arrived);
  });

  it('are apart for the urgent ones, and go first', () => {
    const [low, high, gravest] = [alert('P2'), alert('P1'), alert('P0')];
    const jobs = changedJobs([low, high, gravest]);
    expect(idsOf(jobs)).toEqual([[high.id, gravest.id], [low.id]]);
    expect(jobs.map(({ priority }) => priority)).toEqual([priorities.urgent, priorities.normal]);
  });
});
