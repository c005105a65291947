import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { WorkerPresence } from './worker-presence.ts';

let database: DomainDatabase;
let present: WorkerPresence[];

beforeEach(async () => {
  database = await openDomainDatabase(2);
  present = [];
});
afterEach(async () => {
  for (const one of present) await one.stop();
  await database.close();
});

function worker(errors: Error[] = []): WorkerPresence {
  const one = new WorkerPresence({ url: database.url, onError: (error) => void errors.push(error) });
  present.push(one);
  return one;
}

/** Starts one, and answers whether it was alone. */
async function arrives(one = worker()): Promise<boolean> {
  const whenAlone = vi.fn<() => Promise<void>>(() => Promise.resolve());
  await one.start(whenAlone);
  return whenAlone.mock.calls.length === 1;
}

/** Sessions that say that they are there. */
const holders = async (): Promise<number[]> =>
  (
    await database.rows<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND objsubid = 1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
  ).map(({ pid }) => pid);

describe('the presence of workers', () => {
  it('shows the first that it is alone, and none that comes beside it', async () => {
    const first = worker();
    expect(await arrives(first)).toBe(true);
    const second = worker();
    expect(await arrives(second)).toBe(false);
    await first.stop();
    expect(await arrives()).toBe(false);
    for (const one of present) await one.stop();
    expect(await vi.waitFor(() => arrives(), { timeout: 5_000 })).toBe(true);
  });

  it('lets one of several that start at once be alone, and the others wait for it', async () => {
    let busy = false;
    const starts = Array.from({ length: 5 }, async () => {
      let alone = false;
      await worker().start(async () => {
        busy = true;
        await database.row('SELECT 1 AS one');
        alone = true;
        busy = false;
      });
      expect(busy).toBe(false);
      return alone;
    });
    expect((await Promise.all(starts)).filter((alone) => alone)).toHaveLength(1);
  });

  it('outlives its connection, and then takes nobody for dead', async () => {
    const errors: Error[] = [];
    await arrives(worker(errors));
    const [first] = await holders();
    await database.row('SELECT pg_terminate_backend($1)', [first]);
    await vi.waitFor(() => expect(errors).toHaveLength(1), { timeout: 5_000 });
    // The session that was cut may hold its lock for a moment longer.
    await vi.waitFor(
      async () => {
        const now = await holders();
        expect([now.length, now.includes(first ?? 0)]).toEqual([1, false]);
      },
      { timeout: 5_000 },
    );
    expect(await arrives()).toBe(false);
  });

  it('does not start without its lock', async () => {
    await expect(
      worker().start(() => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(await arrives()).toBe(true);
  });
});
