import { sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import { fromStorableJson, toStorable, toStorableJson } from '../db/text.ts';
import type { CheckStatus, Conditions } from './conditions.ts';
import type { CheckDefinition, CheckResult } from './health-check.ts';

/**
 * SQL that claims and writes. What is due is decided by the clock of the database,
 * which all processes share; results carry the times of whoever looked.
 */

/** One look, as the row keeps the latest of them. */
export type KeptResult = { at: string; ok: boolean; durationMs: number; detail: string };

const keptResults = 30;
const longestDetail = 500;

/** Nobody has spoken for a check for so long: no process knows it any more. */
const forgottenAfterSeconds = 60;

/** Says that these checks are looked after, makes the rows of new ones, and keeps what is said of them up to date. */
export async function announceChecks(
  db: Db,
  checks: { definition: CheckDefinition; intervalMs: number }[],
  now: Date,
): Promise<void> {
  if (checks.length === 0) return;
  const rows = checks
    .map(({ definition, intervalMs }) => ({ name: toStorable(definition.name), definition, intervalMs }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  await sql`
    INSERT INTO health_checks (name, definition, interval_ms, next_at, seen_at, created_at)
    SELECT name, definition::jsonb, interval_ms, now(), now(), ${now}
    FROM unnest(
      ${rows.map((row) => row.name)}::text[],
      ${rows.map((row) => toStorableJson(row.definition))}::text[],
      ${rows.map((row) => row.intervalMs)}::int[]
    ) AS given (name, definition, interval_ms)
    ON CONFLICT (name) DO UPDATE SET
      definition = excluded.definition, interval_ms = excluded.interval_ms, seen_at = now(),
      next_at = least(health_checks.next_at, now() + make_interval(secs => excluded.interval_ms / 1000.0))`.execute(
    db,
  );
}

export type ClaimedCheck = {
  name: string;
  /** Counts the claims: who writes with an older number comes too late. */
  claim: string;
  conditions: Conditions;
  checkedAt: Date | null;
  status: CheckStatus;
};

/** Takes what is due of these checks, each by one process only, and sets when it is due next. */
export async function claimDueChecks(db: Db, names: string[], limit: number): Promise<ClaimedCheck[]> {
  const { rows } = await sql<{
    name: string;
    claim: string;
    conditions: unknown;
    checked_at: Date | null;
    status: CheckStatus;
  }>`
    WITH due AS MATERIALIZED (
      SELECT name FROM health_checks
      WHERE name = ANY (${names.map(toStorable)}::text[]) AND next_at <= now()
      ORDER BY next_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )
    UPDATE health_checks AS h SET
      claims = h.claims + 1,
      -- In step with what was planned, unless that is over already.
      next_at = CASE
        WHEN h.next_at + make_interval(secs => h.interval_ms / 1000.0) > now()
        THEN h.next_at + make_interval(secs => h.interval_ms / 1000.0)
        ELSE now() + make_interval(secs => h.interval_ms / 1000.0)
      END
    FROM due WHERE h.name = due.name
    RETURNING h.name, h.claims::text AS claim, h.conditions, h.checked_at, h.status`.execute(db);
  return rows.map((row) => ({
    name: fromStorableJson(row.name) as string,
    claim: row.claim,
    conditions: fromStorableJson(row.conditions) as Conditions,
    checkedAt: row.checked_at,
    status: row.status,
  }));
}

/** Thrown inside a transaction that has to be given up: somebody else looked meanwhile. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

/**
 * Writes what a look found. Does nothing, and answers false, when another claim
 * came after the one it belongs to.
 */
export async function recordResult(
  db: Db | Tx,
  claimed: { name: string; claim: string },
  found: { result: CheckResult; conditions: Conditions; status: CheckStatus; lookAgainMs: number | null },
): Promise<boolean> {
  const { result } = found;
  const detail = result.detail.slice(0, longestDetail);
  const kept: KeptResult = {
    at: result.at.toISOString(),
    ok: result.ok,
    durationMs: Math.round(result.durationMs),
    detail,
  };
  const again =
    found.lookAgainMs === null
      ? sql`next_at`
      : sql`least(next_at, now() + make_interval(secs => ${Math.max(1_000, found.lookAgainMs) / 1_000}))`;
  const { numAffectedRows } = await sql`
    UPDATE health_checks SET
      status = ${found.status},
      status_since = CASE WHEN status = ${found.status} THEN coalesce(status_since, ${result.at}) ELSE ${result.at}::timestamptz END,
      checked_at = ${result.at}, duration_ms = ${kept.durationMs}, detail = ${toStorable(detail)},
      certificate_expires_at = ${result.certificate?.validTo ?? null},
      conditions = ${toStorableJson(found.conditions)}::jsonb,
      results = jsonb_path_query_array(
        jsonb_build_array(${toStorableJson(kept)}::jsonb) || results, ${sql.lit(`$[0 to ${keptResults - 1}]`)}),
      next_at = ${again}
    WHERE name = ${toStorable(claimed.name)} AND claims = ${claimed.claim}::bigint`.execute(db);
  return numAffectedRows === 1n;
}

export type ForgottenCheck = { definition: CheckDefinition; conditions: Conditions };

/** Checks that no process has spoken for lately. */
export async function forgottenChecks(db: Db, limit: number): Promise<ForgottenCheck[]> {
  const { rows } = await sql<{ definition: unknown; conditions: unknown }>`
    SELECT definition, conditions FROM health_checks
    WHERE seen_at < now() - make_interval(secs => ${forgottenAfterSeconds}) ORDER BY seen_at LIMIT ${limit}`.execute(
    db,
  );
  return rows.map((row) => ({
    definition: fromStorableJson(row.definition) as CheckDefinition,
    conditions: fromStorableJson(row.conditions) as Conditions,
  }));
}

/** Removes a check that is still forgotten; false when somebody was quicker, or speaks for it again. */
export async function removeForgotten(db: Db | Tx, name: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    DELETE FROM health_checks
    WHERE name = ${toStorable(name)} AND seen_at < now() - make_interval(secs => ${forgottenAfterSeconds})`.execute(
    db,
  );
  return numAffectedRows === 1n;
}
