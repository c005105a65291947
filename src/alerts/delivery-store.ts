import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { sql } from 'kysely';
import { locks } from '../db/locks.ts';
import type { Db, Tx } from '../db/pool.ts';
import type { IntakeRequest, IntakeResult } from './intake.ts';

/** What arrived, byte for byte, and what became of it. */

export type RawDelivery = {
  contentType: string | null;
  /** Without credentials. */
  headers: Record<string, string>;
  body: Buffer;
};

/** Below this size compression gains nothing. */
const compressFromBytes = 512;

export async function storeDeliveries(
  tx: Tx,
  items: { request: IntakeRequest; result: IntakeResult }[],
): Promise<void> {
  const rows = items.map(({ request, result }) => {
    const { body, encoding } = compress(request.raw.body);
    return {
      id: result.deliveryId,
      received_at: request.receivedAt,
      source: request.source,
      sender: request.sender,
      content_type: request.raw.contentType,
      headers: JSON.stringify(request.raw.headers),
      body,
      body_encoding: encoding,
      body_bytes: request.raw.body.length,
      outcome: JSON.stringify(summary(result)),
    };
  });
  if (rows.length > 0) await tx.insertInto('deliveries').values(rows).execute();
}

/** A body that was refused whole: kept for diagnosis, with the reason. */
export async function storeRefusedDelivery(
  db: Db,
  refused: {
    id: string;
    source: IntakeRequest['source'];
    sender: string;
    receivedAt: Date;
    raw: RawDelivery;
    reason: string;
  },
): Promise<void> {
  const { body, encoding } = compress(refused.raw.body);
  await db
    .insertInto('deliveries')
    .values({
      id: refused.id,
      received_at: refused.receivedAt,
      source: refused.source,
      sender: refused.sender,
      content_type: refused.raw.contentType,
      headers: JSON.stringify(refused.raw.headers),
      body,
      body_encoding: encoding,
      body_bytes: refused.raw.body.length,
      outcome: JSON.stringify({ refused: refused.reason.replaceAll('\0', '') }),
    })
    .execute();
}

/** `undefined` when there is none, or it is past retention. */
export async function findDelivery(db: Db, id: string) {
  return db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The bytes of a stored delivery, as they arrived. */
export function originalBody(row: { body: Buffer; body_encoding: 'zstd' | 'identity' }): Buffer {
  return row.body_encoding === 'zstd' ? zstdDecompressSync(row.body) : row.body;
}

function compress(body: Buffer): { body: Buffer; encoding: 'zstd' | 'identity' } {
  if (body.length < compressFromBytes) return { body, encoding: 'identity' };
  return {
    body: zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
    encoding: 'zstd',
  };
}

function summary(result: IntakeResult): Record<string, unknown> {
  const counts: Record<string, number> = {};
  const remarks: { index: number; outcome: string; reason: string }[] = [];
  result.results.forEach((entry, index) => {
    counts[entry.outcome] = (counts[entry.outcome] ?? 0) + 1;
    if (entry.reason !== undefined)
      remarks.push({ index, outcome: entry.outcome, reason: entry.reason.replaceAll('\0', '') });
  });
  const { truncatedAlerts } = result;
  return { ...counts, ...(truncatedAlerts === undefined ? {} : { truncatedAlerts }), remarks };
}

/**
 * Makes the partitions of today and the next days, and drops those past
 * retention. Names carry the day; a day is a UTC day.
 */
export async function maintainPartitions(
  db: Db,
  now: Date,
  retentionDays: number,
): Promise<{ dropped: string[] }> {
  const dayMs = 86_400_000;
  const today = Math.floor(now.getTime() / dayMs) * dayMs;
  return db.transaction().execute(async (tx) => {
    // IF NOT EXISTS does not help two processes that look at the same moment.
    await sql`SELECT pg_advisory_xact_lock(${locks.partitions})`.execute(tx);
    // Making and dropping wait for long readers (a backup), and everything that comes in would wait behind them:
    // rather give up and come back. Partitions are made days ahead.
    await sql`SET LOCAL lock_timeout = '2s'`.execute(tx);
    const known = new Set(await partitionNames(tx));
    for (let ahead = 0; ahead <= 3; ahead += 1) {
      const from = new Date(today + ahead * dayMs);
      if (!known.has(partitionName(from))) await makePartition(tx, from, new Date(from.getTime() + dayMs));
    }
    const oldest = partitionName(new Date(today - retentionDays * dayMs));
    const dropped = [...known].filter((name) => name < oldest);
    for (const name of dropped) await sql`DROP TABLE ${sql.table(name)}`.execute(tx);
    const keptFrom = new Date(today - retentionDays * dayMs);
    await sql`DELETE FROM deliveries_default WHERE received_at < ${keptFrom}`.execute(tx);
    return { dropped };
  });
}

async function partitionNames(tx: Tx): Promise<string[]> {
  const rows = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'deliveries'::regclass AND c.relname ~ '^deliveries_[0-9]{8}$'`.execute(tx);
  return rows.rows.map((row) => row.name);
}

/**
 * What came in while the day had no partition lies in the default one (nobody made
 * any for days: asleep, no worker). PostgreSQL refuses the new partition until it is
 * out of there, so it moves over.
 */
async function makePartition(tx: Tx, from: Date, to: Date): Promise<void> {
  const held = sql.table(`${partitionName(from)}_moving`);
  await sql`LOCK TABLE deliveries_default IN EXCLUSIVE MODE`.execute(tx);
  await sql`CREATE TEMP TABLE ${held} ON COMMIT DROP AS
    SELECT * FROM deliveries_default WHERE received_at >= ${sql.lit(from.toISOString())}::timestamptz
      AND received_at < ${sql.lit(to.toISOString())}::timestamptz`.execute(tx);
  await sql`DELETE FROM deliveries_default WHERE received_at >= ${from} AND received_at < ${to}`.execute(tx);
  await sql`CREATE TABLE ${sql.table(partitionName(from))} PARTITION OF deliveries
    FOR VALUES FROM (${sql.lit(from.toISOString())}) TO (${sql.lit(to.toISOString())})`.execute(tx);
  await sql`INSERT INTO deliveries SELECT * FROM ${held}`.execute(tx);
}

function partitionName(day: Date): string {
  return `deliveries_${day.toISOString().slice(0, 10).replaceAll('-', '')}`;
}
