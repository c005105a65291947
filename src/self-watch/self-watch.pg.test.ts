import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { canaryTenant } from '../alerts/canary-alert.ts';
import { newId } from '../lib/ids.ts';
import { Canary, type CanaryOptions } from './canary.ts';
import { beginRun, canaryKey, finishRun, inTimeRatio, lastRun, noteAlert } from './canary-store.ts';
import { OutgoingHeartbeat } from './outgoing-heartbeat.ts';
import { claimSlot } from './slots.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const never = new AbortController().signal;

describe('a turn of the clock', () => {
  it('is taken by one of many', async () => {
    const taken = await Promise.all(Array.from({ length: 5 }, () => claimSlot(database.db, 'x', at(60))));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await claimSlot(database.db, 'x', at(0))).toBe(false);
    expect(await claimSlot(database.db, 'x', at(120))).toBe(true);
    expect(await claimSlot(database.db, 'y', at(60))).toBe(true);
  });
});

describe('the canary', () => {
  let nowSeconds: number;
  let removed: string[];
  let observed: { outcome: string }[];
  const clock = { now: () => at(nowSeconds) };
  beforeEach(() => {
    nowSeconds = 0;
    removed = [];
    observed = [];
  });
  /** Its alert is stored; whether a message comes is the test's business. */
  const canary = (parts: Partial<CanaryOptions> = {}): Canary =>
    new Canary({
      db: database.db,
      clock,
      intervalMs: 60_000,
      door: { send: () => Promise.resolve({ ok: false, detail: 'shut' }) },
      messages: {
        remove: ({ messageId }) => {
          removed.push(messageId);
          return Promise.resolve({ ok: true });
        },
      },
      provider: null,
      observe: (run) => void observed.push({ outcome: run.outcome }),
      ...parts,
    });
  const store = async (key: string): Promise<string> =>
    (
      await database.store([describedSignal({ fingerprint: key, tenant: canaryTenant })], clock.now(), 'api')
    )[0] ?? '';
  const message = (
    alertId: string,
    state: string,
    messageId: string | null,
    closed = true,
  ): Promise<unknown> =>
    database.rows(
      `INSERT INTO notifications (id, subject, alert_id, notifier, channel, episode, state, lane, priority, due_at, reason, received_at, created_at, updated_at, message_id, channel_id, closed)
       VALUES (gen_random_uuid(), 'alert:' || $1, $1::uuid, 'slack', '#c', 1, $2, 'edit', 1, $3, 'r', $3, $3, $3, $4, 'C1', $5)`,
      [alertId, state, clock.now(), messageId, closed],
    );

  it('says so when our own door is shut', async () => {
    await canary().tick(never);
    expect(observed).toEqual([{ outcome: 'refused' }]);
    expect(await lastRun(database.db)).toEqual({ outcome: 'refused', startedAt: at(0) });
  });

  it('runs once in a turn, whichever process asks', async () => {
    await Promise.all([canary().tick(never), canary().tick(never)]);
    expect(observed).toHaveLength(1);
    nowSeconds = 60;
    const one = canary();
    await one.tick(never);
    await one.tick(never);
    expect(observed).toHaveLength(2);
  });

  it('clears away what a process that died left behind', async () => {
    const [known, unknown] = [newId(), newId()];
    await beginRun(database.db, known, at(0));
    const alertId = await store(canaryKey(known));
    await noteAlert(database.db, known, alertId);
    await message(alertId, 'sent', '1.1', false);
    // This one died before it could write down which alert it was.
    await beginRun(database.db, unknown, at(1));
    const other = await store(canaryKey(unknown));
    await message(other, 'due', null, false);
    nowSeconds = 600;
    const one = canary();
    await one.tick(never);
    expect(observed.map((run) => run.outcome)).toEqual(['lost', 'lost', 'refused']);
    expect(await database.rows('SELECT id FROM alerts_active')).toEqual([]);
    // The message is deleted once it shows its end; until then it stays in the ledger.
    expect(removed).toEqual([]);
    expect(await database.rows('SELECT message_id FROM notifications')).toEqual([{ message_id: '1.1' }]);
    await database.rows('UPDATE notifications SET closed = true');
    nowSeconds = 660;
    await one.tick(never);
    expect(removed).toEqual(['1.1']);
    expect(await database.rows('SELECT id FROM notifications')).toEqual([]);
  });

  it('keeps a message in the ledger that cannot be deleted, and tries again', async () => {
    const id = newId();
    await beginRun(database.db, id, at(0));
    const alertId = await store(canaryKey(id));
    await noteAlert(database.db, id, alertId);
    await finishRun(database.db, id, { outcome: 'ok', detail: null, notifiedAt: at(1) }, at(1));
    await message(alertId, 'sent', '1.1');
    nowSeconds = 60;
    const refusal = { ok: false, reason: 'rate-limited', code: 'ratelimited', detail: '' } as const;
    await canary({ messages: { remove: () => Promise.resolve(refusal) } }).tick(never);
    expect(await database.rows('SELECT id FROM notifications')).toHaveLength(1);
    nowSeconds = 120;
    const gone = { ok: false, reason: 'gone', code: 'message_not_found', detail: '' } as const;
    await canary({ messages: { remove: () => Promise.resolve(gone) } }).tick(never);
    expect(await database.rows('SELECT id FROM notifications')).toEqual([]);
  });

  it('forgets its runs after a day, with all they left, and nothing else', async () => {
    const [real = ''] = await database.store([describedSignal({ fingerprint: 'real' })], at(0));
    const id = newId();
    await beginRun(database.db, id, at(0));
    const alertId = await store(canaryKey(id));
    await noteAlert(database.db, id, alertId);
    await finishRun(database.db, id, { outcome: 'ok', detail: null, notifiedAt: at(1) }, at(1));
    nowSeconds = 60;
    await canary().tick(never);
    nowSeconds = 25 * 3_600;
    await canary().tick(never);
    expect(await database.rows('SELECT id FROM alerts_archive')).toEqual([]);
    expect(await database.rows('SELECT DISTINCT alert_id FROM alert_actions')).toEqual([{ alert_id: real }]);
    expect(await database.rows('SELECT id FROM canary_runs WHERE started_at < $1', [at(3_600)])).toEqual([]);
  });

  it('knows the share of the last hour that came in time', async () => {
    expect(await inTimeRatio(database.db, at(0))).toBeNull();
    const run = async (
      start: number,
      after: number | null,
      outcome: 'ok' | 'late' | 'refused' | 'stopped',
    ) => {
      const id = newId();
      await beginRun(database.db, id, at(start));
      await finishRun(
        database.db,
        id,
        { outcome, detail: null, notifiedAt: after === null ? null : at(start + after) },
        at(start),
      );
    };
    await run(0, 50, 'late');
    await run(3_000, 1, 'ok');
    await run(3_060, 2, 'ok');
    await run(3_120, 5, 'late');
    await run(3_180, null, 'refused');
    await run(3_240, null, 'stopped');
    expect(await inTimeRatio(database.db, at(3_700))).toBe(0.5);
  });

  it('that is told to stop says nothing about the service', async () => {
    const stop = new AbortController();
    const door = {
      send: () => {
        stop.abort();
        return Promise.resolve({ ok: false as const, detail: 'given up' });
      },
    };
    await canary({ door }).tick(stop.signal);
    expect(observed).toEqual([]);
    expect(await lastRun(database.db)).toBeNull();
  });
});

describe('the outgoing heartbeat', () => {
  it('goes out once a turn as soon as all is well, and says once a turn that it is withheld', async () => {
    let nowSeconds = 0;
    let trouble: string | null = 'no canary yet';
    const seen: string[] = [];
    const targets = ['url', 'opsgenie'].map((name) => ({
      name: name as 'url',
      ping: () =>
        Promise.resolve(name === 'url' ? { ok: true as const } : { ok: false as const, detail: '503' }),
    }));
    const make = (): OutgoingHeartbeat =>
      new OutgoingHeartbeat({
        db: database.db,
        clock: { now: () => at(nowSeconds) },
        intervalMs: 60_000,
        targets,
        trouble: () => (trouble === 'throws' ? Promise.reject(new Error('away')) : Promise.resolve(trouble)),
        observe: ({ target, outcome }) => void seen.push(`${target} ${outcome}`),
      });
    const [one, two] = [make(), make()];
    await one.tick(never);
    await one.tick(never);
    expect(seen.splice(0)).toEqual(['url withheld', 'opsgenie withheld']);
    trouble = null;
    nowSeconds = 30;
    await Promise.all([one.tick(never), two.tick(never)]);
    await one.tick(never);
    expect(seen.splice(0).toSorted()).toEqual(['opsgenie failed', 'url sent']);
    trouble = 'throws';
    nowSeconds = 60;
    await one.tick(never);
    expect(seen.splice(0)).toEqual(['url withheld', 'opsgenie withheld']);
  });
});
