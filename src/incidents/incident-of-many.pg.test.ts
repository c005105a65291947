import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import type { IncidentStatus } from '../db/schema.ts';
import { followAlerts } from './follow.ts';
import { setIncidentStatus } from './incident-actions.ts';
import { findIncidents } from './incident-queries.ts';
import { type IncidentPolicy, openForAlert } from './open.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase(10);
});

afterAll(() => database.close());

beforeEach(() => database.reset());

const policy: IncidentPolicy = {
  autoCreate: [],
  assignment: [],
  provider: null,
  alertUrl: (id) => `https://gomon.example.org/alerts/${id}`,
};
const ann = { userId: 'ann', door: 'api' } as const;
/** More than any page of a list holds. */
const many = 1_001;
const numbers = Array.from({ length: many }, (_, n) => n);

async function openIncident(alertId: string): Promise<string> {
  const opened = await openForAlert(database.db, { alertId }, policy, ann, at(11));
  if (!opened.ok) throw new Error(opened.detail);
  return opened.incidentId;
}

/** One incident that all alerts were tied to. */
async function incidentOfMany(): Promise<{ incidentId: string; alertIds: string[] }> {
  const alertIds = await database.store(
    numbers.map((n) => describedSignal({ fingerprint: `f${n}` })),
    at(10),
  );
  const incidentId = await openIncident(alertIds[0] ?? '');
  await database.rows('UPDATE alerts_active SET incident_id = $1', [incidentId]);
  await database.takeJobs();
  return { incidentId, alertIds };
}

async function statusOf(incidentId: string): Promise<IncidentStatus | undefined> {
  return (await findIncidents(database.db, [incidentId]))[0]?.status;
}

describe('an incident of very many alerts', () => {
  it('is open while one of them is', async () => {
    const { incidentId, alertIds } = await incidentOfMany();
    const last = many - 1;
    await database.store(
      numbers.slice(0, last).map((n) => resolvedSignal({ fingerprint: `f${n}` })),
      at(310),
    );
    await followAlerts(database.db, alertIds, at(311));
    expect(await statusOf(incidentId)).toBe('open');
    await database.store([resolvedSignal({ fingerprint: `f${last}` })], at(320));
    await followAlerts(database.db, [alertIds[last] ?? ''], at(321));
    expect(await statusOf(incidentId)).toBe('resolved');
  });

  it('resolved by hand resolves each of them, on the set', async () => {
    const { incidentId } = await incidentOfMany();
    await setIncidentStatus(database.db, incidentId, 'resolved', ann, at(20));
    expect(
      await database.rows(
        `SELECT a.status, a.resolved_by, l.details->>'reason' AS reason, count(*)::int
         FROM alerts_active a JOIN alert_actions l ON l.alert_id = a.id AND l.action = 'resolve' GROUP BY 1, 2, 3`,
      ),
    ).toEqual([{ status: 'resolved', resolved_by: 'ann', reason: 'its incident was resolved', count: many }]);
    const jobs = await database.takeJobs();
    expect(jobs.flatMap((job) => job.payload['alertIds'])).toHaveLength(many);
    expect(jobs.length).toBeLessThan(10);
  });
});

describe('alerts that change incidents with each other', () => {
  it('do not end in a deadlock', async () => {
    for (let round = 0; round < 8; round += 1) {
      const [a = '', b = ''] = await database.store(
        ['a', 'b'].map((name) => describedSignal({ fingerprint: `${name}${round}` })),
        at(10),
      );
      const [one, two] = [await openIncident(a), await openIncident(b)];
      const answers = await Promise.all([
        openForAlert(database.db, { alertId: a, incidentId: two }, policy, ann, at(12)),
        openForAlert(database.db, { alertId: b, incidentId: one }, policy, ann, at(12)),
      ]);
      expect(answers.map((answer) => answer.ok)).toEqual([false, false]);
    }
  });
});
