import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { describedSignal } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { resolveExpired } from './actions.ts';
import { isListening, noteListening } from './listening.ts';

let database: DomainDatabase;

beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const inSeconds = (seconds: number): Date => new Date(Date.now() + seconds * 1_000);

/** As if the last one who listened did so then. */
const lastListened = (secondsAgo: number): Promise<unknown> =>
  database.rows(
    `INSERT INTO listening (last_at) VALUES (now() - $1 * interval '1 second') ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at`,
    [secondsAgo],
  );

/** Alerts that are believed until then, by fingerprint. */
async function believed(until: Record<string, number | null>): Promise<void> {
  await database.store(
    Object.entries(until).map(([fingerprint, seconds]) =>
      describedSignal({ fingerprint, expiresAt: seconds === null ? null : inSeconds(seconds) }),
    ),
    inSeconds(-900),
  );
}

async function left(): Promise<Record<string, number | null>> {
  const rows = await database.rows<{ fingerprint: string; left: number | null }>(
    `SELECT fingerprint, round(extract(epoch FROM expires_at - now()))::int AS left FROM alerts_active`,
  );
  return Object.fromEntries(rows.map((row) => [row.fingerprint, row.left]));
}

describe('after ten minutes in which nobody listened', () => {
  it('everything that was believed then is believed for as much longer, and a report interval more', async () => {
    await believed({ ended: -601, inTheGap: -500, later: 100, never: null });
    await lastListened(600);
    expect(await isListening(database.db)).toBe(false);
    const gap = await noteListening(database.db);
    expect(gap).toMatchObject({ alerts: 2, heartbeats: 0 });
    expect(gap?.seconds).toBeCloseTo(600, 0);
    const { ended, inTheGap, later, never } = await left();
    expect([ended, never]).toEqual([-601, null]);
    expect(inTheGap).toBeCloseTo(160, -1);
    expect(later).toBeCloseTo(760, -1);
    // From here on silence counts.
    const [from] = await database.rows<{ ago: number }>(
      'SELECT extract(epoch FROM now() - since)::float8 AS ago FROM listening',
    );
    expect(from?.ago).toBeLessThan(60);
    // Once.
    expect(await isListening(database.db)).toBe(true);
    expect(await noteListening(database.db)).toBeNull();
    expect(await resolveExpired(database.db, new Date(), 100)).toBe(1);
  });

  it('several who come up together give it back once', async () => {
    await believed({ inTheGap: -500 });
    await lastListened(600);
    const gaps = await Promise.all([1, 2, 3].map(() => noteListening(database.db)));
    expect(gaps.filter((gap) => gap !== null)).toHaveLength(1);
    expect((await left())['inTheGap']).toBeCloseTo(160, -1);
  });

  it('a source is silent for no longer than it was, and a silence that was told stays', async () => {
    await database.store(
      [describedSignal({ tenant: 'told', fingerprint: 'gomon-heartbeat-missing' })],
      new Date(),
    );
    await database.rows(
      `INSERT INTO source_heartbeats SELECT 'grafana', tenant, now() - interval '640 seconds' FROM unnest(ARRAY['heard', 'told']) AS t (tenant)`,
    );
    await lastListened(600);
    expect(await noteListening(database.db)).toMatchObject({ heartbeats: 2 });
    const silent = await database.rows<{ tenant: string; seconds: number }>(
      `SELECT tenant, round(extract(epoch FROM now() - last_seen_at))::int AS seconds FROM source_heartbeats ORDER BY tenant`,
    );
    expect(silent[0]).toEqual({ tenant: 'heard', seconds: 0 });
    expect(silent[1]?.seconds).toBeCloseTo(40, -1);
  });
});

describe('without a gap', () => {
  it('a restart changes nothing, nor does the first start', async () => {
    expect(await isListening(database.db)).toBe(true);
    await believed({ soon: 5 });
    expect(await noteListening(database.db)).toBeNull();
    await lastListened(20);
    await database.rows(`UPDATE listening SET since = now() - interval '1 day'`);
    expect(await noteListening(database.db)).toBeNull();
    expect(await database.row(`SELECT since < now() - interval '1 hour' AS "isOld" FROM listening`)).toEqual({
      isOld: true,
    });
    expect((await left())['soon']).toBeLessThanOrEqual(5);
    expect(await noteListening(database.db)).toBeNull();
  });
});
