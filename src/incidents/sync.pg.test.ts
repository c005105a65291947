import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { at, describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { FakeProvider, refusal } from '../../test/support/fake-provider.ts';
import { actionsOf } from '../alerts/alert-queries.ts';
import type { Clock } from '../lib/clock.ts';
import type { AssignmentRule } from './assignment.ts';
import { assignIncident, noteOnIncident, setIncidentStatus } from './incident-actions.ts';
import { openForAlert } from './open.ts';
import type { ProviderFailure, RequestStatus } from './provider.ts';
import { syncIncident } from './sync.ts';

const rejectedLater: RequestStatus = { ok: true, state: 'failed', detail: 'the team is not there' };

let database: DomainDatabase;
let provider: FakeProvider;
let nowMs: number;
let observed: string[];
const clock: Clock = { now: () => new Date(nowMs) };
/** What a run waits for is there at once. */
const pause = (ms: number): Promise<void> => {
  nowMs += ms;
  return Promise.resolve();
};
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

afterEach(() => provider.release());

/** An incident whose opening waits to be said. */
async function newIncident(
  assignment: AssignmentRule[] = [],
): Promise<{ incidentId: string; alertId: string }> {
  const [alertId = ''] = await database.store([describedSignal({ severity: 'P1' })], at(10));
  const policy = {
    autoCreate: [],
    assignment,
    provider: { name: 'fake', connectionId: 'fake:1' },
    alertUrl: (id: string) => `https://gomon.example.org/${id}`,
  };
  const opened = await openForAlert(database.db, { alertId }, policy, person, at(10));
  if (!opened.ok) throw new Error(opened.detail);
  await database.takeJobs();
  return { incidentId: opened.incidentId, alertId };
}

const sync = (incidentId: string): Promise<void> =>
  syncIncident(
    {
      db: database.db,
      provider,
      clock,
      pause,
      observe: (outcome, command) => void observed.push(`${command} ${outcome}`),
    },
    incidentId,
    new AbortController().signal,
  );

type CommandRow = {
  kind: string;
  state: string;
  attempts: number;
  last_error: string | null;
  next_at: Date;
  request_id: string | null;
};
const commands = (): Promise<CommandRow[]> =>
  database.rows('SELECT * FROM incident_commands ORDER BY created_at, id');

/** When the next run is asked for, in seconds of the morning. */
async function comesBackAt(): Promise<number | null> {
  const jobs = (await database.takeJobs()).filter((job) => job.task === 'incident.sync');
  expect(jobs.length).toBeLessThanOrEqual(1);
  return jobs[0] === undefined ? null : (nowMs - at(0).getTime() + jobs[0].delayMs) / 1_000;
}

describe('opening', () => {
  it('goes from pending over accepted to confirmed, and is kept with its address', async () => {
    const { incidentId, alertId } = await newIncident();
    provider.statuses = [
      { ok: true, state: 'pending' },
      { ok: true, state: 'pending' },
    ];
    await sync(incidentId);
    expect(provider.said).toMatchObject([
      {
        kind: 'open',
        by: 'ann',
        ref: { incidentId, externalId: null },
        incident: { title: '[P1] Basket is slow' },
      },
    ]);
    expect(provider.asked).toEqual(['r1', 'r1', 'r1']);
    expect(await commands()).toMatchObject([{ kind: 'open', state: 'confirmed', last_error: null }]);
    expect(
      await database.row('SELECT external_kind, external_id, external_url, sync_claimed_at FROM incidents'),
    ).toEqual({
      external_kind: 'alert',
      external_id: 'ext-1',
      external_url: 'https://provider.example.org/ext-1',
      sync_claimed_at: null,
    });
    expect(observed).toEqual(['open confirmed']);
    // The card can link to it now.
    expect(await database.takeJobs()).toMatchObject([
      { task: 'alert.changed', payload: { alertIds: [alertId] } },
    ]);
    const audit = (await actionsOf(database.db, { incidentId })).filter((entry) => entry.action === 'sync');
    expect(audit).toMatchObject([{ userId: 'system', details: { provider: 'fake', opened: 'ext-1' } }]);
  });

  it('at once is confirmed at once', async () => {
    const { incidentId } = await newIncident();
    provider.submits = ['done'];
    await sync(incidentId);
    expect(provider.asked).toEqual([]);
    expect(await database.row('SELECT external_id FROM incidents')).toEqual({ external_id: 'ext-1' });
  });

  it('again, when everything was said, says nothing', async () => {
    const { incidentId } = await newIncident();
    await sync(incidentId);
    await sync(incidentId);
    expect(provider.said).toHaveLength(1);
  });

  it('with an unknown outcome looks before it says it again: there, it is adopted', async () => {
    const { incidentId } = await newIncident();
    provider.submits = ['lost'];
    await sync(incidentId);
    expect([provider.reads, provider.said.length]).toEqual([1, 1]);
    expect(await commands()).toMatchObject([{ state: 'confirmed' }]);
    expect(await database.row('SELECT external_id FROM incidents')).toEqual({ external_id: 'ext-1' });
  });

  it('with an unknown outcome looks before it says it again: not there, it is opened', async () => {
    const { incidentId } = await newIncident();
    provider.submits = [refusal('unknown')];
    await sync(incidentId);
    expect([provider.reads, provider.said.length]).toEqual([1, 2]);
    expect(await commands()).toMatchObject([{ state: 'confirmed' }]);
  });

  it('with an unknown outcome is not said again while it cannot be looked for', async () => {
    const { incidentId } = await newIncident();
    provider.submits = [refusal('unknown')];
    provider.readScript = [refusal('auth'), refusal('unknown', 50_000)];
    await sync(incidentId);
    expect([provider.reads, provider.said.length]).toEqual([1, 1]);
    expect(await commands()).toMatchObject([{ state: 'unknown' }]);
    nowMs += 60_000;
    await sync(incidentId);
    expect([provider.reads, provider.said.length]).toEqual([2, 1]);
    expect(await commands()).toMatchObject([{ state: 'unknown' }]);
    nowMs += 60_000;
    await sync(incidentId);
    expect([provider.reads, provider.said.length]).toEqual([3, 2]);
    expect(await commands()).toMatchObject([{ state: 'confirmed' }]);
  });

  it('that the vendor never gets to is asked for again, and looked for before', async () => {
    const { incidentId } = await newIncident();
    provider.statuses = Array.from({ length: 21 }, (): RequestStatus => ({ ok: true, state: 'pending' }));
    for (let round = 0; round < 40 && provider.reads === 0; round += 1) {
      nowMs += 10_000;
      await sync(incidentId);
    }
    expect(new Set(provider.asked)).toEqual(new Set(['r1']));
    expect([provider.reads, provider.said.length]).toEqual([1, 1]);
    expect(await commands()).toMatchObject([{ state: 'confirmed' }]);
  });
});

describe('a failure', () => {
  it('after the vendor worked on it is submitted anew, and given up after the fifth', async () => {
    const { incidentId } = await newIncident();
    provider.statuses = Array.from({ length: 9 }, () => rejectedLater);
    for (let round = 1; round <= 8; round += 1) {
      nowMs += 100_000;
      await sync(incidentId);
    }
    expect(provider.said).toHaveLength(5);
    expect(await commands()).toMatchObject([{ state: 'failed', last_error: 'the team is not there' }]);
    expect(observed).toEqual(['open retried', 'open retried', 'open retried', 'open retried', 'open failed']);
    const audit = (await actionsOf(database.db, { incidentId })).filter((entry) => entry.action === 'sync');
    expect(audit).toMatchObject([{ details: { failed: 'open', reason: 'the team is not there' } }]);
  });

  it('after the vendor worked on it, which then works, is forgotten', async () => {
    const { incidentId } = await newIncident();
    provider.statuses = [rejectedLater];
    await sync(incidentId);
    expect(await commands()).toMatchObject([{ state: 'confirmed', last_error: null }]);
  });

  it('to ask for the status does not use up the tries', async () => {
    const { incidentId } = await newIncident();
    provider.statuses = [...Array<ProviderFailure>(6).fill(refusal('unavailable')), rejectedLater];
    for (let round = 0; round < 9; round += 1) {
      nowMs += 100_000;
      await sync(incidentId);
    }
    expect(await commands()).toMatchObject([{ state: 'confirmed' }]);
    expect(provider.said).toHaveLength(2);
  });

  it('by too many calls waits as long as the vendor says, or a minute', async () => {
    const { incidentId } = await newIncident();
    provider.submits = [refusal('rate-limited', 30_000), refusal('rate-limited')];
    await sync(incidentId);
    const [first] = await commands();
    const waits = await comesBackAt();
    expect(waits).toBe(50);
    expect((first?.next_at.getTime() ?? 0) - at(0).getTime()).toBe((waits ?? 0) * 1_000);
    // A run before its time says nothing.
    await sync(incidentId);
    expect(provider.said).toHaveLength(1);
    expect(await comesBackAt()).toBe(waits);
    nowMs = at(60).getTime();
    await sync(incidentId);
    expect(provider.said).toHaveLength(2);
    expect(await comesBackAt()).toBe(120);
  });

  it('that surely did not arrive waits at least as long as the vendor says', async () => {
    const { incidentId } = await newIncident();
    provider.submits = [refusal('unavailable', 45_000)];
    await sync(incidentId);
    expect(await comesBackAt()).toBe(65);
  });

  it('of the key waits a minute', async () => {
    const { incidentId } = await newIncident();
    provider.submits = [refusal('auth')];
    await sync(incidentId);
    expect(await comesBackAt()).toBe(80);
    expect(await commands()).toMatchObject([{ state: 'pending' }]);
  });

  it('that will never be accepted ends the command, and the next one is said', async () => {
    const { incidentId } = await newIncident();
    await noteOnIncident(database.db, incidentId, 'hello', person, at(21));
    provider.submits = [refusal('rejected')];
    await sync(incidentId);
    expect((await commands()).map((row) => [row.kind, row.state])).toEqual([
      ['open', 'failed'],
      ['add-note', 'confirmed'],
    ]);
    expect(await database.row('SELECT external_id, sync_claimed_at FROM incidents')).toEqual({
      external_id: null,
      sync_claimed_at: null,
    });
  });
});

describe('responders that the provider does not know', () => {
  const responders = [{ type: 'team' as const, name: 'renamed' }];

  it('do not cost the incident: it is opened without them, once', async () => {
    const { incidentId } = await newIncident([{ responders }]);
    provider.submits = [refusal('rejected')];
    await sync(incidentId);
    expect(provider.said.map((said) => said.kind === 'open' && said.incident.responders)).toEqual([
      responders,
      [],
    ]);
    expect(await commands()).toMatchObject([{ kind: 'open', state: 'confirmed' }]);
    expect(observed).toEqual(['open retried', 'open confirmed']);
  });

  it('and a refusal without them is the last word', async () => {
    const { incidentId } = await newIncident([{ responders }]);
    provider.submits = [refusal('rejected'), refusal('rejected')];
    await sync(incidentId);
    expect(provider.said).toHaveLength(2);
    expect(await commands()).toMatchObject([{ kind: 'open', state: 'failed' }]);
  });
});

describe('several commands', () => {
  it('are said one after another in the order they were wished for, with the id of what was opened', async () => {
    const { incidentId } = await newIncident();
    await assignIncident(database.db, incidentId, 'bob', person, at(21));
    await noteOnIncident(database.db, incidentId, 'one', person, at(21));
    await noteOnIncident(database.db, incidentId, 'two', person, at(21));
    await setIncidentStatus(database.db, incidentId, 'resolved', person, at(22));
    await sync(incidentId);
    expect(provider.said.map((command) => command.kind)).toEqual([
      'open',
      'assign',
      'add-note',
      'add-note',
      'close',
    ]);
    expect(provider.said.map((command) => command.ref.externalId)).toEqual([
      null,
      'ext-1',
      'ext-1',
      'ext-1',
      'ext-1',
    ]);
    expect(provider.said.slice(2, 4)).toMatchObject([{ text: 'one' }, { text: 'two' }]);
    expect(provider.mostUnderWay).toBe(1);
  });

  it('wait for the one before them', async () => {
    const { incidentId } = await newIncident();
    await noteOnIncident(database.db, incidentId, 'one', person, at(21));
    provider.submits = [refusal('auth')];
    await sync(incidentId);
    expect(provider.said.map((command) => command.kind)).toEqual(['open']);
  });
});

describe('two workers on one incident', () => {
  it('do not interleave: one comes back later', async () => {
    const { incidentId } = await newIncident();
    await noteOnIncident(database.db, incidentId, 'one', person, at(21));
    await database.takeJobs();
    provider.submits = ['hang'];
    const first = sync(incidentId);
    await vi.waitFor(() => expect(provider.said).toHaveLength(1), { interval: 5 });
    await sync(incidentId);
    expect(provider.said).toHaveLength(1);
    expect(await comesBackAt()).toBe(21);
    provider.release();
    await first;
    expect(provider.said.map((command) => command.kind)).toEqual(['open', 'add-note']);
    expect(provider.mostUnderWay).toBe(1);
  });

  it('the claim of a process that died is taken over after a minute', async () => {
    const { incidentId } = await newIncident();
    await database.rows('UPDATE incidents SET sync_claimed_at = $1', [new Date(nowMs - 55_000)]);
    await sync(incidentId);
    expect(provider.said).toHaveLength(0);
    nowMs += 6_000;
    await sync(incidentId);
    expect(provider.said).toHaveLength(1);
  });

  it('a run that lost its claim leaves that of the other alone', async () => {
    const { incidentId } = await newIncident();
    provider.submits = ['hang'];
    const slow = sync(incidentId);
    await vi.waitFor(() => expect(provider.said).toHaveLength(1), { interval: 5 });
    const others = new Date(nowMs + 61_000);
    await database.rows('UPDATE incidents SET sync_claimed_at = $1', [others]);
    provider.release();
    await slow;
    expect(await database.row('SELECT sync_claimed_at FROM incidents')).toEqual({ sync_claimed_at: others });
  });

  it('a run that is told to stop says nothing more and lets go of the incident', async () => {
    const { incidentId } = await newIncident();
    const deps = { db: database.db, provider, clock, pause, observe: () => undefined };
    await expect(syncIncident(deps, incidentId, AbortSignal.abort(new Error('stop')))).rejects.toThrow(
      'stop',
    );
    expect(provider.said).toEqual([]);
    expect(await database.row('SELECT sync_claimed_at FROM incidents')).toEqual({ sync_claimed_at: null });
  });
});
