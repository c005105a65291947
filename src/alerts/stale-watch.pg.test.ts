import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { at, describedSignal, resolvedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { act } from './actions.ts';
import { missingHeartbeat } from './missing-heartbeat.ts';
import { markStale } from './stale-watch.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const grafana = { name: 'grafana', staleSeconds: 600 } as const;
const mark = (second: number, limit = 100): Promise<number> =>
  markStale(database.db, grafana, at(second), limit);
const stale = async (): Promise<string[]> =>
  (
    await database.rows<{ fingerprint: string }>(
      'SELECT fingerprint FROM alerts_active WHERE stale_at IS NOT NULL ORDER BY 1',
    )
  ).map((row) => row.fingerprint);

describe('an open alert that is not heard of', () => {
  it('is called stale after its time, once, with a reason, and told', async () => {
    const [id] = await database.store([describedSignal({ fingerprint: 'silent' })], at(0));
    await database.takeJobs();
    expect(await mark(599)).toBe(0);
    expect(await mark(600)).toBe(1);
    expect(await mark(9_000)).toBe(0);
    const row = await database.row('SELECT status, stale_at, updated_at, last_seen_at FROM alerts_active');
    expect(row).toEqual({ status: 'firing', stale_at: at(600), updated_at: at(600), last_seen_at: at(0) });
    const audits = await database.rows(`SELECT user_id, details FROM alert_actions WHERE action = 'update'`);
    expect(audits).toMatchObject([
      {
        user_id: 'system',
        details: {
          reason: expect.stringContaining('2026-11-20T08:00:00.000Z') as string,
          decisions: [{ stage: 'dedup', outcome: 'stale' }],
        },
      },
    ]);
    expect(await database.takeJobs()).toMatchObject([{ task: 'alert.changed', payload: { alertIds: [id] } }]);
  });

  it('is not, while it is repeated, has an end of its own, is over, or is our own', async () => {
    const names = ['repeated', 'ends', 'over', missingHeartbeat, 'silent'];
    await database.store(
      names.map((fingerprint) =>
        describedSignal({ fingerprint, expiresAt: fingerprint === 'ends' ? at(90_000) : null }),
      ),
      at(0),
    );
    await database.store([resolvedSignal({ fingerprint: 'over' })], at(310));
    await database.store([describedSignal({ fingerprint: 'repeated' })], at(310));
    await database.store([describedSignal({ fingerprint: 'other source' })], at(0), 'api');
    expect(await mark(700)).toBe(1);
    expect(await stale()).toEqual(['silent']);
  });

  it('is so again after the next silence; a person may end it', async () => {
    const [id = ''] = await database.store([describedSignal({ fingerprint: 'silent' })], at(0));
    await mark(600);
    await database.store([describedSignal({ fingerprint: 'silent' })], at(700));
    expect(await stale()).toEqual([]);
    expect(await mark(1_200)).toBe(0);
    expect(await mark(1_300)).toBe(1);
    await act(database.db, id, { kind: 'resolve' }, { userId: 'ann', door: 'slack' }, at(1_400));
    expect(await stale()).toEqual([]);
  });

  it('is not called so for a time in which nobody listened', async () => {
    await database.store([describedSignal({ fingerprint: 'silent' })], at(0));
    await database.rows('INSERT INTO listening (last_at, since) VALUES (now(), $1)', [at(500)]);
    expect(await mark(1_099)).toBe(0);
    expect(await mark(1_100)).toBe(1);
  });

  it('is found in passes, by several processes once each', async () => {
    await database.store(
      Array.from({ length: 30 }, (_, n) => describedSignal({ fingerprint: `f${n}` })),
      at(0),
    );
    const counts = await Promise.all([mark(600, 20), mark(600, 20)]);
    const rest = await mark(600, 20);
    expect(counts[0] + counts[1] + rest).toBe(30);
    const [row] = await database.rows(
      `SELECT count(*)::int AS count FROM alert_actions WHERE action = 'update'`,
    );
    expect(row).toEqual({ count: 30 });
  });
});
