import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { at, describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { FakeProvider, refusal } from '../../test/support/fake-provider.ts';
import { actionsOf } from '../alerts/alert-queries.ts';
import type { Severity } from '../alerts/alert.ts';
import { newId } from '../lib/ids.ts';
import { priorities } from '../jobs/catalog.ts';
import { assignIncident, noteOnIncident, setIncidentStatus } from './incident-actions.ts';
import { openForAlert } from './open.ts';
import type { ProviderFailure } from './provider.ts';
import { probeSync, resumeSync, wakeSync } from './resume.ts';
import { syncIncident } from './sync.ts';

let database: DomainDatabase;
let provider: FakeProvider;
let nowMs: number;
let observed: string[];
const person = { userId: 'ann', door: 'api' } as const;

beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.reset();
  provider = new FakeProvider();
  nowMs = at(20).getTime();
  observed = [];
});

const sync = (incidentId: string): Promise<void> =>
  syncIncident(
    {
      db: database.db,
      provider,
      clock: { now: () => new Date(nowMs) },
      pause: (ms) => {
        nowMs += ms;
        return Promise.resolve();
      },
      observe: (outcome, command) => void observed.push(`${command} ${outcome}`),
    },
    incidentId,
    new AbortController().signal,
  );

async function newIncident(name = 'one', severity: Severity = 'P1'): Promise<string> {
  const [alertId = ''] = await database.store([describedSignal({ severity, fingerprint: name })], at(10));
  const policy = {
    autoCreate: [],
    assignment: [],
    provider: { name: 'fake', connectionId: 'fake:1', externalKind: 'alert' },
    alertUrl: (id: string) => `https://gomon.example.org/${id}`,
  };
  const opened = await openForAlert(database.db, { alertId }, policy, person, at(10));
  if (!opened.ok) throw new Error(opened.detail);
  return opened.incidentId;
}

/** One that is open there, with nothing left to say. */
async function openedIncident(name = 'one'): Promise<string> {
  const incidentId = await newIncident(name);
  await sync(incidentId);
  await database.takeJobs();
  provider.said.length = 0;
  provider.reads = 0;
  return incidentId;
}

const commands = (): Promise<
  {
    kind: string;
    state: string;
    attempts: number;
    refusals: number;
    last_error: string | null;
    next_at: Date;
  }[]
> => database.rows('SELECT * FROM incident_commands ORDER BY created_at, id');
const last = async () => (await commands()).at(-1);
const kinds = () => provider.said.map((command) => command.kind);
const seconds = (date: Date | undefined) => ((date?.getTime() ?? 0) - at(0).getTime()) / 1_000;
const held = (retryAfterMs: number): ProviderFailure => ({
  ok: false,
  reason: 'held',
  code: 'open',
  detail: 'held back',
  retryAfterMs,
});

describe('429', () => {
  it('for one incident holds the calls for every other until the period is over', async () => {
    const [one, two] = [await newIncident('one'), await newIncident('two')];
    provider.submits = [refusal('rate-limited', 30_000)];
    await sync(one);
    await sync(two);
    expect(provider.said).toHaveLength(1);
    nowMs = at(49).getTime();
    await sync(two);
    expect(provider.said).toHaveLength(2);
    // Its run waited for the rest of the pause, and only then spoke.
    expect(seconds(new Date(nowMs))).toBeGreaterThanOrEqual(50);
    expect(seconds(new Date(nowMs))).toBeLessThan(51);
  });

  it('while asking for a status holds them as well', async () => {
    const [one, two] = [await newIncident('one'), await newIncident('two')];
    provider.statuses = [refusal('rate-limited')];
    await sync(one);
    nowMs += 40_000;
    await sync(two);
    expect(provider.said).toHaveLength(1);
    nowMs += 20_000;
    await sync(two);
    expect(provider.said).toHaveLength(2);
  });

  it('and calls that were held back use up no try', async () => {
    const one = await newIncident();
    provider.submits = [
      ...Array<ProviderFailure>(6).fill(refusal('rate-limited', 5_000)),
      ...Array<ProviderFailure>(6).fill(held(3_000)),
    ];
    provider.statuses = [{ ok: true, state: 'failed', detail: 'later' }];
    for (let round = 0; round < 20; round += 1) {
      nowMs += 10_000;
      await sync(one);
    }
    expect(await commands()).toMatchObject([{ state: 'confirmed', attempts: 2, refusals: 1 }]);
  });
});

describe('tries that failed for another reason', () => {
  it('are not among the five that the vendor may refuse', async () => {
    const one = await newIncident();
    provider.submits = Array<ProviderFailure>(9).fill(refusal('unavailable'));
    provider.statuses = [{ ok: true, state: 'failed', detail: 'later' }];
    for (let round = 0; round < 12; round += 1) {
      nowMs += 100_000;
      await sync(one);
    }
    expect(await commands()).toMatchObject([{ state: 'confirmed', refusals: 1 }]);
  });

  it('held back: the time named is waited for, and nobody is told', async () => {
    const one = await newIncident();
    provider.submits = [held(7_000)];
    await sync(one);
    expect(await last()).toMatchObject({ state: 'pending', attempts: 0 });
    expect(seconds((await last())?.next_at)).toBe(27);
    expect(observed).toEqual([]);
  });
});

describe('an outcome nobody knows', () => {
  it('of an assignment that was done is found out by reading, and it is not said again', async () => {
    const one = await openedIncident();
    await assignIncident(database.db, one, 'bob', person, at(21));
    provider.submits = ['lost'];
    provider.shows = { assignee: 'Bob' };
    await sync(one);
    expect(kinds()).toEqual(['assign']);
    expect(await last()).toMatchObject({ state: 'confirmed' });
  });

  it('of an assignment that was not done is said again', async () => {
    const one = await openedIncident();
    await assignIncident(database.db, one, 'bob', person, at(21));
    provider.submits = [refusal('unknown')];
    await sync(one);
    expect(kinds()).toEqual(['assign', 'assign']);
  });

  it('of a note that is there is found out, and it is not doubled', async () => {
    const one = await openedIncident();
    await noteOnIncident(database.db, one, 'hello', person, at(21));
    provider.submits = ['lost'];
    provider.notes = ['hello'];
    await sync(one);
    expect(kinds()).toEqual(['add-note']);
    expect(await last()).toMatchObject({ state: 'confirmed' });
  });

  it.each(['unknown', 'auth', 'rejected'] as const)(
    'of a request whose status is always refused (%s) is found out by looking at the thing',
    async (reason) => {
      const one = await openedIncident();
      await assignIncident(database.db, one, 'bob', person, at(21));
      provider.statuses = Array<ProviderFailure>(50).fill(refusal(reason));
      provider.shows = { assignee: 'bob' };
      for (let round = 0; round < 20; round += 1) {
        nowMs += 60_000;
        await sync(one);
      }
      expect(await last()).toMatchObject({ kind: 'assign', state: 'confirmed' });
      expect(kinds()).toEqual(['assign']);
      expect(provider.asked.length).toBeLessThan(12);
    },
  );

  it('of a note of a process that was killed while it said it is looked for by the next', async () => {
    const one = await openedIncident();
    await noteOnIncident(database.db, one, 'hello', person, at(21));
    provider.submits = ['hang'];
    const killed = sync(one);
    await vi.waitFor(() => expect(kinds()).toEqual(['add-note']), { interval: 5 });
    // It arrived there; whoever said it is no more.
    provider.notes = ['hello'];
    await database.rows('UPDATE incidents SET sync_claimed_at = NULL');
    await sync(one);
    expect(kinds()).toEqual(['add-note']);
    expect(await last()).toMatchObject({ state: 'confirmed' });
    provider.release();
    await killed;
  });

  it('of a note that is not there is looked for more than once before it is said again', async () => {
    const one = await openedIncident();
    await noteOnIncident(database.db, one, 'hello', person, at(21));
    provider.submits = [refusal('unknown')];
    for (let round = 0; round < 3; round += 1) {
      await sync(one);
      nowMs += 5_000;
    }
    expect(provider.looks).toBeGreaterThan(1);
    expect(kinds()).toEqual(['add-note', 'add-note']);
  });

  it('of an opening, where a search lags, is waited for before it is opened again', async () => {
    const one = await newIncident();
    provider.searchLagMs = 60_000;
    provider.hiddenLooks = 6;
    provider.submits = ['lost'];
    for (let round = 0; round < 12; round += 1) {
      await sync(one);
      nowMs += 6_000;
    }
    expect(kinds()).toEqual(['open']);
    expect(provider.reads).toBe(7);
    expect(await last()).toMatchObject({ state: 'confirmed' });
  });

  it('of an opening whose mark leads nowhere any more is found by what the provider told of it', async () => {
    const one = await newIncident();
    provider.submits = ['lost'];
    // By mark nothing; by the id that was told, closed.
    provider.hiddenLooks = 1;
    provider.shows = { status: 'closed' };
    const asked: string[] = [];
    provider.identify = (externalId) => {
      asked.push(externalId);
      return Promise.resolve({
        ok: true,
        found: true,
        incidentId: externalId === 'ext-1' ? one : null,
        externalId,
      });
    };
    for (const [at_, subject, incidentId] of [
      [11, 'ext-1', one],
      [12, 'copy', one],
      [13, 'stranger', newId()],
    ] as const) {
      await database.rows(
        `INSERT INTO inbound_events (id, kind, dedup_key, payload, received_at, processed_at, subject)
         VALUES (gen_random_uuid(), 'fake.webhook', $1, $2, $3, $3, $1)`,
        [subject, { incidentId }, at(at_)],
      );
    }
    await sync(one);
    expect(asked).toEqual(['copy', 'ext-1']);
    expect(kinds()).toEqual(['open']);
    expect(await last()).toMatchObject({ state: 'confirmed' });
    expect(await database.row('SELECT external_id FROM incidents')).toEqual({ external_id: 'ext-1' });
  });

  it('of an opening that surely is not there after that is opened again, once', async () => {
    const one = await newIncident();
    provider.searchLagMs = 60_000;
    provider.submits = [refusal('unknown')];
    for (let round = 0; round < 12; round += 1) {
      await sync(one);
      if (provider.said.length === 2) break;
      expect(nowMs).toBeLessThan(at(85).getTime());
      nowMs += 6_000;
    }
    expect(nowMs).toBeGreaterThanOrEqual(at(80).getTime());
    expect(kinds()).toEqual(['open', 'open']);
  });
});

describe('an incident of another account or mode', () => {
  it.each([
    ['account', (fake: FakeProvider) => void (fake.connectionId = 'fake:2'), /fake:1.*fake:2/],
    ['mode', (fake: FakeProvider) => void (fake.externalKind = 'incident'), /"alert".*"incident"/],
  ])('is never spoken to in the wrong %s, and its history says why', async (_name, change, reason) => {
    const one = await openedIncident();
    await noteOnIncident(database.db, one, 'hello', person, at(21));
    await setIncidentStatus(database.db, one, 'resolved', person, at(22));
    change(provider);
    await sync(one);
    expect(provider.said).toEqual([]);
    expect(provider.reads).toBe(0);
    expect((await commands()).map((row) => row.state)).toEqual(['confirmed', 'failed', 'failed']);
    const failed = (await actionsOf(database.db, { incidentId: one })).filter(
      (entry) => 'failed' in entry.details,
    );
    expect(failed.map((entry) => entry.details)).toMatchObject([
      { failed: 'add-note', reason: expect.stringMatching(reason) },
      { failed: 'close', reason: expect.stringMatching(reason) },
    ]);
  });
});

describe('jobs', () => {
  it('that come back later keep their priority', async () => {
    for (const [name, severity, priority] of [
      ['grave', 'P0', priorities.urgent],
      ['mild', 'P3', priorities.normal],
    ] as const) {
      const incidentId = await newIncident(name, severity);
      await database.takeJobs();
      provider.submits = [refusal('auth')];
      await sync(incidentId);
      const jobs = (await database.takeJobs()).filter((job) => job.task === 'incident.sync');
      expect(jobs).toMatchObject([{ priority }]);
      nowMs += 100_000;
    }
  });

  it('run at once when the vendor is back, however long they would have waited', async () => {
    const [one, two] = [await newIncident('one'), await newIncident('two')];
    provider.submits = [refusal('auth'), refusal('auth')];
    await sync(one);
    await sync(two);
    await database.takeJobs();
    expect(await resumeSync(database.db, new Date(nowMs))).toBe(2);
    const jobs = await database.takeJobs();
    expect(jobs.map((job) => [job.task, job.delayMs, job.payload['incidentId']])).toEqual(
      [one, two].toSorted().map((id) => ['incident.sync', 0, id]),
    );
    await sync(one);
    provider.opened = null;
    await sync(two);
    expect((await commands()).map((row) => row.state)).toEqual(['confirmed', 'confirmed']);
    expect(await resumeSync(database.db, new Date(nowMs))).toBe(0);
  });

  it('run one at a time, the gravest first, to see whether the vendor is back', async () => {
    const [mild, grave] = [await newIncident('mild', 'P2'), await newIncident('grave', 'P0')];
    provider.submits = [refusal('auth'), refusal('auth')];
    await sync(mild);
    await sync(grave);
    await database.takeJobs();
    expect(await probeSync(database.db, new Date(nowMs))).toBe(1);
    expect(await database.takeJobs()).toMatchObject([{ payload: { incidentId: grave } }]);
    expect(await probeSync(database.db, new Date(nowMs))).toBe(0);
  });

  it('are made for what has been forgotten, and not for what only waits', async () => {
    const one = await newIncident('one');
    const two = await newIncident('two');
    provider.submits = [refusal('auth')];
    await sync(two);
    await database.takeJobs();
    expect(await wakeSync(database.db, at(20))).toBe(1);
    expect(await database.takeJobs()).toMatchObject([{ payload: { incidentId: one } }]);
  });
});
