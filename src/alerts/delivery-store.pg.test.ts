import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describedSignal, intakeRequest } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { maintainPartitions, storeRefusedDelivery } from './delivery-store.ts';

let database: DomainDatabase;

beforeEach(async () => {
  database = await openDomainDatabase();
});

afterEach(() => database.close());

const day = (date: string): Date => new Date(`${date}T12:00:00.000Z`);

/** Where each stored delivery lies, by the time it was received. */
const places = (): Promise<{ place: string; received: Date }[]> =>
  database.rows(
    'SELECT tableoid::regclass::text AS place, received_at AS received FROM deliveries ORDER BY received_at',
  );

async function deliver(receivedAt: Date): Promise<void> {
  const result = await database.intake.submit(intakeRequest([describedSignal()], receivedAt));
  expect(result.ok).toBe(true);
}

const partitions = async (): Promise<string[]> =>
  (
    await database.rows<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'deliveries'::regclass ORDER BY 1`,
    )
  ).map((row) => row.name);

describe('partitions of raw deliveries', () => {
  it('exist for today and the next days', async () => {
    await maintainPartitions(database.db, day('2026-02-27'), 14);
    expect(await partitions()).toEqual([
      'deliveries_20260227',
      'deliveries_20260228',
      'deliveries_20260301',
      'deliveries_20260302',
      'deliveries_default',
    ]);
    await deliver(new Date('2026-02-27T00:00:00.000Z'));
    await deliver(new Date('2026-02-28T23:59:59.999Z'));
    await deliver(new Date('2026-03-01T00:00:00.000Z'));
    expect((await places()).map((row) => row.place)).toEqual([
      'deliveries_20260227',
      'deliveries_20260228',
      'deliveries_20260301',
    ]);
  });

  it('are dropped whole when their day is past retention; the rest stays', async () => {
    await maintainPartitions(database.db, day('2026-03-01'), 14);
    await deliver(day('2026-03-01'));
    await deliver(day('2026-03-02'));
    await deliver(day('2026-01-01'));
    expect(await maintainPartitions(database.db, day('2026-03-15'), 14)).toEqual({ dropped: [] });
    expect((await places()).map((row) => row.place)).toEqual(['deliveries_20260301', 'deliveries_20260302']);
    expect(await maintainPartitions(database.db, day('2026-03-16'), 14)).toEqual({
      dropped: ['deliveries_20260301'],
    });
    expect((await places()).map((row) => row.place)).toEqual(['deliveries_20260302']);
    expect(await partitions()).not.toContain('deliveries_20260301');
  });

  it('take in what had to go to the default one, after a time in which nobody made any', async () => {
    await maintainPartitions(database.db, day('2026-03-01'), 14);
    // Asleep for a week, and a request comes first.
    await deliver(day('2026-03-08'));
    await deliver(day('2026-03-09'));
    await deliver(day('2026-03-20'));
    await maintainPartitions(database.db, day('2026-03-08'), 14);
    expect(await places()).toEqual([
      { place: 'deliveries_20260308', received: day('2026-03-08') },
      { place: 'deliveries_20260309', received: day('2026-03-09') },
      { place: 'deliveries_default', received: day('2026-03-20') },
    ]);
    expect(await partitions()).toContain('deliveries_20260311');
  });

  it('can be looked after by several processes at once', async () => {
    const rounds = Array.from({ length: 5 }, () => maintainPartitions(database.db, day('2026-03-01'), 14));
    await Promise.all(rounds);
    await Promise.all(
      Array.from({ length: 5 }, () => maintainPartitions(database.db, day('2026-04-01'), 14)),
    );
    expect(await partitions()).toEqual([
      'deliveries_20260401',
      'deliveries_20260402',
      'deliveries_20260403',
      'deliveries_20260404',
      'deliveries_default',
    ]);
  });
});

describe('a body refused whole', () => {
  it('is kept as it was, with the reason', async () => {
    const id = '01993f00-0000-7000-8000-00000000000e';
    await storeRefusedDelivery(database.db, {
      id,
      source: 'grafana',
      sender: 'token:x',
      receivedAt: day('2026-03-01'),
      raw: { contentType: 'text/plain', headers: {}, body: Buffer.from('Alert!\0') },
      reason: 'no JSON\0',
    });
    expect(await database.row('SELECT id, body, body_encoding, outcome FROM deliveries')).toEqual({
      id,
      body: Buffer.from('Alert!\0'),
      body_encoding: 'identity',
      outcome: { refused: 'no JSON' },
    });
  });
});
