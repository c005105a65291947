import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal, takeIn } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { type ActionResult, type Actor, type AlertAction, act, resolveExpired } from './actions.ts';
import { actionsOf, findAlerts, latestNotes, type StoredAlert } from './alert-queries.ts';
import type { DescribedSignal } from './describe.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  await database.reset();
});

const ann: Actor = { userId: 'ann@example.org', door: 'slack', about: { name: 'Ann' } };
const unknownId = '01993f00-0000-7000-8000-0000000000ff';

async function newAlert(parts: Partial<DescribedSignal> = {}): Promise<string> {
  const [id = ''] = await database.store([describedSignal(parts)], at(10));
  await database.takeJobs();
  return id;
}

const doTo = (id: string, action: AlertAction, second = 100, actor = ann): Promise<ActionResult> =>
  act(database.db, id, action, actor, at(second));

async function read(id: string): Promise<StoredAlert> {
  const [alert] = await findAlerts(database.db, [id]);
  if (alert === undefined) throw new Error('not there');
  return alert;
}

/** What was done by people, not by the source. */
const done = async (id: string) =>
  (await actionsOf(database.db, { alertId: id })).filter((entry) => entry.action !== 'create');

describe('each action', () => {
  const cases: [AlertAction, Partial<StoredAlert>, string, Record<string, unknown>][] = [
    [
      { kind: 'acknowledge', note: 'mine' },
      { status: 'acknowledged', acknowledgedAt: at(100), acknowledgedBy: 'ann@example.org' },
      'acknowledge',
      { name: 'Ann', note: 'mine', from: 'firing', to: 'acknowledged' },
    ],
    [
      { kind: 'escalate' },
      { status: 'escalated', severity: 'P1', severityPinned: true },
      'escalate',
      { name: 'Ann', from: 'firing', to: 'escalated', severity: { from: 'P2', to: 'P1' } },
    ],
    [
      { kind: 'escalate', severity: 'P0' },
      { status: 'escalated', severity: 'P0' },
      'escalate',
      { name: 'Ann', from: 'firing', to: 'escalated', severity: { from: 'P2', to: 'P0' } },
    ],
    [
      { kind: 'assign', assignedTo: 'bob' },
      { status: 'firing', assignedTo: 'bob' },
      'assign',
      { name: 'Ann', assignedTo: { from: null, to: 'bob' } },
    ],
    [
      { kind: 'resolve', why: 'fixed' },
      { status: 'resolved', resolvedAt: at(100), resolvedBy: 'ann@example.org', expiresAt: null },
      'resolve',
      { name: 'Ann', reason: 'fixed', from: 'firing', to: 'resolved' },
    ],
    [
      { kind: 'note', text: 'disk\0 is full' },
      { status: 'firing' },
      'note',
      { name: 'Ann', text: 'disk\0 is full' },
    ],
  ];

  it.each(cases)('%j is done, audited and told', async (action, after, kind, details) => {
    const id = await newAlert({ expiresAt: at(900) });
    expect(await doTo(id, action)).toEqual({ ok: true, already: false, alertId: id });
    expect(await read(id)).toMatchObject({ ...after, updatedAt: at(100) });
    expect(await done(id)).toEqual([
      {
        id: expect.any(String),
        alertId: id,
        incidentId: null,
        userId: 'ann@example.org',
        action: kind,
        door: 'slack',
        details,
        at: at(100),
      },
    ]);
    expect(await database.takeJobs()).toMatchObject([{ task: 'alert.changed', payload: { alertIds: [id] } }]);
  });

  it.each<AlertAction>([
    { kind: 'acknowledge' },
    { kind: 'escalate', severity: 'P0' },
    { kind: 'assign', assignedTo: 'bob' },
    { kind: 'resolve' },
  ])('%j a second time changes nothing, also for somebody else', async (action) => {
    const id = await newAlert();
    await doTo(id, action);
    await database.takeJobs();
    const before = await read(id);
    expect(await doTo(id, action, 200, { userId: 'bob', door: 'api' })).toEqual({
      ok: true,
      already: true,
      alertId: id,
    });
    expect(await read(id)).toEqual(before);
    expect(await done(id)).toHaveLength(1);
    expect(await database.takeJobs()).toEqual([]);
  });

  it.each<AlertAction>([
    { kind: 'acknowledge' },
    { kind: 'escalate' },
    { kind: 'assign', assignedTo: 'bob' },
  ])('%j of a resolved alert is forbidden, and leaves no trace', async (action) => {
    const id = await newAlert();
    await takeIn(database.intake, [resolvedSignal()], at(310));
    await database.takeJobs();
    const before = await read(id);
    expect(await doTo(id, action, 400)).toMatchObject({
      ok: false,
      reason: 'forbidden',
      detail: expect.stringContaining('resolved'),
    });
    expect(await read(id)).toEqual(before);
    expect((await done(id)).map((entry) => entry.action)).toEqual(['resolve']);
    expect(await database.takeJobs()).toEqual([]);
  });

  it.each<AlertAction>([
    { kind: 'acknowledge' },
    { kind: 'note', text: 'x' },
    { kind: 'resolve' },
    { kind: 'resolve-and-archive' },
  ])('%j of an archived or unknown alert says which of the two', async (action) => {
    const id = await newAlert();
    await doTo(id, { kind: 'resolve-and-archive' });
    expect(await doTo(id, action, 200)).toEqual({ ok: false, reason: 'archived' });
    expect(await doTo(unknownId, action)).toEqual({ ok: false, reason: 'not-found' });
  });

  it('an escalation cannot lower', async () => {
    const id = await newAlert();
    expect(await doTo(id, { kind: 'escalate', severity: 'P3' })).toMatchObject({
      ok: false,
      reason: 'forbidden',
    });
    expect((await read(id)).severity).toBe('P2');
  });

  it('notes can be left on what is over, and are found newest last', async () => {
    const id = await newAlert();
    await doTo(id, { kind: 'resolve' }, 100);
    for (let n = 1; n <= 5; n += 1) await doTo(id, { kind: 'note', text: `note ${n}` }, 100 + n);
    const notes = await latestNotes(database.db, [id], 3);
    expect(notes.map((note) => note.text)).toEqual(['note 3', 'note 4', 'note 5']);
  });

  it('an escalated alert can be acknowledged and keeps what the person chose', async () => {
    const id = await newAlert();
    await doTo(id, { kind: 'escalate' }, 100);
    await doTo(id, { kind: 'acknowledge' }, 101);
    await takeIn(database.intake, [describedSignal()], at(120));
    expect(await read(id)).toMatchObject({ status: 'acknowledged', severity: 'P1', occurrences: 2 });
  });

  it('what a person resolved reopens when its source goes on for a minute, and not before', async () => {
    const id = await newAlert();
    await doTo(id, { kind: 'resolve' }, 100);
    expect(await takeIn(database.intake, [describedSignal()], at(130))).toMatchObject([
      { outcome: 'ignored' },
    ]);
    expect(await takeIn(database.intake, [describedSignal()], at(161))).toMatchObject([
      { outcome: 'updated', id },
    ]);
    expect(await read(id)).toMatchObject({ status: 'firing', episode: 2, resolvedBy: null });
  });
});

describe('archiving', () => {
  it('moves the whole alert, resolved, and it is still found by its id', async () => {
    const id = await newAlert({ labels: { a: 'b\0' } });
    const before = await read(id);
    expect(await doTo(id, { kind: 'resolve-and-archive', why: 'a test' })).toEqual({
      ok: true,
      already: false,
      alertId: id,
    });
    expect(await database.row('SELECT count(*)::int AS count FROM alerts_active')).toEqual({ count: 0 });
    expect(await read(id)).toEqual({
      ...before,
      status: 'archived',
      archivedAt: at(100),
      resolvedAt: at(100),
      resolvedBy: 'ann@example.org',
      resolveReceivedAt: at(100),
      receivedAt: at(100),
      updatedAt: at(100),
    });
    expect(await database.row('SELECT archive_reason FROM alerts_archive')).toEqual({
      archive_reason: 'a test',
    });
    expect((await done(id)).map((entry) => entry.action)).toEqual(['resolve', 'archive']);
    expect(await database.takeJobs()).toMatchObject([{ payload: { alertIds: [id] } }]);
  });

  it('of a resolved alert leaves its end as it was', async () => {
    const id = await newAlert();
    await takeIn(database.intake, [resolvedSignal()], at(310));
    await doTo(id, { kind: 'resolve-and-archive' }, 400);
    expect(await read(id)).toMatchObject({ status: 'archived', resolvedAt: at(300), resolvedBy: null });
    expect((await done(id)).map((entry) => entry.action)).toEqual(['resolve', 'archive']);
  });

  it('makes room: the same fingerprint is a new alert', async () => {
    const id = await newAlert();
    await doTo(id, { kind: 'resolve-and-archive' });
    const [again] = await takeIn(database.intake, [describedSignal()], at(200));
    expect(again).toMatchObject({ outcome: 'created' });
    expect(again?.id).not.toBe(id);
  });

  it('takes a reason of any length', async () => {
    const id = await newAlert();
    expect(await doTo(id, { kind: 'resolve-and-archive', why: 'because '.repeat(100) })).toMatchObject({
      ok: true,
    });
    expect((await read(id)).status).toBe('archived');
  });
});

describe('at the same time', () => {
  it('two people acknowledge: one did it, and one audit row says who', async () => {
    const id = await newAlert();
    const people = ['ann', 'bob', 'cid', 'dan'].map((userId): Actor => ({ userId, door: 'slack' }));
    const results = await Promise.all(people.map((actor) => doTo(id, { kind: 'acknowledge' }, 100, actor)));
    const first = results.findIndex((result) => result.ok && !result.already);
    expect(results.filter((result) => result.ok && !result.already)).toHaveLength(1);
    expect((await done(id)).map((entry) => entry.userId)).toEqual([people[first]?.userId]);
    expect((await read(id)).acknowledgedBy).toBe(people[first]?.userId);
    expect(await database.takeJobs()).toHaveLength(1);
  });

  it('somebody archives what somebody else acknowledges: both get an answer, and it is archived', async () => {
    const id = await newAlert();
    const results = await Promise.all([
      doTo(id, { kind: 'resolve-and-archive' }),
      doTo(id, { kind: 'acknowledge' }),
    ]);
    expect(results[0]).toMatchObject({ ok: true });
    expect(results[1]).toBeOneOf([
      { ok: true, already: false, alertId: id },
      { ok: false, reason: 'archived' },
    ]);
    expect((await read(id)).status).toBe('archived');
  });
});

describe('expiry', () => {
  it('resolves what its source no longer vouches for, at the time it vouched until', async () => {
    const ids = await database.store(
      [
        describedSignal({ fingerprint: 'over', expiresAt: at(400) }),
        describedSignal({ fingerprint: 'now', expiresAt: at(500) }),
        describedSignal({ fingerprint: 'later', expiresAt: at(501) }),
        describedSignal({ fingerprint: 'never' }),
      ],
      at(10),
    );
    await database.takeJobs();
    const [over = '', now = '', later = '', never = ''] = ids;
    expect(await resolveExpired(database.db, at(500), 100)).toBe(2);
    expect(await read(over)).toMatchObject({
      status: 'resolved',
      resolvedAt: at(400),
      resolvedBy: null,
      expiresAt: null,
      updatedAt: at(500),
    });
    expect(await read(now)).toMatchObject({ status: 'resolved', resolvedAt: at(500) });
    expect([(await read(later)).status, (await read(never)).status]).toEqual(['firing', 'firing']);
    expect(await done(over)).toMatchObject([
      {
        action: 'resolve',
        userId: 'system',
        door: 'system',
        details: { from: 'firing', to: 'resolved', reason: expect.stringContaining(at(400).toISOString()) },
      },
    ]);
    const jobs = await database.takeJobs();
    expect(new Set(jobs.flatMap((job) => job.payload['alertIds']))).toEqual(new Set([over, now]));
    expect(await resolveExpired(database.db, at(500), 100)).toBe(0);
  });

  it('goes in bites, also when two processes bite at once', async () => {
    await database.store(
      Array.from({ length: 30 }, (_, n) => describedSignal({ fingerprint: `f${n}`, expiresAt: at(100) })),
      at(10),
    );
    const bites = await Promise.all([
      resolveExpired(database.db, at(200), 20),
      resolveExpired(database.db, at(200), 20),
    ]);
    const rest = await resolveExpired(database.db, at(200), 20);
    expect(bites.reduce((a, b) => a + b, 0) + rest).toBe(30);
    expect(
      await database.row(`SELECT count(*)::int AS count FROM alert_actions WHERE action = 'resolve'`),
    ).toEqual({ count: 30 });
  });

  it('is over at once when the source is back: nothing was overtaken', async () => {
    const id = await newAlert({ expiresAt: at(100) });
    await resolveExpired(database.db, at(105), 10);
    const back = describedSignal({ expiresAt: at(400) });
    expect(await takeIn(database.intake, [back], at(110))).toMatchObject([{ outcome: 'updated', id }]);
    expect(await read(id)).toMatchObject({ status: 'firing', episode: 2, expiresAt: at(400) });
  });
});
