import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { FakeProvider, refusal } from '../../test/support/fake-provider.ts';
import { act } from '../alerts/actions.ts';
import { actionsOf } from '../alerts/alert-queries.ts';
import { storeInbound } from '../db/inbound-store.ts';
import { newId } from '../lib/ids.ts';
import { followAlerts } from './follow.ts';
import { handleProviderEvents } from './inbound.ts';
import { providerEventsJob } from './inbound-events.ts';
import { assignIncident } from './incident-actions.ts';
import { findIncidents } from './incident-queries.ts';
import { openForAlert } from './open.ts';
import type { ProviderEvent } from './provider-door.ts';
import { syncIncident } from './sync.ts';

let database: DomainDatabase;
let provider: FakeProvider;
let nowMs: number;
let observed: string[];
let incidentId: string;
let alertId: string;
const person = { userId: 'ann', door: 'api' } as const;
const clock = { now: () => new Date(nowMs) };
const { signal } = new AbortController();

beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.reset();
  provider = new FakeProvider();
  nowMs = at(20).getTime();
  observed = [];
  [alertId = ''] = await database.store([describedSignal({ severity: 'P1' })], at(10));
  const policy = {
    autoCreate: [],
    assignment: [],
    provider: { name: 'fake', connectionId: 'fake:1', externalKind: 'alert' },
    alertUrl: (id: string) => `https://gomon.example.org/${id}`,
  };
  const answer = await openForAlert(database.db, { alertId }, policy, person, at(10));
  incidentId = answer.ok ? answer.incidentId : '';
});

/** What a run waits for is there at once. */
const pause = (ms: number): Promise<void> => {
  nowMs += ms;
  return Promise.resolve();
};
const sync = () =>
  syncIncident({ db: database.db, provider, clock, pause, observe: () => undefined }, incidentId, signal);
const hear = (subject = 'ext-1') =>
  handleProviderEvents(
    {
      db: database.db,
      provider,
      clock,
      observe: (outcome, detail) => void observed.push(detail === '' ? outcome : `${outcome}: ${detail}`),
    },
    subject,
    signal,
  );

async function told(parts: Partial<ProviderEvent>): Promise<void> {
  const event: ProviderEvent = {
    subject: 'ext-1',
    action: 'Something',
    kind: 'other',
    incidentId,
    externalIncidentId: null,
    foreign: false,
    actor: 'ada@example.com',
    automatic: false,
    byApi: false,
    note: null,
    owner: null,
    occurredAt: null,
    ...parts,
  };
  await storeInbound(
    database.db,
    {
      kind: 'fake.webhook',
      dedupKey: newId(),
      payload: event,
      receivedAt: clock.now(),
      subject: event.subject,
    },
    () => providerEventsJob('fake', event.subject),
  );
}

/** An incident that is open there, with nothing left to say. */
async function opened(): Promise<void> {
  await sync();
  await database.takeJobs();
  provider.said.length = 0;
}

const outcomes = async () =>
  (
    await database.rows<{ outcome: string | null }>(
      'SELECT outcome FROM inbound_events ORDER BY received_at, id',
    )
  ).map((row) => row.outcome);
const incident = async () => (await findIncidents(database.db, [incidentId]))[0];
async function comesBackAfter(): Promise<number | null> {
  const jobs = (await database.takeJobs()).filter((job) => job.task === 'provider.events');
  expect(jobs.length).toBeLessThanOrEqual(1);
  return jobs[0]?.delayMs ?? null;
}

describe('events of one thing', () => {
  it('wait under one job, and cost one look', async () => {
    await opened();
    for (const kind of ['acknowledge', 'assign', 'other', 'note'] as const)
      await told({ kind, note: kind === 'note' ? 'on it' : null });
    expect(await database.takeJobs()).toHaveLength(1);
    provider.shows = { status: 'acknowledged', assignee: 'ada@example.com' };
    provider.reads = 0;
    await hear();
    await hear();
    expect(provider.reads).toBe(1);
    expect(await incident()).toMatchObject({ status: 'assigned', assignedTo: 'ada@example.com' });
    const done = (await actionsOf(database.db, { incidentId })).filter((entry) => entry.door === 'webhook');
    expect(done.map((entry) => `${entry.action} ${entry.userId}`).toSorted()).toEqual(
      ['acknowledge', 'assign', 'note'].map((action) => `${action} fake:ada@example.com`),
    );
    expect(provider.said).toEqual([]);
  });

  it('heard by two at once have their effect once', async () => {
    await opened();
    await told({ kind: 'escalate', actor: null, automatic: true });
    await told({ kind: 'note', note: 'on it' });
    provider.shows = { status: 'acknowledged', assignee: 'ada@example.com' };
    await Promise.all([hear(), hear(), hear()]);
    const done = (await actionsOf(database.db, { incidentId })).filter((entry) => entry.door === 'webhook');
    expect(done.map((entry) => entry.action).toSorted()).toEqual([
      'acknowledge',
      'assign',
      'escalate',
      'note',
    ]);
  });
});

describe('what cannot be judged yet', () => {
  it('waits, ever longer, while the incident is being opened; its own creation waits for nothing', async () => {
    await told({ kind: 'create' });
    await hear();
    expect(await outcomes()).toEqual(['it is being opened']);
    await told({ kind: 'acknowledge' });
    await database.takeJobs();
    const waits: (number | null)[] = [];
    for (let round = 0; round < 8; round += 1) {
      await hear();
      const wait = await comesBackAfter();
      waits.push(wait);
      nowMs += wait ?? 0;
    }
    expect(waits).toEqual([1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    expect(provider.reads).toBe(0);
    await sync();
    provider.shows = { status: 'acknowledged' };
    await hear();
    expect(await outcomes()).toEqual(['it is being opened', 'acknowledged']);
  });

  it('is what a lagging read does not find of an incident that is just a moment old; what was deleted is gone', async () => {
    await opened();
    const gone = async () =>
      (await actionsOf(database.db, { incidentId })).filter((entry) => 'gone' in entry.details).length;
    provider.hiddenLooks = 1;
    await told({ kind: 'acknowledge' });
    await database.takeJobs();
    await hear();
    expect(await gone()).toBe(0);
    expect(await comesBackAfter()).toBe(1_000);
    provider.shows = { status: 'acknowledged' };
    await hear();
    expect(await outcomes()).toEqual(['acknowledged']);
    provider.opened = null;
    await told({ kind: 'delete' });
    await hear();
    expect(await gone()).toBe(1);
  });

  it('of an incident a minute old is gone when it is not found', async () => {
    await opened();
    provider.opened = null;
    nowMs = at(71).getTime();
    await told({ kind: 'acknowledge' });
    await hear();
    expect(await outcomes()).toEqual(['gone there: opened again']);
  });

  it('does not wait for the outcome of the opening when the provider says that the thing carries our mark', async () => {
    provider.opened = 'ext-1';
    provider.shows = { status: 'acknowledged' };
    const marks: Record<string, string> = { 'ext-1': incidentId, 'ext-2': newId() };
    provider.identify = (externalId) =>
      Promise.resolve({ ok: true, found: true, incidentId: marks[externalId] ?? null, externalId });
    await told({ kind: 'acknowledge', subject: 'ext-2' });
    await hear('ext-2');
    expect(await incident()).toMatchObject({ externalId: null, acknowledgedAt: null });
    await told({ kind: 'acknowledge' });
    await database.takeJobs();
    await hear();
    expect(await incident()).toMatchObject({ externalId: 'ext-1', acknowledgedBy: 'fake:ada@example.com' });
    expect((await database.takeJobs()).map((job) => job.task)).toContain('incident.sync');
    await sync();
    expect(provider.said).toEqual([]);
  });

  it('is looked at as soon as it is known under which id the incident was opened', async () => {
    await told({ kind: 'acknowledge' });
    await told({ kind: 'acknowledge', subject: 'other', incidentId: null });
    await database.takeJobs();
    await hear();
    expect(await comesBackAfter()).toBe(1_000);
    await sync();
    const jobs = (await database.takeJobs()).filter((job) => job.task === 'provider.events');
    expect(jobs).toMatchObject([{ payload: { subject: 'ext-1' }, delayMs: 0 }]);
  });

  it('is read later when the provider fails, and given up after a quarter of an hour; the note is kept at once', async () => {
    await opened();
    await told({ kind: 'note', note: 'on it' });
    provider.readScript = [refusal('unknown'), refusal('auth'), refusal('unavailable')];
    await hear();
    expect(
      (await actionsOf(database.db, { incidentId })).filter((entry) => entry.action === 'note'),
    ).toHaveLength(1);
    nowMs += 60_000;
    await hear();
    expect(await outcomes()).toEqual([null]);
    nowMs += 15 * 60_000;
    await hear();
    expect(await outcomes()).toEqual(['given up: unavailable 429']);
  });

  it('holds all calls when the provider asks for it, and asks again when the time is over', async () => {
    await opened();
    await told({ kind: 'acknowledge' });
    await database.takeJobs();
    provider.readScript = [refusal('rate-limited', 30_000)];
    provider.reads = 0;
    await hear();
    expect(await comesBackAfter()).toBe(30_000);
    await hear();
    expect(provider.reads).toBe(1);
    expect(await comesBackAfter()).toBe(30_000);
    await assignIncident(database.db, incidentId, 'bob', person, clock.now());
    await sync();
    expect(provider.said).toEqual([]);
  });

  it('a state from before our word was confirmed undoes nothing, and is looked at again', async () => {
    await opened();
    await act(database.db, alertId, { kind: 'acknowledge' }, person, clock.now());
    await followAlerts(database.db, [alertId], clock.now());
    provider.statuses = [
      { ok: true, state: 'done', externalId: 'ext-1', externalUrl: null, processedAt: new Date(nowMs) },
    ];
    await sync();
    await database.takeJobs();
    nowMs += 1_000;
    await told({ kind: 'unacknowledge' });
    await database.takeJobs();
    provider.shows = { status: 'open', updatedAt: at(11) };
    await hear();
    expect((await incident())?.acknowledgedBy).toBe('ann');
    expect(await comesBackAfter()).toBe(1_000);
    expect(await outcomes()).toEqual([null]);
    // Now it is surely newer.
    provider.shows = { status: 'open', updatedAt: new Date(nowMs) };
    await hear();
    expect((await incident())?.acknowledgedBy).toBeNull();
  });

  it('a state while our own word is on its way undoes nothing', async () => {
    await opened();
    await act(database.db, alertId, { kind: 'acknowledge' }, person, clock.now());
    await followAlerts(database.db, [alertId], clock.now());
    await told({ kind: 'other' });
    provider.shows = { status: 'open' };
    await hear();
    expect((await incident())?.acknowledgedBy).toBe('ann');
    expect(await outcomes()).toEqual(['nothing new']);
  });
});

describe('a change there by a person', () => {
  it('beats what a rule here has not said yet: it is taken back', async () => {
    await opened();
    await act(database.db, alertId, { kind: 'escalate' }, person, clock.now());
    await followAlerts(database.db, [alertId], clock.now());
    await told({ kind: 'severity', occurredAt: new Date(nowMs).toISOString() });
    provider.shows = { severity: 'P3' };
    await hear();
    expect(await incident()).toMatchObject({ severity: 'P3', overruledSeverity: 'P0' });
    await sync();
    expect(provider.said).toEqual([]);
    expect(await database.rows(`SELECT kind, state FROM incident_commands WHERE kind <> 'open'`)).toEqual([
      { kind: 'set-severity', state: 'superseded' },
    ]);
  });
});
