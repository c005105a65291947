import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { at, describedSignal, intakeRequest, resolvedSignal, takeIn } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { openPool } from '../db/pool.ts';
import { findAlerts } from './alert-queries.ts';
import { originalBody } from './delivery-store.ts';
import type { DescribedSignal } from './describe.ts';
import { Intake, type IntakeRequest } from './intake.ts';

let database: DomainDatabase;
let opened: { close(): Promise<void> }[];

beforeEach(async () => {
  opened = [];
  database = await openDomainDatabase();
});

afterEach(async () => {
  for (const each of opened) await each.close();
  await database.close();
});

function anotherIntake(limits = { queuedAlerts: 10_000, alertsPerCommit: 1_000 }): Intake {
  const pool = openPool({ url: database.url, size: 2, purpose: 'test' });
  const intake = new Intake({ db: pool.db, limits, observe: () => undefined });
  opened.push({ close: () => intake.stop().then(() => pool.close()) });
  return intake;
}

const signalOf = (fingerprint: string, parts: Partial<DescribedSignal> = {}): DescribedSignal =>
  describedSignal({ fingerprint, ...parts });

/** Requests that were written by one transaction share its number. */
const commits = async (): Promise<number> =>
  (await database.row<{ count: number }>('SELECT count(DISTINCT xmin::text)::int AS count FROM deliveries'))
    .count;

const audits = (): Promise<{ action: string; details: Record<string, unknown> }[]> =>
  database.rows('SELECT action, details FROM alert_actions ORDER BY created_at, id');

/** Too long for the unique index, however well it is compressed: PostgreSQL refuses the row. */
const poison = (): DescribedSignal => signalOf('poison', { tenant: randomBytes(20_000).toString('hex') });

describe('requests that come together', () => {
  it('share one commit and get their own answers', async () => {
    const requests = Array.from({ length: 50 }, (_, n) =>
      intakeRequest([signalOf(`f${n}`), signalOf(`g${n}`)], at(10)),
    );
    const results = await Promise.all(requests.map((request) => database.intake.submit(request)));
    expect(await commits()).toBe(1);
    for (const [n, result] of results.entries()) {
      expect(result).toMatchObject({
        ok: true,
        results: [
          { outcome: 'created', fingerprint: `f${n}` },
          { outcome: 'created', fingerprint: `g${n}` },
        ],
      });
    }
    const ids = results.flatMap((result) => (result.ok ? result.results.map((entry) => entry.id) : []));
    expect(new Set(ids).size).toBe(100);
  });

  it('that come just as the last one is answered do not wait for the next to come', async () => {
    for (let n = 0; n < 20; n += 1) {
      expect(await takeIn(database.intake, [signalOf(`f${n}`)], at(10))).toMatchObject([
        { outcome: 'created' },
      ]);
    }
    expect(await commits()).toBe(20);
  });

  it('that come while a commit is under way share the next one', async () => {
    const first = database.intake.submit(intakeRequest([signalOf('a')], at(10)));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const others = ['b', 'c', 'd'].map((name) =>
      database.intake.submit(intakeRequest([signalOf(name)], at(10))),
    );
    await Promise.all([first, ...others]);
    expect(await commits()).toBe(2);
  });

  it('are spread over several commits when they are too large for one', async () => {
    const intake = anotherIntake({ queuedAlerts: 100, alertsPerCommit: 4 });
    const sizes = [3, 3, 1, 9, 1];
    const requests = sizes.map((size, n) =>
      intakeRequest(
        Array.from({ length: size }, (_, k) => signalOf(`${n}-${k}`)),
        at(10),
      ),
    );
    await Promise.all(requests.map((request) => intake.submit(request)));
    expect(await commits()).toBe(4);
    expect(intake.queuedAlerts).toBe(0);
  });

  it('about the same alert are judged in their order, also when the first of them takes long', async () => {
    await database.store([signalOf('slow')], at(5));
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query(`SELECT FROM alerts_active WHERE fingerprint = 'slow' FOR UPDATE`);
      const firing = takeIn(database.intake, [signalOf('slow'), signalOf('f')], at(10));
      await blocked(1);
      const resolved = takeIn(database.intake, [resolvedSignal({ fingerprint: 'f' })], at(310));
      // Time enough for the second to be stored, were it not kept back.
      const other = anotherIntake();
      for (const name of ['a', 'b', 'c']) await takeIn(other, [signalOf(name)], at(10));
      await holder.query('COMMIT');
      expect(await firing).toMatchObject([{ outcome: 'updated' }, { outcome: 'created' }]);
      expect(await resolved).toMatchObject([{ outcome: 'resolved' }]);
    } finally {
      await holder.end();
    }
  });

  it('are judged in their order: firing, resolved and firing again of one alert in one commit', async () => {
    const story = [signalOf('f'), resolvedSignal({ fingerprint: 'f' }), signalOf('f', { startsAt: at(400) })];
    const results = await Promise.all(
      story.map((signal, n) => database.intake.submit(intakeRequest([signal], at(10 + n)))),
    );
    expect(await commits()).toBe(1);
    expect(results.map((result) => result.ok && result.results[0]?.outcome)).toEqual([
      'created',
      'resolved',
      'updated',
    ]);
    expect(await database.row('SELECT status, episode, occurrences FROM alerts_active')).toEqual({
      status: 'firing',
      episode: 2,
      occurrences: 2,
    });
    expect((await audits()).map((row) => row.action)).toEqual(['create', 'resolve', 'refire']);
    const [job, ...others] = await database.takeJobs();
    expect(others).toEqual([]);
    expect(job).toMatchObject({ task: 'alert.changed', payload: { alertIds: [expect.any(String)] } });
  });

  it('may name an alert many times: it is one row', async () => {
    const results = await takeIn(
      database.intake,
      Array.from({ length: 20 }, () => signalOf('f')),
      at(10),
    );
    expect(results.map((entry) => entry.outcome)).toEqual(['created', ...Array(19).fill('updated')]);
    expect(new Set(results.map((entry) => entry.id)).size).toBe(1);
    expect(await database.row('SELECT occurrences FROM alerts_active')).toEqual({ occurrences: 20 });
  });
});

describe('identity', () => {
  it('is source, tenant and fingerprint together', async () => {
    await takeIn(database.intake, [signalOf('f'), signalOf('f', { tenant: '2' }), signalOf('g')], at(10));
    await takeIn(database.intake, [signalOf('f')], at(11), { source: 'alertmanager' });
    await takeIn(database.intake, [signalOf('f')], at(12));
    expect(
      await database.rows(
        'SELECT source, tenant, fingerprint, occurrences FROM alerts_active ORDER BY 1, 2, 3',
      ),
    ).toEqual([
      { source: 'alertmanager', tenant: '', fingerprint: 'f', occurrences: 1 },
      { source: 'grafana', tenant: '', fingerprint: 'f', occurrences: 2 },
      { source: 'grafana', tenant: '', fingerprint: 'g', occurrences: 1 },
      { source: 'grafana', tenant: '2', fingerprint: 'f', occurrences: 1 },
    ]);
  });

  it('of hostile fingerprints is kept apart, and half characters do not trap the intake', async () => {
    const names = ['a\0', 'a', 'a\uFDD00', '__proto__', 'a"],["', 'half\uD800', 'half\uFFFD', 'half\uDC00'];
    const results = await takeIn(
      database.intake,
      names.map((name) => signalOf(name)),
      at(10),
    );
    expect(new Set(results.map((entry) => entry.id)).size).toBe(6);
    const again = await takeIn(
      database.intake,
      names.map((name) => signalOf(name)),
      at(11),
    );
    expect(again.map((entry) => entry.id)).toEqual(results.map((entry) => entry.id));
    expect(again.every((entry) => entry.outcome === 'updated')).toBe(true);
  });
});

describe('two processes', () => {
  it('that hear the same new alerts at once make one row each, and answer everybody', async () => {
    const other = anotherIntake();
    const names = Array.from({ length: 40 }, (_, n) => `f${n}`);
    const rounds = Array.from({ length: 6 }, (_, round) => {
      // Overlapping, and in crossing orders.
      const mine = round % 2 === 0 ? names : names.toReversed();
      return [
        database.intake.submit(
          intakeRequest(
            mine.slice(round).map((name) => signalOf(name)),
            at(10),
          ),
        ),
        other.submit(
          intakeRequest(
            mine.toReversed().map((name) => signalOf(name)),
            at(10),
          ),
        ),
      ];
    });
    const results = await Promise.all(rounds.flat());
    const ids = new Map<string, Set<string>>();
    let created = 0;
    for (const result of results) {
      if (!result.ok) throw new Error(result.reason);
      for (const { outcome, fingerprint = '', id = '' } of result.results) {
        if (outcome === 'created') created += 1;
        else expect(outcome).toBe('updated');
        ids.set(fingerprint, (ids.get(fingerprint) ?? new Set()).add(id));
      }
    }
    expect(created).toBe(40);
    expect([...ids.values()].every((set) => set.size === 1)).toBe(true);
    const reports = results.reduce((sum, result) => sum + (result.ok ? result.results.length : 0), 0);
    expect(
      await database.row('SELECT count(*)::int AS rows, sum(occurrences)::int AS seen FROM alerts_active'),
    ).toEqual({
      rows: 40,
      seen: reports,
    });
    expect((await audits()).filter((row) => row.action === 'create')).toHaveLength(40);
  });

  it('judge a report again when the other one stored the alert in the meantime', async () => {
    // The other process has inserted, but not committed.
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    try {
      await takeIn(database.intake, [signalOf('pattern', { tenant: 'x' })], at(5));
      await other.query('BEGIN');
      await other.query(
        `INSERT INTO alerts_active SELECT (jsonb_populate_record(a, '{"id": "01993f00-0000-7000-8000-00000000000f", "tenant": "", "fingerprint": "f"}')).* FROM alerts_active a`,
      );
      const submitted = takeIn(database.intake, [signalOf('f'), signalOf('g')], at(20));
      await blocked(1);
      await other.query('COMMIT');
      expect(await submitted).toMatchObject([
        { outcome: 'updated', id: '01993f00-0000-7000-8000-00000000000f' },
        { outcome: 'created' },
      ]);
      expect((await audits()).map((row) => row.action)).toEqual(['create', 'create']);
    } finally {
      await other.end();
    }
  });

  it('a refire does not go back under an incident that is being closed right now', async () => {
    const [id] = await database.store([signalOf('f')], at(10));
    await database.store([resolvedSignal({ fingerprint: 'f' })], at(310));
    await database.rows(
      `INSERT INTO incidents (id, title, severity, opened_by, created_at, updated_at) VALUES ($1, 'x', 'P1', 'system', now(), now())`,
      ['01993f00-0000-7000-8000-0000000000aa'],
    );
    await database.rows('UPDATE alerts_active SET incident_id = $1', [
      '01993f00-0000-7000-8000-0000000000aa',
    ]);
    const closer = new pg.Client({ connectionString: database.url });
    await closer.connect();
    try {
      // As whoever follows the alerts does: alert first, then the incident.
      await closer.query('BEGIN');
      await closer.query('SELECT FROM alerts_active WHERE id = $1 FOR UPDATE', [id]);
      await closer.query(`UPDATE incidents SET status = 'resolved'`);
      const submitted = takeIn(database.intake, [signalOf('f', { startsAt: at(900) })], at(910));
      await blocked(1);
      await closer.query('COMMIT');
      expect(await submitted).toMatchObject([{ outcome: 'updated' }]);
    } finally {
      await closer.end();
    }
    expect(await database.row('SELECT status, incident_id FROM alerts_active')).toEqual({
      status: 'firing',
      incident_id: null,
    });
  });

  it('a deadlock costs a try, not an alert', async () => {
    await database.store([signalOf('a'), signalOf('z')], at(10));
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    try {
      await other.query(`SET deadlock_timeout = '10s'`);
      await database.rows(
        `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET deadlock_timeout = '20ms'`,
      );
      const intake = anotherIntake();
      await other.query('BEGIN');
      await other.query(`SELECT FROM alerts_active WHERE fingerprint = 'z' FOR UPDATE`);
      const submitted = takeIn(intake, [signalOf('a'), signalOf('z')], at(20));
      await blocked(1);
      // Crossing: whoever looks first, gives way.
      const crossing = other.query(`SELECT FROM alerts_active WHERE fingerprint = 'a' FOR UPDATE`);
      await crossing;
      await other.query('COMMIT');
      expect(await submitted).toMatchObject([{ outcome: 'updated' }, { outcome: 'updated' }]);
      expect(await database.rows('SELECT occurrences FROM alerts_active')).toEqual([
        { occurrences: 2 },
        { occurrences: 2 },
      ]);
    } finally {
      await other.end();
    }
  });
});

/** Until so many sessions of this database wait for a lock. */
async function blocked(count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { waiting } = await database.row<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(waiting).toBe(count);
    },
    { interval: 5, timeout: 5_000 },
  );
}

describe('what the database refuses', () => {
  it('loses neither the other requests of the commit nor the other alerts of its own', async () => {
    const requests = [
      intakeRequest([signalOf('a')], at(10)),
      intakeRequest([signalOf('b'), poison(), signalOf('c')], at(10)),
      intakeRequest([signalOf('d')], at(10)),
    ];
    const results = await Promise.all(requests.map((request) => database.intake.submit(request)));
    const outcomes = results.map((result) =>
      result.ok ? result.results.map((entry) => entry.outcome) : result.reason,
    );
    expect(outcomes).toEqual([['created'], ['created', 'rejected', 'created'], ['created']]);
    const [, poisoned] = results;
    if (poisoned?.ok !== true) throw new Error('refused');
    expect(poisoned.results[1]?.reason).toMatch(/the database refuses this alert: .+/);
    expect(await database.rows('SELECT fingerprint FROM alerts_active ORDER BY 1')).toEqual(
      ['a', 'b', 'c', 'd'].map((fingerprint) => ({ fingerprint })),
    );
    const { outcome } = await database.row<{ outcome: unknown }>(
      'SELECT outcome FROM deliveries WHERE id = $1',
      [poisoned.deliveryId],
    );
    expect(outcome).toMatchObject({ created: 2, rejected: 1, remarks: [{ index: 1, outcome: 'rejected' }] });
    expect(await database.row('SELECT count(*)::int AS count FROM deliveries')).toEqual({ count: 3 });
  });

  it('alone in its request is rejected, and the delivery is kept for diagnosis', async () => {
    expect(await takeIn(database.intake, [poison()], at(10))).toMatchObject([{ outcome: 'rejected' }]);
    expect(await database.row('SELECT count(*)::int AS count FROM deliveries')).toEqual({ count: 1 });
  });

  it('and then goes away leaves nobody without an answer', async () => {
    await database.rows(`CREATE SEQUENCE tries`);
    await database.rows(`
      CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.fingerprint <> 'f' THEN RETURN NEW; END IF;
        -- A sequence remembers what a transaction takes back.
        IF nextval('tries') = 1 THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22000'; END IF;
        RAISE EXCEPTION 'going down' USING ERRCODE = '57P01';
      END $$`);
    await database.rows(
      'CREATE TRIGGER spoil BEFORE INSERT ON alerts_active FOR EACH ROW EXECUTE FUNCTION spoil()',
    );
    expect(await database.intake.submit(intakeRequest([signalOf('f')], at(10)))).toEqual({
      ok: false,
      reason: 'unavailable',
    });
    expect(await takeIn(database.intake, [signalOf('g')], at(11))).toMatchObject([{ outcome: 'created' }]);
  });

  it('for a reason that is not in the data is an error of ours, for this request only', async () => {
    await database.rows(`
      CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.fingerprint = 'f' THEN RAISE EXCEPTION 'a bug' USING ERRCODE = 'XX000'; END IF;
        RETURN NEW;
      END $$`);
    await database.rows(
      'CREATE TRIGGER spoil BEFORE INSERT ON alerts_active FOR EACH ROW EXECUTE FUNCTION spoil()',
    );
    const [broken, fine] = await Promise.allSettled([
      database.intake.submit(intakeRequest([signalOf('f')], at(10))),
      database.intake.submit(intakeRequest([signalOf('g')], at(10))),
    ]);
    expect(broken).toMatchObject({
      status: 'rejected',
      reason: expect.objectContaining({ message: 'a bug' }),
    });
    expect(fine).toMatchObject({ status: 'fulfilled', value: { ok: true } });
  });
});

describe('limits', () => {
  it('a full queue refuses at once, and takes again when there is room', async () => {
    const intake = anotherIntake({ queuedAlerts: 3, alertsPerCommit: 10 });
    const submit = (...names: string[]): ReturnType<Intake['submit']> =>
      intake.submit(
        intakeRequest(
          names.map((name) => signalOf(name)),
          at(10),
        ),
      );
    const taken = [submit('a', 'b'), submit('c')];
    expect(await submit('d')).toEqual({ ok: false, reason: 'full' });
    expect(await Promise.all(taken)).toMatchObject([{ ok: true }, { ok: true }]);
    expect(await submit('d')).toMatchObject({ ok: true });
    expect(await database.row('SELECT count(*)::int AS count FROM alerts_active')).toEqual({ count: 4 });
  });

  it('an empty request counts as one, and is stored', async () => {
    const intake = anotherIntake({ queuedAlerts: 2, alertsPerCommit: 10 });
    const empty = (): ReturnType<Intake['submit']> => intake.submit(intakeRequest([], at(10)));
    const taken = [empty(), empty()];
    expect(intake.queuedAlerts).toBe(2);
    expect(await empty()).toEqual({ ok: false, reason: 'full' });
    expect(await Promise.all(taken)).toMatchObject([
      { ok: true, results: [] },
      { ok: true, results: [] },
    ]);
    expect(await database.row('SELECT count(*)::int AS count FROM deliveries')).toEqual({ count: 2 });
  });

  it('a request larger than the queue is taken while nothing else waits', async () => {
    const intake = anotherIntake({ queuedAlerts: 2, alertsPerCommit: 2 });
    const names = ['a', 'b', 'c', 'd', 'e'];
    expect(
      await takeIn(
        intake,
        names.map((name) => signalOf(name)),
        at(10),
      ),
    ).toHaveLength(5);
  });

  it('stopping takes nothing more and finishes what was taken', async () => {
    const intake = anotherIntake();
    const taken = Array.from({ length: 5 }, (_, n) =>
      intake.submit(intakeRequest([signalOf(`f${n}`)], at(10))),
    );
    const stopped = intake.stop();
    expect(await intake.submit(intakeRequest([signalOf('late')], at(10)))).toEqual({
      ok: false,
      reason: 'stopping',
    });
    const within = { claim: () => Promise.resolve(), store: () => Promise.resolve() };
    expect(await intake.submitWith(intakeRequest([signalOf('late')], at(10)), within)).toEqual({
      ok: false,
      reason: 'stopping',
    });
    await stopped;
    // Stopped means stored: nothing is left to wait for.
    expect(await database.row('SELECT count(*)::int AS count FROM alerts_active')).toEqual({ count: 5 });
    expect(await Promise.all(taken)).toMatchObject(taken.map(() => ({ ok: true })));
  });

  it('a database that is away is said at once, to everybody who waits', async () => {
    const pool = openPool({ url: 'postgres://nobody@127.0.0.1:1/nothing', size: 1, purpose: 'test' });
    const intake = new Intake({
      db: pool.db,
      limits: { queuedAlerts: 100, alertsPerCommit: 10 },
      observe: () => undefined,
    });
    const results = await Promise.all(
      ['a', 'b'].map((name) => intake.submit(intakeRequest([signalOf(name)], at(10)))),
    );
    expect(results).toEqual([
      { ok: false, reason: 'unavailable' },
      { ok: false, reason: 'unavailable' },
    ]);
    const within = { claim: () => Promise.resolve(), store: () => Promise.resolve() };
    expect(await intake.submitWith(intakeRequest([signalOf('a')], at(10)), within)).toEqual({
      ok: false,
      reason: 'unavailable',
    });
    await pool.close();
  });
});

describe('what is stored', () => {
  it('is the whole of it: hostile text, 60 labels, 10 kB annotations', async () => {
    const hostile = 'NUL \0, \uFDD00, <!channel> `x` & "\'\\ \u2028 😀 \u202E ${a} %s $1 \\u0000';
    const labels: Record<string, string> = JSON.parse('{"__proto__": "polluted", "": "empty name"}');
    for (let n = 0; n < 60; n += 1) labels[`label_${n}_${hostile}`] = `${n} ${hostile}`;
    const signal = signalOf('hostile \0', {
      tenant: hostile,
      labels,
      annotations: { long: 'ü\0'.repeat(5_000), [hostile]: hostile },
      title: hostile,
      description: hostile.repeat(300),
      namespace: hostile,
      stateReason: hostile,
      foldKey: hostile,
      links: [{ rel: 'source', url: `https://example.org/?a=${encodeURIComponent(hostile)}&b=\0` }],
      values: { A: 0.1, B0: -1e-300, Z: 1e21, AA: 0 },
      traceId: 'abc',
      traceIds: ['abc', 'def'],
      decisions: [{ stage: 'title', outcome: hostile, reason: hostile }],
    });
    const [result] = await takeIn(database.intake, [signal], at(10));
    const [alert] = await findAlerts(database.db, [result?.id ?? '']);
    for (const name of [
      'tenant',
      'fingerprint',
      'labels',
      'annotations',
      'title',
      'description',
      'namespace',
      'stateReason',
      'foldKey',
      'links',
      'values',
      'traceIds',
    ] as const) {
      expect(alert?.[name], name).toEqual(signal[name]);
    }
    expect(Object.hasOwn(alert?.labels ?? {}, '__proto__')).toBe(true);
    // Reported once more it is known, and equal to what is stored.
    expect(await takeIn(database.intake, [signal], at(20))).toMatchObject([
      { outcome: 'updated', id: result?.id },
    ]);
    expect(await audits()).toHaveLength(1);
  });

  it('is a value of any name, also one with a NUL in it', async () => {
    const values = { 'A\0': 1, '\uFDD0': 2 };
    const [result] = await takeIn(database.intake, [signalOf('f', { values })], at(10));
    expect(result).toMatchObject({ outcome: 'created' });
    const [alert] = await findAlerts(database.db, [result?.id ?? '']);
    expect(alert?.values).toEqual(values);
  });

  it('is the raw delivery, byte for byte', async () => {
    const bodies = [
      Buffer.from('{}'),
      Buffer.from([0, 255, 254, 0, 10]),
      Buffer.alloc(0),
      randomBytes(700),
      Buffer.from('{"a": "ü\\u0000"} '.repeat(5_000)),
    ];
    const requests = bodies.map((body, n): IntakeRequest =>
      intakeRequest([signalOf(`f${n}`)], at(10), {
        raw: { contentType: 'application/json', headers: { 'x-a': 'ü"\\' }, body },
      }),
    );
    for (const [n, request] of requests.entries()) {
      const result = await database.intake.submit(request);
      if (!result.ok) throw new Error(result.reason);
      const row = await database.row<{
        body: Buffer;
        body_encoding: 'zstd' | 'identity';
        body_bytes: number;
      }>('SELECT * FROM deliveries WHERE id = $1', [result.deliveryId]);
      expect(originalBody(row).equals(bodies[n] ?? Buffer.alloc(0))).toBe(true);
      expect(row).toMatchObject({
        body_bytes: bodies[n]?.length,
        source: 'grafana',
        sender: 'token:test',
        content_type: 'application/json',
        headers: { 'x-a': 'ü"\\' },
        received_at: at(10),
      });
      expect(row.body_encoding).toBe((bodies[n]?.length ?? 0) < 512 ? 'identity' : 'zstd');
      if (n === 4) expect(row.body.length).toBeLessThan(5_000);
    }
  });

  it('is why: an audit row with every decision and where it came from', async () => {
    const decisions = describedSignal().decisions;
    const [first] = await takeIn(
      database.intake,
      [signalOf('x'), signalOf('f', { stateReason: 'NoData' })],
      at(10),
    );
    expect(first?.outcome).toBe('created');
    const [, row] = await database.rows<Record<string, unknown>>('SELECT * FROM alert_actions ORDER BY id');
    const { id: deliveryId } = await database.row<{ id: string }>('SELECT id FROM deliveries');
    expect(row).toMatchObject({
      action: 'create',
      user_id: 'source:grafana',
      source: 'webhook',
      created_at: at(10),
      details: {
        deliveryId,
        index: 1,
        sender: 'token:test',
        severity: 'P2',
        stateReason: 'NoData',
        decisions: [
          ...decisions,
          { stage: 'dedup', outcome: 'created', reason: 'first report of this fingerprint' },
        ],
      },
    });
  });

  it('is an unknown resolve in the delivery only, with the reason', async () => {
    expect(await takeIn(database.intake, [resolvedSignal()], at(310))).toMatchObject([
      { outcome: 'ignored', reason: expect.stringContaining('never seen firing') },
    ]);
    expect(await database.row('SELECT count(*)::int AS count FROM alerts_active')).toEqual({ count: 0 });
    expect(await audits()).toEqual([]);
    expect(await database.takeJobs()).toEqual([]);
    const { outcome } = await database.row<{ outcome: unknown }>('SELECT outcome FROM deliveries');
    expect(outcome).toEqual({
      ignored: 1,
      remarks: [{ index: 0, outcome: 'ignored', reason: expect.stringContaining('never seen firing') }],
    });
  });

  it("together with something of the caller's, or not at all", async () => {
    const within = (store: () => Promise<void>) => ({ claim: () => Promise.resolve(), store });
    const failing = within(() => Promise.reject(new Error('no')));
    await expect(database.intake.submitWith(intakeRequest([signalOf('f')], at(10)), failing)).rejects.toThrow(
      'no',
    );
    expect(await database.row('SELECT count(*)::int AS count FROM alerts_active')).toEqual({ count: 0 });
    expect(await database.row('SELECT count(*)::int AS count FROM deliveries')).toEqual({ count: 0 });
    const fine = within(() => Promise.resolve());
    expect(await database.intake.submitWith(intakeRequest([signalOf('f')], at(10)), fine)).toMatchObject({
      ok: true,
    });
  });
});

describe('repeats', () => {
  it('are updated in place, touch no index and tell nobody', async () => {
    const single = await openDomainDatabase(1);
    opened.push(single);
    // So few that every new version finds room on the page of the old one.
    const signals = Array.from({ length: 4 }, (_, n) => signalOf(`f${n}`, { expiresAt: at(300) }));
    await single.store(signals, at(10));
    await single.takeJobs();
    for (let round = 1; round <= 5; round += 1) {
      const again = signals.map((signal) => ({ ...signal, expiresAt: at(300 + round) }));
      await single.store(again, at(10 + round));
    }
    expect(await single.takeJobs()).toEqual([]);
    expect(
      await single.rows(
        'SELECT DISTINCT occurrences, last_seen_at, updated_at, expires_at FROM alerts_active',
      ),
    ).toEqual([{ occurrences: 6, last_seen_at: at(15), updated_at: at(10), expires_at: at(305) }]);
    expect(await single.row('SELECT count(*)::int AS count FROM alert_actions')).toEqual({ count: 4 });
    const hot = await vi.waitFor(async () => {
      // Since PostgreSQL 15; before, the collector is told when a transaction ends.
      await single.rows('SELECT pg_stat_force_next_flush()').catch(() => undefined);
      const stats = await single.row<{ all: number; hot: number }>(
        `SELECT n_tup_upd::int AS "all", n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'alerts_active'`,
      );
      expect(stats.all).toBe(20);
      return stats.hot;
    });
    expect(hot).toBe(20);
  });

  it('with new text are stored, still without telling anybody', async () => {
    const [id = ''] = await database.store([signalOf('f')], at(10));
    await database.takeJobs();
    for (const parts of [
      { description: 'now 5 s' },
      { values: { A: 5 } },
      { namespace: 'shop-2' },
      { foldKey: 'ds' },
      { traceIds: ['abc'], traceId: 'abc' },
    ]) {
      await takeIn(database.intake, [signalOf('f', parts)], at(20));
      const [alert] = await findAlerts(database.db, [id]);
      expect(alert).toMatchObject(parts);
    }
    expect(await database.takeJobs()).toEqual([]);
    expect(await audits()).toHaveLength(1);
  });

  it('never take back what a person did', async () => {
    await database.store([signalOf('f')], at(10));
    await database.rows(
      `UPDATE alerts_active SET status = 'acknowledged', acknowledged_by = 'ann', severity = 'P0', severity_pinned = true`,
    );
    await takeIn(
      database.intake,
      [signalOf('f', { severity: 'P4', description: 'new' }), signalOf('f')],
      at(20),
    );
    expect(await database.row('SELECT status, acknowledged_by, severity FROM alerts_active')).toEqual({
      status: 'acknowledged',
      acknowledged_by: 'ann',
      severity: 'P0',
    });
  });
});

describe('jobs', () => {
  it('tell who listens what changed, the urgent first and apart', async () => {
    const signals = [
      signalOf('a', { severity: 'P3' }),
      signalOf('b', { severity: 'P0' }),
      signalOf('c', { severity: 'P1' }),
      signalOf('d', { severity: 'P4' }),
    ];
    const [a, b, c, d] = await database.store(signals, at(10));
    const jobs = await database.takeJobs();
    expect(jobs.map(({ task, payload, priority }) => [task, payload, priority])).toEqual([
      ['alert.changed', { alertIds: [b, c] }, -10],
      ['alert.changed', { alertIds: [a, d] }, 0],
    ]);
  });

  it('are cut into pieces when a storm comes in', async () => {
    await database.store(
      Array.from({ length: 450 }, (_, n) => signalOf(`f${n}`)),
      at(10),
    );
    const sizes = (await database.takeJobs()).map((job) => (job.payload['alertIds'] as string[]).length);
    expect(sizes).toEqual([200, 200, 50]);
  });
});

describe('heartbeats', () => {
  it('are noted per source and tenant, the newest time', async () => {
    const beat = (parts: Partial<DescribedSignal> = {}): DescribedSignal =>
      signalOf('watchdog', { mute: 'heartbeat', ...parts });
    await takeIn(database.intake, [beat(), beat({ tenant: '2' }), beat()], at(100));
    await takeIn(database.intake, [beat()], at(50));
    await takeIn(database.intake, [beat({ status: 'resolved', endsAt: at(200) }), signalOf('f')], at(200));
    expect(
      await database.rows('SELECT source, tenant, last_seen_at FROM source_heartbeats ORDER BY tenant'),
    ).toEqual([
      { source: 'grafana', tenant: '', last_seen_at: at(100) },
      { source: 'grafana', tenant: '2', last_seen_at: at(100) },
    ]);
  });
});
