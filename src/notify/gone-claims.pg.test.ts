import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { goneProcesses, WorkerPresence } from '../db/worker-presence.ts';
import { releaseGoneSyncClaims } from '../incidents/gone-claims.ts';
import { takeOverGoneClaims } from './gone-claims.ts';
import { claimDue } from './claim.ts';
import { planNotifications } from './plan.ts';

let database: DomainDatabase;
let dead: WorkerPresence;
let living: WorkerPresence;

beforeEach(async () => {
  database = await openDomainDatabase();
  [dead, living] = [process(), process()];
  for (const one of [dead, living]) await one.start(() => Promise.resolve());
});
afterEach(async () => {
  await living.stop();
  await database.close();
});

const process = (): WorkerPresence => new WorkerPresence({ url: database.url, onError: () => undefined });
const pace = {
  burstPerChannel: 100,
  postsPerSecondPerChannel: 1,
  editBurst: 100,
  editsPerMinute: 60,
};
const routing = { routes: [], channels: { critical: '#c', default: '#d', development: '#dev' } };

/** Three messages: one in the hands of each process, one of a process that knows no names. */
async function claimed(): Promise<string[]> {
  const ids = await database.store(
    ['a', 'b', 'c'].map((fingerprint) => describedSignal({ fingerprint })),
    new Date(),
  );
  await planNotifications(database.db, ids, { notifier: 'slack', routing }, new Date());
  const claims = [];
  for (const name of [dead.name, living.name, undefined])
    claims.push(
      ...(await claimDue(
        database.db,
        { notifier: 'slack', pace, limit: 1, othersLimit: 1, claimedBy: name },
        new Date(),
      )),
    );
  return claims.map((row) => row.id);
}
const states = async (ids: string[]): Promise<unknown[]> =>
  Promise.all(
    ids.map(
      async (id) =>
        (await database.row<{ state: string }>('SELECT state FROM notifications WHERE id = $1', [id])).state,
    ),
  );

describe('what a process that is gone had in hand', () => {
  it('is taken over as soon as its sends must be over; that of a living one is not', async () => {
    const ids = await claimed();
    await dead.stop();
    await vi.waitFor(async () =>
      expect(await goneProcesses(database.db, [dead.name, living.name])).toEqual([dead.name]),
    );
    const now = new Date();
    expect(await takeOverGoneClaims(database.db, new Date(now.getTime() - 12_000), now)).toBe(0);
    const later = new Date(now.getTime() + 20_000);
    expect(await takeOverGoneClaims(database.db, new Date(later.getTime() - 12_000), later)).toBe(1);
    // It may have been posted: it is looked for first.
    expect(await states(ids)).toEqual(['unknown', 'sending', 'sending']);
    expect(await takeOverGoneClaims(database.db, new Date(later.getTime() - 12_000), later)).toBe(0);
  });

  it('an incident, too', async () => {
    for (const name of [dead.name, living.name]) {
      await database.rows(
        `INSERT INTO incidents (id, title, severity, opened_by, created_at, updated_at, sync_claimed_at, sync_claimed_by)
         VALUES (gen_random_uuid(), 'i', 'P1', 'system', now(), now(), now() - interval '13 seconds', $1)`,
        [name],
      );
    }
    await dead.stop();
    const release = (): Promise<number> => releaseGoneSyncClaims(database.db, new Date(Date.now() - 12_000));
    await vi.waitFor(async () => expect(await release()).toBe(1));
    expect(
      await database.row('SELECT sync_claimed_by AS name FROM incidents WHERE sync_claimed_at IS NOT NULL'),
    ).toEqual({
      name: living.name,
    });
  });
});
