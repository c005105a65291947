import { sql } from 'kysely';
import { canaryTenant } from '../alerts/canary-alert.ts';
import type { Db } from '../db/pool.ts';

/** SQL of the canary: its runs, and what they left in the ledger. */

export type CanaryOutcome =
  /** Notified within the time that is promised. */
  | 'ok'
  /** Notified, but later. */
  | 'late'
  /** Our own door did not take it. */
  | 'refused'
  /** No message in time. */
  | 'not-notified'
  /** The message came, but the incident provider does not answer. */
  | 'provider'
  /** Its process died meanwhile. */
  | 'lost';

/** What is promised from sending an alert to its message. */
export const inTimeSeconds = 2;
const keptMs = 24 * 3_600_000;
const ratioOverMs = 3_600_000;
/** Of one pass of tidying up: more than one run leaves, less than what would hold up the next. */
const tidiedAtOnce = 50;

export function canaryKey(runId: string): string {
  return `canary-${runId}`;
}

export async function beginRun(db: Db, id: string, now: Date): Promise<void> {
  await db
    .insertInto('canary_runs')
    .values({
      id,
      started_at: now,
      alert_id: null,
      notified_at: null,
      finished_at: null,
      outcome: null,
      detail: null,
    })
    .execute();
}

export async function noteAlert(db: Db, id: string, alertId: string): Promise<void> {
  await db.updateTable('canary_runs').set({ alert_id: alertId }).where('id', '=', id).execute();
}

/** `stopped`: this process was told to stop, which says nothing about the service. */
export async function finishRun(
  db: Db,
  id: string,
  end: { outcome: CanaryOutcome | 'stopped'; detail: string | null; notifiedAt: Date | null },
  now: Date,
): Promise<void> {
  await db
    .updateTable('canary_runs')
    .set({
      finished_at: now,
      outcome: end.outcome,
      detail: end.detail?.slice(0, 500) ?? null,
      notified_at: end.notifiedAt,
    })
    .where('id', '=', id)
    .execute();
}

export type CanaryMessage = {
  id: string;
  state: string;
  closed: boolean;
  channelId: string | null;
  messageId: string | null;
  postedAt: Date | null;
  lastError: string | null;
};

export async function messagesOf(db: Db, alertId: string): Promise<CanaryMessage[]> {
  const rows = await db
    .selectFrom('notifications')
    .select(['id', 'state', 'closed', 'channel_id', 'message_id', 'posted_at', 'last_error'])
    .where('subject', '=', `alert:${alertId}`)
    .where('purpose', '=', 'card')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    state: row.state,
    closed: row.closed,
    channelId: row.channel_id,
    messageId: row.message_id,
    postedAt: row.posted_at,
    lastError: row.last_error,
  }));
}

/** Runs that nobody finished: their process died. Answers how many. */
export async function closeLost(db: Db, startedBefore: Date, now: Date): Promise<number> {
  const rows = await db
    .updateTable('canary_runs')
    .set({ finished_at: now, outcome: 'lost', detail: 'its process ended' })
    .where('finished_at', 'is', null)
    .where('started_at', '<', startedBefore)
    .returning('id')
    .execute();
  return rows.length;
}

/** Alerts of ended runs that are not archived yet; also those whose run did not live to write down which it was. */
export async function leftOpen(db: Db): Promise<string[]> {
  await sql`
    UPDATE canary_runs c SET alert_id = a.id FROM alerts_active a
    WHERE c.alert_id IS NULL AND a.source = 'api' AND a.tenant = ${canaryTenant} AND a.fingerprint = 'canary-' || c.id`.execute(
    db,
  );
  const rows = await sql<{ id: string }>`
    SELECT a.id FROM alerts_active a LEFT JOIN canary_runs c ON c.alert_id = a.id
    WHERE a.source = 'api' AND a.tenant = ${canaryTenant} AND (c.id IS NULL OR c.finished_at IS NOT NULL)
    ORDER BY a.created_at LIMIT ${tidiedAtOnce}`.execute(db);
  return rows.rows.map((row) => row.id);
}

/**
 * Takes out of the ledger what ended runs never had posted, so that an outage does not
 * end with a row of old test messages, and answers the messages there are to delete.
 */
export async function leftMessages(db: Db): Promise<CanaryMessage[]> {
  const ofEnded = sql`alert_id IN (SELECT alert_id FROM canary_runs WHERE finished_at IS NOT NULL AND alert_id IS NOT NULL)`;
  await sql`
    DELETE FROM notifications WHERE ${ofEnded} AND message_id IS NULL AND state IN ('due', 'failed')
      AND NOT EXISTS (SELECT FROM alerts_active a WHERE a.id = notifications.alert_id)`.execute(db);
  const rows = await sql<{ id: string; channel_id: string; message_id: string }>`
    SELECT id, channel_id, message_id FROM notifications
    WHERE ${ofEnded} AND message_id IS NOT NULL AND channel_id IS NOT NULL AND closed AND state IN ('sent', 'failed')
    ORDER BY created_at LIMIT ${tidiedAtOnce}`.execute(db);
  return rows.rows.map((row) => ({
    id: row.id,
    state: 'sent',
    closed: true,
    channelId: row.channel_id,
    messageId: row.message_id,
    postedAt: null,
    lastError: null,
  }));
}

/** A message that is deleted at the vendor is taken out of the ledger, or it would be posted anew. */
export async function forgetMessages(db: Db, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await db
    .deleteFrom('notifications')
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .execute();
}

/** Removes runs of days ago with their alerts and audit rows: they are tests of ours, and history of nothing. */
export async function forgetRuns(db: Db, now: Date): Promise<void> {
  await sql`
    WITH old AS MATERIALIZED (
      SELECT id, alert_id FROM canary_runs WHERE started_at < ${new Date(now.getTime() - keptMs)} ORDER BY started_at LIMIT ${tidiedAtOnce}
    ), alerts AS (DELETE FROM alerts_archive WHERE id IN (SELECT alert_id FROM old) AND tenant = ${canaryTenant}),
    actions AS (DELETE FROM alert_actions WHERE alert_id IN (SELECT alert_id FROM old)),
    told AS (DELETE FROM untold_episodes WHERE alert_id IN (SELECT alert_id FROM old))
    DELETE FROM canary_runs WHERE id IN (SELECT id FROM old)`.execute(db);
}

export type LastRun = { outcome: CanaryOutcome; startedAt: Date };

/** The last run that came to an end by itself. */
export async function lastRun(db: Db): Promise<LastRun | null> {
  const row = await db
    .selectFrom('canary_runs')
    .select(['outcome', 'started_at'])
    .where('outcome', 'is not', null)
    .where('outcome', '!=', 'stopped')
    .orderBy('started_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : { outcome: row.outcome as CanaryOutcome, startedAt: row.started_at };
}

/** Share of the last hour's runs notified in time; null when there were none. */
export async function inTimeRatio(db: Db, now: Date): Promise<number | null> {
  const row = await sql<{ ratio: number | null }>`
    SELECT avg((coalesce(notified_at - started_at <= make_interval(secs => ${inTimeSeconds}), false))::int)::float8 AS ratio
    FROM canary_runs WHERE started_at > ${new Date(now.getTime() - ratioOverMs)} AND outcome <> 'stopped'`.execute(
    db,
  );
  return row.rows[0]?.ratio ?? null;
}
