import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { act } from '../alerts/actions.ts';
import { canaryTenant } from '../alerts/canary-alert.ts';
import { openForAlert, openForChanged } from '../incidents/open.ts';
import { forgetMoments, takeMoments } from './measure.ts';
import { queueAges } from '../self-watch/queue-ages.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const person = { userId: 'ana@example.com', door: 'slack' } as const;
const policy = { autoCreate: ['P1' as const], assignment: [], provider: null, alertUrl: (id: string) => id };

describe('what is measured', () => {
  it('is how long it took to acknowledge and to resolve, each once', async () => {
    const [id = ''] = await database.store([describedSignal()], at(10));
    expect(await takeMoments(database.db, [id], at(11))).toEqual([]);
    await act(database.db, id, { kind: 'acknowledge' }, person, at(70));
    expect(await takeMoments(database.db, [id], at(71))).toEqual([
      { kind: 'acknowledge', severity: 'P2', seconds: 70 },
    ]);
    // The job runs twice, and once more in another process.
    expect(await takeMoments(database.db, [id], at(72))).toEqual([]);
    await database.store([resolvedSignal({ endsAt: at(290) })], at(300));
    const [one, two] = await Promise.all([
      takeMoments(database.db, [id], at(301)),
      takeMoments(database.db, [id], at(301)),
    ]);
    expect([...one, ...two]).toEqual([{ kind: 'resolve', severity: 'P2', seconds: 300 }]);
  });

  it('is each episode, an archived one, too', async () => {
    const [id = ''] = await database.store([describedSignal()], at(10));
    await act(database.db, id, { kind: 'resolve' }, person, at(100));
    await takeMoments(database.db, [id], at(101));
    await database.store([describedSignal({ startsAt: at(1_000) })], at(1_000));
    await act(database.db, id, { kind: 'resolve-and-archive' }, person, at(1_060));
    expect(await takeMoments(database.db, [id], at(1_061))).toEqual([
      { kind: 'resolve', severity: 'P2', seconds: 60 },
    ]);
  });

  it('is who opened an incident', async () => {
    const ids = await database.store(
      [
        describedSignal({ fingerprint: 'auto', severity: 'P1' }),
        describedSignal({ fingerprint: 'hand', severity: 'P3' }),
      ],
      at(10),
    );
    await openForChanged(database.db, ids, policy, at(11));
    await openForAlert(database.db, { alertId: ids[1] ?? '' }, policy, person, at(12));
    expect(
      (await takeMoments(database.db, ids, at(13))).map((moment) => JSON.stringify(moment)).toSorted(),
    ).toEqual(['{"kind":"incident","cause":"auto"}', '{"kind":"incident","cause":"slack"}']);
    expect(await takeMoments(database.db, ids, at(14))).toEqual([]);
  });

  it('is what people do at the incident provider, once each; what comes through our own doors is counted there', async () => {
    const [id = ''] = await database.store([describedSignal({ severity: 'P1' })], at(10));
    await openForChanged(database.db, [id], policy, at(11));
    await takeMoments(database.db, [id], at(12));
    const jonas = { userId: 'opsgenie:jonas@example.com', door: 'webhook' } as const;
    await act(database.db, id, { kind: 'assign', assignedTo: 'jonas@example.com' }, jonas, at(20));
    await act(database.db, id, { kind: 'note', text: 'Seen.' }, person, at(21));
    expect(await takeMoments(database.db, [id], at(22))).toEqual([
      { kind: 'action', action: 'assign', door: 'webhook' },
    ]);
    expect(await takeMoments(database.db, [id], at(23))).toEqual([]);
  });

  it('is nothing of muted alerts, of our own tests, or of long ago', async () => {
    const muted = await database.store([describedSignal({ mute: 'heartbeat' })], at(10));
    const own = await database.store([describedSignal({ tenant: canaryTenant })], at(10), 'api');
    const old = await database.store([describedSignal({ fingerprint: 'old' })], at(10));
    for (const id of [...muted, ...own, ...old])
      await act(database.db, id, { kind: 'resolve' }, person, at(20));
    expect(await takeMoments(database.db, [...muted, ...own], at(21))).toEqual([]);
    expect(await takeMoments(database.db, old, at(7 * 3_600))).toEqual([]);
  });

  it('is forgotten only when nobody looks back so far', async () => {
    const ids = await database.store([describedSignal()], at(10));
    await act(database.db, ids[0] ?? '', { kind: 'resolve' }, person, at(20));
    await takeMoments(database.db, ids, at(21));
    await forgetMoments(database.db, at(6 * 3_600));
    expect(await takeMoments(database.db, ids, at(6 * 3_600))).toEqual([]);
    await forgetMoments(database.db, at(25 * 3_600));
    expect(await database.rows('SELECT * FROM measured_moments')).toEqual([]);
  });
});

describe('the ages of the queues', () => {
  it('are those of the oldest that waits', async () => {
    expect(await queueAges(database.db, at(0))).toEqual({
      notificationsOldestSeconds: 0,
      incidentCommandsPending: 0,
      incidentCommandsOldestSeconds: 0,
    });
    const row = (state: string, created: number, posted: number | null, updated: number): Promise<unknown> =>
      database.rows(
        `INSERT INTO notifications (id, subject, alert_id, notifier, channel, episode, state, lane, priority, due_at, reason, received_at, created_at, posted_at, updated_at)
         VALUES (gen_random_uuid(), gen_random_uuid()::text, gen_random_uuid(), 'slack', '#a', 1, $1, 'edit', 3, $2, 'r', $2, $2, $3, $4)`,
        [state, at(created), posted === null ? null : at(posted), at(updated)],
      );
    await row('sent', 0, 1, 2);
    // An edit waits since its last turn, a post since it was planned.
    await row('due', 0, 1, 50);
    await row('due', 20, null, 90);
    await row('unknown', 30, null, 95);
    expect(await queueAges(database.db, at(100))).toMatchObject({ notificationsOldestSeconds: 80 });
  });
});
