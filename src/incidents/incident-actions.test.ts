import { describe, expect, it } from 'vitest';
import type { IncidentStatus } from '../db/schema.ts';
import { forbiddenStatus } from './incident-actions.ts';

const all: IncidentStatus[] = ['open', 'assigned', 'resolved', 'closed'];

/** Which statuses may be set by hand from each, when somebody is assigned. Setting the present one is answered before. */
const allowed: Record<IncidentStatus, IncidentStatus[]> = {
  open: ['assigned', 'resolved', 'closed'],
  assigned: ['open', 'resolved', 'closed'],
  resolved: ['closed'],
  closed: [],
};

describe('setting the status of an incident', () => {
  it.each(all.flatMap((from) => all.filter((to) => to !== from).map((to) => [from, to] as const)))(
    'from %s to %s',
    (from, to) => {
      const reason = forbiddenStatus({ status: from, assignedTo: 'ann' }, to);
      if (allowed[from].includes(to)) expect(reason).toBeNull();
      else expect(reason).toMatch(/.{10,}/);
    },
  );

  it('"assigned" needs somebody, and says how', () => {
    expect(forbiddenStatus({ status: 'open', assignedTo: null }, 'assigned')).toContain('assignedTo');
    expect(forbiddenStatus({ status: 'open', assignedTo: null }, 'resolved')).toBeNull();
    // Where nobody can be assigned any more, it does not send people there.
    for (const status of ['resolved', 'closed'] as const)
      expect(forbiddenStatus({ status, assignedTo: null }, 'assigned')).toContain('does not open again');
  });
});
