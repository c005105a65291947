import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { act } from '../alerts/actions.ts';
import { actionsOf, findAlerts, type StoredAlert } from '../alerts/alert-queries.ts';
import { severities } from '../alerts/alert.ts';
import type { DescribedSignal } from '../alerts/describe.ts';
import { followAlerts } from './follow.ts';
import type { Incident } from './incident.ts';
import { assignIncident, noteOnIncident, setIncidentStatus } from './incident-actions.ts';
import { findIncidents } from './incident-queries.ts';
import { type IncidentPolicy, openForAlert, openForChanged, opensByItself } from './open.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
});

const policy: IncidentPolicy = {
  autoCreate: ['P0', 'P1'],
  assignment: [{ labels: { team: ['shop'] }, responders: [{ type: 'team', name: 'Shop' }] }],
  provider: { name: 'opsgenie', connectionId: 'opsgenie:eu' },
  alertUrl: (id) => `https://gomon.example.org/alerts/${id}`,
};
const ann = { userId: 'ann', door: 'api' } as const;
const unknownId = '01993f00-0000-7000-8000-0000000000ff';

async function newAlerts(...signals: Partial<DescribedSignal>[]): Promise<string[]> {
  const ids = await database.store(
    signals.map((parts, n) => describedSignal({ fingerprint: `f${n}`, ...parts })),
    at(10),
  );
  await database.takeJobs();
  return ids;
}

async function readAlert(id: string): Promise<StoredAlert> {
  const [alert] = await findAlerts(database.db, [id]);
  if (alert === undefined) throw new Error('not there');
  return alert;
}

async function readIncident(id: string | null): Promise<Incident> {
  const [incident] = await findIncidents(database.db, [id ?? '']);
  if (incident === undefined) throw new Error('not there');
  return incident;
}

const said = async (): Promise<string[]> =>
  (await database.rows<{ kind: string }>('SELECT kind FROM incident_commands ORDER BY created_at, id')).map(
    (row) => row.kind,
  );
const countIncidents = async (): Promise<number> =>
  (await database.row<{ count: number }>('SELECT count(*)::int AS count FROM incidents')).count;

/** An open incident of one alert. */
async function opened(
  parts: Partial<DescribedSignal> = {},
): Promise<{ alertId: string; incidentId: string }> {
  const [alertId = ''] = await newAlerts({ severity: 'P1', ...parts });
  await openForChanged(database.db, [alertId], policy, at(11));
  const { incidentId } = await readAlert(alertId);
  await database.takeJobs();
  return { alertId, incidentId: incidentId ?? '' };
}

describe('an incident opened by rule', () => {
  it('is opened for P0 and P1, and for nothing else', async () => {
    const ids = await newAlerts(...severities.map((severity) => ({ severity })));
    expect(await openForChanged(database.db, ids, policy, at(11))).toBe(2);
    const alerts = await Promise.all(ids.map(readAlert));
    expect(alerts.map((alert) => alert.incidentId !== null)).toEqual([true, true, false, false, false]);
  });

  it('is not opened for development, nor for what is not told', async () => {
    const ids = await newAlerts(
      { severity: 'P0', labels: { environment: 'staging' } },
      { severity: 'P0', mute: 'heartbeat' },
      { severity: 'P0', mute: 'severity-none' },
    );
    expect(await openForChanged(database.db, ids, policy, at(11))).toBe(0);
    expect(await said()).toEqual([]);
    for (const alert of await Promise.all(ids.map(readAlert))) {
      expect(opensByItself(alert, policy.autoCreate)).toMatchObject({
        open: false,
        reason: expect.stringMatching(/.{10,}/),
      });
    }
  });

  it('is not opened for what is over', async () => {
    const [id = ''] = await newAlerts({ severity: 'P0' });
    await database.store([resolvedSignal({ fingerprint: 'f0', severity: 'P0' })], at(310));
    expect(await openForChanged(database.db, [id, unknownId], policy, at(311))).toBe(0);
  });

  it('starts with the alert, and with what the provider has to be told', async () => {
    const { alertId, incidentId } = await opened({
      labels: { team: 'shop', '\0': 'x' },
      links: [{ rel: 'runbook', url: 'https://wiki.example.org/basket' }],
      traceId: 'abc',
    });
    expect(await readIncident(incidentId)).toMatchObject({
      title: 'Basket is slow',
      severity: 'P1',
      status: 'open',
      provider: 'opsgenie',
      connectionId: 'opsgenie:eu',
      alertCount: 1,
      primaryAlertId: alertId,
      openedBy: 'system',
      createdAt: at(11),
      externalId: null,
    });
    const { payload } = await database.row<{ payload: unknown }>('SELECT payload FROM incident_commands');
    expect(payload).toMatchObject({
      kind: 'open',
      incident: {
        title: '[P1] Basket is slow',
        description: 'p99 is 3.4 s\nrunbook: https://wiki.example.org/basket',
        details: {
          gomonIncidentId: incidentId,
          gomonAlertId: alertId,
          gomonUrl: policy.alertUrl(alertId),
          team: 'shop',
          traceId: 'abc',
        },
        responders: [{ type: 'team', name: 'Shop' }],
        tags: ['gomon', 'P1', 'grafana'],
      },
    });
    const audit = (await actionsOf(database.db, { incidentId })).find(
      (entry) => entry.action === 'create_incident',
    );
    expect(audit?.details['decisions']).toMatchObject([
      { stage: 'incident', outcome: 'opened', reason: expect.stringContaining('P1') },
      { stage: 'incident', outcome: 'team Shop', reason: expect.stringContaining('line 1') },
    ]);
  });

  it('is one, however many look at the same time', async () => {
    const ids = await newAlerts({ severity: 'P0' }, { severity: 'P1' });
    const counts = await Promise.all(
      Array.from({ length: 5 }, (_, n) =>
        openForChanged(database.db, n % 2 === 0 ? ids : ids.toReversed(), policy, at(11)),
      ),
    );
    expect(counts.reduce((a, b) => a + b, 0)).toBe(2);
    expect(await countIncidents()).toBe(2);
    expect(await said()).toEqual(['open', 'open']);
  });

  it('is a new one for an alert that is open while its incident is over', async () => {
    const { alertId, incidentId } = await opened();
    await database.rows(`UPDATE incidents SET status = 'resolved', resolved_at = now() WHERE id = $1`, [
      incidentId,
    ]);
    expect(await openForChanged(database.db, [alertId], policy, at(12))).toBe(1);
    const next = (await readAlert(alertId)).incidentId;
    expect(next).not.toBe(incidentId);
    expect(await readIncident(next)).toMatchObject({ status: 'open', primaryAlertId: alertId });
    expect(await openForChanged(database.db, [alertId], policy, at(13))).toBe(0);
  });

  it('is kept to ourselves while no provider is configured', async () => {
    const [id = ''] = await newAlerts({ severity: 'P0' });
    expect(await openForChanged(database.db, [id], { ...policy, provider: null }, at(11))).toBe(1);
    expect(await said()).toEqual([]);
    expect(await database.takeJobs()).toEqual([]);
  });
});

describe('an incident opened by hand', () => {
  it('takes the wishes, and the alert is told', async () => {
    const [alertId = ''] = await newAlerts({ severity: 'P4', labels: { environment: 'dev' } });
    const result = await openForAlert(
      database.db,
      { alertId, title: 'Mine\0', severity: 'P2' },
      policy,
      ann,
      at(11),
    );
    expect(result).toMatchObject({ ok: true, created: true });
    const { incidentId } = await readAlert(alertId);
    expect(await readIncident(incidentId)).toMatchObject({
      title: 'Mine\0',
      severity: 'P2',
      openedBy: 'ann',
    });
    const jobs = await database.takeJobs();
    expect(jobs.map((job) => job.task).toSorted()).toEqual(['alert.changed', 'incident.sync']);
  });

  it('less grave than its alert stays so until an alert is graver than the person saw', async () => {
    const [alertId = ''] = await newAlerts({ severity: 'P1' });
    const wish = { alertId, severity: 'P3' as const };
    const answer = await openForAlert(database.db, wish, policy, ann, at(11));
    const incidentId = answer.ok ? answer.incidentId : '';
    await followAlerts(database.db, [alertId], at(12));
    expect(await readIncident(incidentId)).toMatchObject({ severity: 'P3' });
    await act(database.db, alertId, { kind: 'escalate' }, ann, at(13));
    await followAlerts(database.db, [alertId], at(14));
    expect(await readIncident(incidentId)).toMatchObject({ severity: 'P0' });
    expect(await said()).toEqual(['open', 'set-severity']);
  });

  it('a second time is the one that is there', async () => {
    const [alertId = ''] = await newAlerts({});
    const results = await Promise.all(
      [1, 2, 3].map(() => openForAlert(database.db, { alertId }, policy, ann, at(11))),
    );
    expect(results.filter((result) => result.ok && result.created)).toHaveLength(1);
    expect(new Set(results.map((result) => result.ok && result.incidentId)).size).toBe(1);
    expect(await countIncidents()).toBe(1);
  });

  it('needs an alert that is open', async () => {
    const [alertId = ''] = await newAlerts({});
    expect(await openForAlert(database.db, { alertId: unknownId }, policy, ann, at(11))).toMatchObject({
      ok: false,
      reason: 'not-found',
    });
    await act(database.db, alertId, { kind: 'resolve' }, ann, at(20));
    expect(await openForAlert(database.db, { alertId }, policy, ann, at(21))).toMatchObject({
      ok: false,
      reason: 'forbidden',
    });
    expect(await countIncidents()).toBe(0);
  });
});

describe('attaching', () => {
  it('ties an alert to an open incident, once', async () => {
    const { incidentId } = await opened();
    const [alertId = ''] = await newAlerts({ fingerprint: 'other', title: 'Other' });
    const attach = () => openForAlert(database.db, { alertId, incidentId }, policy, ann, at(12));
    expect(await attach()).toEqual({ ok: true, incidentId, created: false });
    expect(await attach()).toEqual({ ok: true, incidentId, created: false });
    expect((await readIncident(incidentId)).alertCount).toBe(2);
    expect(await said()).toEqual(['open', 'add-note']);
    const attached = (await actionsOf(database.db, { incidentId })).filter(
      (entry) => entry.action === 'attach_incident',
    );
    expect(attached).toMatchObject([{ alertId, userId: 'ann' }]);
  });

  it("is refused for what is closed, unknown, or another's", async () => {
    const one = await opened({ fingerprint: 'one' });
    const two = await opened({ fingerprint: 'two' });
    const attach = (alertId: string, incidentId: string) =>
      openForAlert(database.db, { alertId, incidentId }, policy, ann, at(12));
    expect(await attach(one.alertId, two.incidentId)).toMatchObject({
      ok: false,
      reason: 'forbidden',
      detail: expect.stringContaining(one.incidentId),
    });
    expect(await attach(one.alertId, unknownId)).toMatchObject({ ok: false, reason: 'not-found' });
    const [free = ''] = await newAlerts({ fingerprint: 'free' });
    await setIncidentStatus(database.db, two.incidentId, 'resolved', ann, at(13));
    expect(await attach(free, two.incidentId)).toMatchObject({
      ok: false,
      reason: 'forbidden',
      detail: expect.stringContaining('resolved'),
    });
  });
});

describe('an incident follows its alerts', () => {
  it('to its end with the last of them, and says so once', async () => {
    const { alertId, incidentId } = await opened({ fingerprint: 'f0' });
    const [second = ''] = await newAlerts({ fingerprint: 'f1' });
    await openForAlert(database.db, { alertId: second, incidentId }, policy, ann, at(12));
    await database.store([resolvedSignal({ fingerprint: 'f0', severity: 'P1' })], at(310));
    await followAlerts(database.db, [alertId], at(311));
    expect((await readIncident(incidentId)).status).toBe('open');
    await act(database.db, second, { kind: 'resolve-and-archive' }, ann, at(320));
    await Promise.all([1, 2, 3].map(() => followAlerts(database.db, [alertId, second], at(321))));
    expect(await readIncident(incidentId)).toMatchObject({ status: 'resolved', resolvedAt: at(321) });
    expect(await said()).toEqual(['open', 'add-note', 'close']);
    const ends = (await actionsOf(database.db, { incidentId })).filter(
      (entry) => entry.action === 'incident_status',
    );
    expect(ends).toHaveLength(1);
  });

  it('in who acknowledged, and in gravity, but never down', async () => {
    const { alertId, incidentId } = await opened();
    await act(database.db, alertId, { kind: 'acknowledge' }, { userId: 'ann\0', door: 'slack' }, at(20));
    await act(database.db, alertId, { kind: 'escalate' }, ann, at(21));
    await act(database.db, alertId, { kind: 'acknowledge' }, { userId: 'ann\0', door: 'slack' }, at(22));
    for (let round = 0; round < 2; round += 1) await followAlerts(database.db, [alertId], at(23));
    expect(await readIncident(incidentId)).toMatchObject({
      severity: 'P0',
      acknowledgedBy: 'ann\0',
      acknowledgedAt: at(22),
    });
    expect(await said()).toEqual(['open', 'set-severity', 'acknowledge']);
  });

  it('not into a refire: the closed one stays closed, and a new one is opened', async () => {
    const { alertId, incidentId } = await opened({ fingerprint: 'f0' });
    await database.store([resolvedSignal({ fingerprint: 'f0', severity: 'P1' })], at(310));
    await followAlerts(database.db, [alertId], at(311));
    await database.store(
      [describedSignal({ fingerprint: 'f0', severity: 'P1', startsAt: at(900) })],
      at(910),
    );
    expect(await openForChanged(database.db, [alertId], policy, at(911))).toBe(1);
    const after = await readAlert(alertId);
    expect(after.incidentId).not.toBe(incidentId);
    expect((await readIncident(incidentId)).status).toBe('resolved');
    expect((await readIncident(after.incidentId)).status).toBe('open');
  });

  it('back from a short gap: what refires before it was closed keeps it', async () => {
    const { alertId, incidentId } = await opened({ fingerprint: 'f0' });
    await database.store([resolvedSignal({ fingerprint: 'f0', severity: 'P1' })], at(310));
    await database.store(
      [describedSignal({ fingerprint: 'f0', severity: 'P1', startsAt: at(312) })],
      at(313),
    );
    await followAlerts(database.db, [alertId], at(314));
    expect(await openForChanged(database.db, [alertId], policy, at(314))).toBe(0);
    expect((await readAlert(alertId)).incidentId).toBe(incidentId);
    expect((await readIncident(incidentId)).status).toBe('open');
    // Also when both reports come in one request.
    await database.store(
      [
        resolvedSignal({ fingerprint: 'f0', severity: 'P1', endsAt: at(400) }),
        describedSignal({ fingerprint: 'f0', severity: 'P1', startsAt: at(402) }),
      ],
      at(410),
    );
    expect((await readAlert(alertId)).incidentId).toBe(incidentId);
  });
});

describe('what people do to an incident', () => {
  it('assigning makes it theirs, twice is once, and it can be taken back', async () => {
    const { incidentId, alertId } = await opened();
    expect(await assignIncident(database.db, incidentId, 'bob\0', ann, at(20))).toEqual({
      ok: true,
      already: false,
    });
    expect(await assignIncident(database.db, incidentId, 'bob\0', ann, at(21))).toEqual({
      ok: true,
      already: true,
    });
    expect(await readIncident(incidentId)).toMatchObject({
      status: 'assigned',
      assignedTo: 'bob\0',
      updatedAt: at(20),
    });
    expect(await said()).toEqual(['open', 'assign']);
    const jobs = await database.takeJobs();
    expect(jobs.find((job) => job.task === 'alert.changed')).toMatchObject({
      payload: { alertIds: [alertId] },
    });
    expect(await setIncidentStatus(database.db, incidentId, 'open', ann, at(22))).toEqual({
      ok: true,
      already: false,
    });
    expect(await readIncident(incidentId)).toMatchObject({ status: 'open', assignedTo: null });
  });

  it('resolving ends its open alerts in their name, and the provider is told once', async () => {
    const { incidentId, alertId } = await opened();
    expect(await setIncidentStatus(database.db, incidentId, 'resolved', ann, at(20))).toEqual({
      ok: true,
      already: false,
    });
    expect(await readAlert(alertId)).toMatchObject({ status: 'resolved', resolvedBy: 'ann' });
    await followAlerts(database.db, [alertId], at(21));
    expect(await said()).toEqual(['open', 'close']);
    expect(await setIncidentStatus(database.db, incidentId, 'resolved', ann, at(22))).toEqual({
      ok: true,
      already: true,
    });
    expect(await setIncidentStatus(database.db, incidentId, 'open', ann, at(23))).toMatchObject({
      ok: false,
      reason: 'forbidden',
    });
    expect(await assignIncident(database.db, incidentId, 'bob', ann, at(23))).toMatchObject({
      ok: false,
      reason: 'forbidden',
    });
    expect(await setIncidentStatus(database.db, incidentId, 'closed', ann, at(24))).toEqual({
      ok: true,
      already: false,
    });
    expect(await readIncident(incidentId)).toMatchObject({ status: 'closed', resolvedAt: at(20) });
    expect(await said()).toEqual(['open', 'close']);
    expect(await noteOnIncident(database.db, incidentId, 'learned', ann, at(30))).toEqual({
      ok: true,
      already: false,
    });
  });

  it('an unknown one is not found', async () => {
    expect(await assignIncident(database.db, unknownId, 'bob', ann, at(20))).toEqual({
      ok: false,
      reason: 'not-found',
    });
    expect(await setIncidentStatus(database.db, unknownId, 'closed', ann, at(20))).toEqual({
      ok: false,
      reason: 'not-found',
    });
    expect(await noteOnIncident(database.db, unknownId, 'x', ann, at(20))).toEqual({
      ok: false,
      reason: 'not-found',
    });
  });
});
