import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { act } from '../alerts/actions.ts';
import { canaryCaller, canaryTenant } from '../alerts/canary-alert.ts';
import type { DescribedSignal } from '../alerts/describe.ts';
import { planNotifications } from '../notify/plan.ts';
import type { Accounts } from './accounts.ts';
import { readAccounts } from './account-queries.ts';
import { noteNobodyToTell, noteOvertaken } from './untold.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const routing = {
  routes: [],
  channels: { critical: '#critical', default: '#default', development: '#dev' },
};
const accounts = (from = 0, to = 100_000): Promise<Accounts> =>
  readAccounts(database.db, { from: at(from), to: at(to) }, { deliveriesKeptDays: 14, now: at(100_000) });
/** Does what waits, as the handler of `alert.changed` does. */
async function work(second: number, nobodyToTell = false): Promise<void> {
  for (const job of await database.takeJobs()) {
    if (job.task !== 'alert.changed') continue;
    const alertIds = job.payload['alertIds'] as string[];
    if (nobodyToTell) {
      await noteNobodyToTell(database.db, alertIds, at(second));
    } else {
      await noteOvertaken(database.db, alertIds, at(second));
      await planNotifications(database.db, alertIds, { notifier: 'slack', routing }, at(second));
    }
  }
}
/** As the dispatcher leaves the rows that wait. */
const send = (second: number, outcome: 'sent' | 'failed' = 'sent', some = 'true'): Promise<unknown> =>
  database.rows(
    `UPDATE notifications SET state = $2, updated_at = $1,
       posted_at = CASE WHEN $2 = 'sent' THEN coalesce(posted_at, $1) ELSE posted_at END,
       message_id = CASE WHEN $2 = 'sent' THEN coalesce(message_id, '1.' || id) ELSE message_id END,
       last_error = CASE WHEN $2 = 'failed' THEN 'payload: invalid_blocks the blocks were refused' END
     WHERE state = 'due' AND ${some}`,
    [at(second), outcome],
  );
const fire = (name: string, second: number, parts: Partial<DescribedSignal> = {}): Promise<string[]> =>
  database.store([describedSignal({ fingerprint: name, startsAt: at(second), ...parts })], at(second));
const resolve = (name: string, second: number, parts: Partial<DescribedSignal> = {}): Promise<string[]> =>
  database.store(
    [resolvedSignal({ fingerprint: name, startsAt: null, endsAt: at(second), ...parts })],
    at(second),
  );

describe('the accounts', () => {
  it('have a column for each thing that can become of a telling', async () => {
    await fire('told', 10);
    await fire('refused', 11);
    await work(12);
    await send(
      13,
      'failed',
      `subject = (SELECT 'alert:' || id FROM alerts_active WHERE fingerprint = 'refused')`,
    );
    await send(14);
    await fire('queued', 20);
    await work(21);
    await fire('watchdog', 22, { mute: 'heartbeat' });
    await fire('silent', 23, { mute: 'severity-none' });
    await work(24);
    await fire('new', 25);
    expect(await accounts()).toMatchObject({
      holds: true,
      accepted: 6,
      delivered: 1,
      suppressed: 2,
      suppressedBy: { heartbeat: 1, 'severity-none': 1 },
      pending: 2,
      pendingBy: { send: 1, job: 1 },
      failed: 1,
      failedBy: { 'payload: invalid_blocks': 1 },
      unaccounted: 0,
      entries: { requests: 6, received: 6, created: 6, createdByAudit: 6, refused: 0 },
      canary: 0,
    });
  });

  it('are of the time that is asked for, half-open', async () => {
    await fire('a', 10);
    await fire('b', 20);
    await work(21);
    expect(await accounts(10, 20)).toMatchObject({ holds: true, accepted: 1, entries: { received: 1 } });
    expect(await accounts(20, 21)).toMatchObject({ holds: true, accepted: 1 });
    expect(await accounts(21, 30)).toMatchObject({ holds: true, accepted: 0, entries: { requests: 0 } });
  });

  it('count each episode, and find the archived ones', async () => {
    const [id = ''] = await fire('flaps', 10);
    await work(11);
    await send(12);
    await resolve('flaps', 100);
    await fire('flaps', 200);
    await work(201);
    await send(202);
    expect(await accounts()).toMatchObject({ holds: true, accepted: 2, delivered: 2 });
    await act(database.db, id, { kind: 'resolve-and-archive' }, { userId: 'x', door: 'api' }, at(300));
    await work(301);
    expect(await accounts()).toMatchObject({ holds: true, accepted: 2, delivered: 2 });
    // Of one of them only, its message is gone.
    await database.rows('DELETE FROM notifications WHERE episode = 1');
    expect(await accounts()).toMatchObject({
      holds: false,
      delivered: 1,
      unaccounted: 1,
      unaccountedAlertIds: [id],
    });
  });

  it('know what was overtaken by its own refire, and what nobody was there for', async () => {
    await fire('flaps', 10);
    await resolve('flaps', 100);
    await fire('flaps', 200);
    await work(201);
    await send(202);
    expect(await accounts()).toMatchObject({
      holds: true,
      accepted: 2,
      delivered: 1,
      suppressedBy: { overtaken: 1 },
    });
    await fire('early', 300);
    await work(301, true);
    expect(await accounts()).toMatchObject({ holds: true, suppressedBy: { overtaken: 1, 'no-notifier': 1 } });
  });

  it('know that nobody was there for an episode that was over before anybody looked', async () => {
    await fire('told', 5);
    await work(6);
    await send(7);
    for (const name of ['told', 'flaps']) {
      await fire(name, 10);
      await resolve(name, 100);
      await fire(name, 200);
      await resolve(name, 300);
      await fire(name, 400);
    }
    await work(401, true);
    const suppressedBy = { 'no-notifier': 5 };
    expect(await accounts()).toMatchObject({ holds: true, accepted: 6, delivered: 1, suppressedBy });
    // Once more the same: nothing is looked at twice.
    await resolve('flaps', 500);
    await work(501, true);
    const [noted] = await database.rows('SELECT count(*)::int AS count FROM untold_episodes');
    expect(noted).toEqual({ count: 5 });
    // And in the archive.
    await fire('flaps', 600);
    const [id = ''] = await resolve('flaps', 700);
    await act(database.db, id, { kind: 'resolve-and-archive' }, { userId: 'x', door: 'api' }, at(710));
    await work(711, true);
    expect(await accounts()).toMatchObject({ holds: true, suppressedBy: { 'no-notifier': 6 } });
  });

  it('count what shares a message as delivered by it', async () => {
    const fold = { foldKey: 'prom "1"\u2028', labels: { alertname: 'DatasourceError' } };
    await fire('one', 10, fold);
    await fire('two', 11, fold);
    await work(12);
    expect(await accounts()).toMatchObject({ holds: true, accepted: 2, pendingBy: { send: 2 } });
    await send(13);
    await fire('three', 20, fold);
    await work(21);
    await send(22);
    expect(await accounts()).toMatchObject({ holds: true, accepted: 3, delivered: 3 });
    for (const name of ['one', 'two', 'three']) await resolve(name, 30, fold);
    await work(31);
    await send(32);
    await fire('two', 400, fold);
    expect(await accounts()).toMatchObject({ holds: true, accepted: 4, delivered: 3, pendingBy: { job: 1 } });
    await database.takeJobs();
    expect(await accounts()).toMatchObject({ holds: false, unaccounted: 1 });
  });

  it('leave our own test alerts out', async () => {
    await fire('real', 10);
    await work(11);
    await database.intake.submit({
      source: 'api',
      sender: `token:${canaryCaller}`,
      door: 'api',
      receivedAt: at(12),
      entries: [{ ok: true, signal: describedSignal({ fingerprint: 'canary', tenant: canaryTenant }) }],
      raw: { contentType: null, headers: {}, body: Buffer.from('{}') },
    });
    await database.takeJobs();
    expect(await accounts()).toMatchObject({
      holds: true,
      accepted: 1,
      canary: 1,
      entries: { requests: 1, created: 1, createdByAudit: 1 },
    });
  });

  it.each([
    ['a message taken out of the ledger', 'DELETE FROM notifications'],
    ['a job taken out of the queue', 'DELETE FROM graphile_worker._private_jobs'],
    ['an audit row that is missing', `DELETE FROM alert_actions WHERE action = 'create'`],
    [
      'an alert that an audit row is of, gone with its message',
      'DELETE FROM alerts_active; DELETE FROM notifications; DELETE FROM graphile_worker._private_jobs',
    ],
  ])('find %s', async (_, damage) => {
    await fire('a', 10);
    await work(11);
    await fire('b', 12);
    expect(await accounts()).toMatchObject({ holds: true, accepted: 2 });
    await database.rows(damage);
    expect((await accounts()).holds).toBe(false);
  });

  it('say of a job that was given up that it failed', async () => {
    await fire('a', 10);
    await database.rows('UPDATE graphile_worker._private_jobs SET attempts = max_attempts');
    expect(await accounts()).toMatchObject({
      holds: true,
      failedBy: { 'its job failed for the last time': 1 },
    });
  });

  it('compare requests only as long as they are kept', async () => {
    await fire('a', 10);
    const late = await readAccounts(
      database.db,
      { from: at(0), to: at(60) },
      { deliveriesKeptDays: 14, now: at(20 * 86_400) },
    );
    expect(late).toMatchObject({ holds: true, entries: { createdByAudit: null } });
  });
});

/** Small, seeded, so that a failure can be told. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

describe('whatever happens', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'the sum holds at every moment, and not once something is lost (seed %i)',
    async (seed) => {
      const roll = dice(seed);
      let second = 10;
      const plain = ['a', 'b', 'c', 'd', 'muted', 'fold-1', 'fold-2', 'fold-3'];
      const partsOf = (name: string): Partial<DescribedSignal> => ({
        ...(name === 'muted' ? { mute: 'inhibitor' as const } : {}),
        ...(name.startsWith('fold') ? { foldKey: 'source' } : {}),
      });
      for (let step = 0; step < 60; step += 1) {
        second += 61 + roll(30);
        const name = plain[roll(plain.length)] ?? 'a';
        const action = roll(7);
        if (action <= 1) await fire(name, second, partsOf(name));
        else if (action === 2) await resolve(name, second, partsOf(name));
        else if (action === 3) await work(second);
        else if (action === 4)
          await send(second, roll(4) === 0 ? 'failed' : 'sent', roll(2) === 0 ? 'true' : `priority < 3`);
        else if (action === 5) {
          const [row] = await database.rows<{ id: string }>(
            `SELECT id FROM alerts_active WHERE fingerprint = $1`,
            [name],
          );
          if (row !== undefined && !name.startsWith('fold') && roll(3) === 0)
            await act(
              database.db,
              row.id,
              { kind: 'resolve-and-archive' },
              { userId: 'x', door: 'api' },
              at(second),
            );
        } else await work(second, roll(5) === 0);
        const now = await accounts();
        expect(now, `step ${step}`).toMatchObject({ holds: true, unaccounted: 0 });
        expect(now.delivered + now.suppressed + now.pending + now.failed).toBe(now.accepted);
      }
      await work(second + 1);
      await send(second + 2);
      const before = await accounts();
      expect(before).toMatchObject({ holds: true, pending: 0 });
      const lost = await database.rows<{ id: string }>(
        `DELETE FROM notifications WHERE id = (SELECT id FROM notifications n WHERE subject LIKE 'alert:%' AND posted_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM untold_episodes u WHERE u.alert_id = n.alert_id AND u.episode = n.episode) ORDER BY id OFFSET $1 LIMIT 1)
       RETURNING alert_id AS id`,
        [roll(2)],
      );
      if (lost.length > 0)
        expect(await accounts()).toMatchObject({
          holds: false,
          unaccounted: 1,
          delivered: before.delivered - 1,
        });
    },
  );
});
