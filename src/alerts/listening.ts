import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { openStatuses } from './alert.ts';
import { missingHeartbeat } from './missing-heartbeat.ts';

/**
 * Our own silence is not the silence of others. An alert whose sender's word runs
 * out while nobody of us listens (we were down, or the database was) could not be
 * confirmed, and a heartbeat could not be heard. Whoever listens writes that down
 * every few seconds; a gap is given back, once, to everything that was still
 * believed when it began, and one more report interval on top, because senders
 * need that long to find us again. How long an alert is silent counts from its end.
 *
 * All of it by the clock of the database, which the processes share.
 */

/** Shorter gaps are a restart: what we believe (minutes) survives them. */
const gapFromSeconds = 30;
/** Prometheus and Grafana repeat themselves once a minute. */
const reportIntervalSeconds = 60;

export type Gap = { seconds: number; alerts: number; heartbeats: number };

/**
 * Says that we listen now. After a gap, moves on what would have ended in it: in
 * one statement per table, in the transaction that ends the gap, so that several
 * processes which come up together do it once.
 * @returns the gap, or null when there was none.
 */
export async function noteListening(db: Db): Promise<Gap | null> {
  return db.transaction().execute(async (tx) => {
    const last = await sql<{ at: Date; seconds: number }>`
      SELECT last_at AS at, extract(epoch FROM now() - last_at)::float8 AS seconds FROM listening FOR UPDATE`.execute(
      tx,
    );
    const row = last.rows[0];
    await sql`
      INSERT INTO listening (last_at, since) VALUES (now(), now())
      ON CONFLICT (id) DO UPDATE SET last_at = greatest(listening.last_at, excluded.last_at),
        since = CASE WHEN listening.last_at > now() - make_interval(secs => ${gapFromSeconds}) THEN listening.since ELSE now() END`.execute(
      tx,
    );
    if (row === undefined || row.seconds < gapFromSeconds) return null;
    const alerts = await sql`
      UPDATE alerts_active
      SET expires_at = expires_at + make_interval(secs => ${row.seconds + reportIntervalSeconds}::float8)
      WHERE status = ANY(${[...openStatuses]}::alert_status[]) AND expires_at > ${row.at}`.execute(tx);
    // A silence that was told before stays one: it gets the gap, but no more.
    const heartbeats = await sql`
      UPDATE source_heartbeats h
      SET last_seen_at = least(now(), h.last_seen_at + make_interval(secs => ${row.seconds}::float8 + CASE WHEN EXISTS (
        SELECT FROM alerts_active a
        WHERE a.source = h.source AND a.tenant = h.tenant AND a.fingerprint = ${missingHeartbeat}
          AND a.status = ANY(${[...openStatuses]}::alert_status[])
      ) THEN 0 ELSE ${reportIntervalSeconds} END))`.execute(tx);
    return {
      seconds: row.seconds,
      alerts: Number(alerts.numAffectedRows ?? 0),
      heartbeats: Number(heartbeats.numAffectedRows ?? 0),
    };
  });
}

/** False while nobody listens: then nothing is taken for over because nothing was heard. True where nobody ever said so. */
export async function isListening(db: Db): Promise<boolean> {
  const found = await sql<{ listening: boolean }>`
    SELECT last_at > now() - make_interval(secs => ${gapFromSeconds}) AS listening FROM listening`.execute(
    db,
  );
  return found.rows[0]?.listening ?? true;
}
