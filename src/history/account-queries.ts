import { type RawBuilder, sql } from 'kysely';
import { canarySender, canaryTenant } from '../alerts/canary-alert.ts';
import type { SourceName } from '../alerts/alert.ts';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorable } from '../db/text.ts';
import { subjectOf } from '../notify/route.ts';
import { type Accounts, type EntryAccounts, sumUp, type TellingCount } from './accounts.ts';

/** Enough to look into, few enough to read. */
const mostIds = 100;
const dayMs = 86_400_000;

/**
 * Sums up one span, from one snapshot of the database: what is under way meanwhile
 * is in one column or another, never in none.
 * @param options.deliveriesKeptDays how long requests of sources are kept
 */
export async function readAccounts(
  db: Db,
  span: { from: Date; to: Date },
  options: { deliveriesKeptDays: number; now: Date },
): Promise<Accounts> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const tellings = await judgeTellings(tx, span);
      // The oldest day may be dropped at any time.
      const keptFromMs = options.now.getTime() - (options.deliveriesKeptDays - 1) * dayMs;
      const entries = await countEntries(tx, span, span.from.getTime() >= keptFromMs);
      return sumUp(span, tellings.counts, { ...tellings, entries });
    });
}

type JudgedRow = TellingCount & { ids: string[] | null; canary: boolean };

/**
 * One statement over the whole span. `create` is the first episode of its row; a
 * refire's number is how many there were. A message counts for an alert of its own
 * by the episode; the shared one of a data source when it was still spoken to after
 * the telling began.
 */
async function judgeTellings(
  tx: Tx,
  span: { from: Date; to: Date },
): Promise<{ counts: TellingCount[]; accepted: number; canary: number; unaccountedAlertIds: string[] }> {
  const rows = await sql<JudgedRow>`
    WITH tellings AS MATERIALIZED (
      SELECT t.alert_id, t.created_at AS began_at,
        CASE WHEN t.action = 'create' THEN 1 ELSE 1 + (
          SELECT count(*)::int FROM alert_actions r
          WHERE r.alert_id = t.alert_id AND r.action = 'refire' AND (r.created_at, r.id) <= (t.created_at, t.id)
        ) END AS episode
      FROM alert_actions t
      WHERE t.created_at >= ${span.from} AND t.created_at < ${span.to} AND t.action IN ('create', 'refire')
    ), folds (source, tenant, fold_key, subject) AS (${await foldSubjects(tx)}),
    alerts AS (
      SELECT id, source, tenant, fold_key, mute FROM alerts_active WHERE id IN (SELECT alert_id FROM tellings)
      UNION ALL
      SELECT id, source, tenant, fold_key, mute FROM alerts_archive WHERE id IN (SELECT alert_id FROM tellings)
    ), jobs AS MATERIALIZED (
      SELECT DISTINCT ids.id::uuid AS alert_id, j.attempts >= j.max_attempts AS given_up
      FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks k ON k.id = j.task_id
      CROSS JOIN LATERAL json_array_elements_text(j.payload -> 'alertIds') AS ids (id)
      WHERE k.identifier = 'alert.changed'
    ), judged AS (
      SELECT t.alert_id, t.episode,
        coalesce(bool_or(a.source = 'api' AND a.tenant = ${canaryTenant}), false) AS canary,
        coalesce(bool_or(n.posted_at IS NOT NULL OR n.message_id IS NOT NULL), false) AS delivered,
        min(a.mute) AS mute,
        coalesce(bool_or(n.state IN ('due', 'sending', 'unknown')), false) AS waits,
        coalesce(bool_or(n.state = 'failed'), false) AS failed,
        min(n.last_error) FILTER (WHERE n.state = 'failed') AS error
      FROM tellings t
      LEFT JOIN alerts a ON a.id = t.alert_id
      LEFT JOIN folds f ON f.source = a.source AND f.tenant = a.tenant AND f.fold_key = a.fold_key
      CROSS JOIN LATERAL (VALUES ('alert:' || t.alert_id, t.episode), (f.subject, NULL)) AS s (subject, episode)
      LEFT JOIN notifications n ON n.subject = s.subject AND n.purpose = 'card'
        AND (n.episode = s.episode OR (s.episode IS NULL AND (n.updated_at >= t.began_at OR NOT n.closed)))
      GROUP BY t.alert_id, t.episode
    ), sorted AS (
      SELECT j.alert_id, j.canary, CASE
          WHEN j.delivered THEN 'delivered'
          WHEN j.mute IS NOT NULL OR u.reason IS NOT NULL THEN 'suppressed'
          WHEN j.waits OR EXISTS (SELECT FROM jobs WHERE jobs.alert_id = j.alert_id AND NOT given_up) THEN 'pending'
          WHEN j.failed OR EXISTS (SELECT FROM jobs WHERE jobs.alert_id = j.alert_id) THEN 'failed'
          ELSE 'unaccounted' END AS state,
        CASE
          WHEN j.delivered THEN 'message'
          WHEN j.mute IS NOT NULL OR u.reason IS NOT NULL THEN coalesce(j.mute, u.reason)
          WHEN j.waits THEN 'send'
          WHEN EXISTS (SELECT FROM jobs WHERE jobs.alert_id = j.alert_id AND NOT given_up) THEN 'job'
          WHEN j.failed THEN coalesce(substring(j.error FROM '^[a-z-]+: [^[:space:]]+'), left(j.error, 80), 'unknown')
          ELSE 'its job failed for the last time' END AS reason
      FROM judged j LEFT JOIN untold_episodes u ON u.alert_id = j.alert_id AND u.episode = j.episode
    )
    SELECT state, CASE WHEN state = 'unaccounted' THEN '' ELSE reason END AS reason, canary, count(*)::int AS count,
      CASE WHEN state = 'unaccounted' AND NOT canary THEN (array_agg(alert_id ORDER BY alert_id))[1:${sql.lit(mostIds)}] END AS ids
    FROM sorted GROUP BY 1, 2, 3 ORDER BY 1, 2`.execute(tx);
  const real = rows.rows.filter((row) => !row.canary);
  const total = (some: JudgedRow[]): number => some.reduce((sum, row) => sum + row.count, 0);
  return {
    counts: real.map(({ state, reason, count }) => ({ state, reason, count })),
    accepted: await countTellings(tx, span),
    canary: total(rows.rows.filter((row) => row.canary)),
    unaccountedAlertIds: [...new Set(real.flatMap((row) => row.ids ?? []))],
  };
}

/** Counted apart from how they are judged, so that the sum is a sum and not a tautology. */
async function countTellings(tx: Tx, span: { from: Date; to: Date }): Promise<number> {
  const row = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM alert_actions t
    WHERE t.created_at >= ${span.from} AND t.created_at < ${span.to} AND t.action IN ('create', 'refire')
      AND t.details ->> 'sender' IS DISTINCT FROM ${canarySender}`.execute(tx);
  return row.rows[0]?.count ?? 0;
}

/** The subjects of shared messages as the ledger writes them: their text is made in one place only. */
async function foldSubjects(tx: Tx): Promise<RawBuilder<unknown>> {
  const rows = await sql<{ source: SourceName; tenant: string; fold_key: string }>`
    SELECT source, tenant, fold_key FROM alerts_active WHERE fold_key IS NOT NULL
    UNION SELECT source, tenant, fold_key FROM alerts_archive WHERE fold_key IS NOT NULL`.execute(tx);
  const subjects = rows.rows.map((row) =>
    subjectOf({
      id: '',
      source: row.source,
      tenant: fromStorable(row.tenant),
      foldKey: fromStorable(row.fold_key),
    }),
  );
  return sql`SELECT * FROM unnest(
    ${rows.rows.map((row) => row.source)}::text[], ${rows.rows.map((row) => row.tenant)}::text[],
    ${rows.rows.map((row) => row.fold_key)}::text[], ${subjects}::text[])`;
}

async function countEntries(
  tx: Tx,
  span: { from: Date; to: Date },
  comparable: boolean,
): Promise<EntryAccounts> {
  const counted = await sql<Omit<EntryAccounts, 'createdByAudit' | 'received'>>`
    SELECT count(*)::int AS requests, (count(*) FILTER (WHERE outcome ? 'refused'))::int AS refused,
      ${entrySum('created')}, ${entrySum('updated')}, ${entrySum('resolved')}, ${entrySum('ignored')}, ${entrySum('rejected')}
    FROM deliveries
    WHERE received_at >= ${span.from} AND received_at < ${span.to} AND sender <> ${canarySender}`.execute(tx);
  const byAudit = comparable
    ? await sql<{ count: number }>`
        SELECT count(*)::int AS count FROM alert_actions t
        WHERE t.created_at >= ${span.from} AND t.created_at < ${span.to} AND t.action IN ('create', 'refire')
          AND t.action = 'create' AND t.details ? 'deliveryId' AND t.details ->> 'sender' IS DISTINCT FROM ${canarySender}`.execute(
        tx,
      )
    : null;
  const row = counted.rows[0];
  if (row === undefined) throw new Error('a sum without a row');
  return {
    ...row,
    received: row.created + row.updated + row.resolved + row.ignored + row.rejected,
    createdByAudit: byAudit === null ? null : (byAudit.rows[0]?.count ?? 0),
  };
}

function entrySum(outcome: string): RawBuilder<unknown> {
  return sql`coalesce(sum((outcome ->> ${sql.lit(outcome)})::int), 0)::int AS ${sql.ref(outcome)}`;
}
