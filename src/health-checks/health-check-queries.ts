import { sql } from 'kysely';
import { openStatuses } from '../alerts/alert.ts';
import { type CursorPosition, type Page, toPage } from '../db/page.ts';
import type { Db } from '../db/pool.ts';
import { fromStorable, fromStorableJson, toStorable } from '../db/text.ts';
import { type CheckStatus, conditionNames, type Conditions } from './conditions.ts';
import type { CheckDefinition, CheckType } from './health-check.ts';
import type { KeptResult } from './health-check-store.ts';
import { fingerprintOf } from './to-signal.ts';

/** A check as people see it. */
export type ListedCheck = CheckDefinition & {
  intervalMs: number;
  status: CheckStatus;
  statusSince: Date | null;
  checkedAt: Date | null;
  nextAt: Date;
  durationMs: number | null;
  detail: string;
  certificateExpiresAt: Date | null;
  conditions: Conditions;
  /** Newest first. */
  results: KeptResult[];
  /** Alerts of it that are open. */
  alertIds: string[];
};

export type CheckFilter = {
  status?: CheckStatus[] | undefined;
  type?: CheckType[] | undefined;
  namespace?: string[] | undefined;
};

export const checkOrder = 'health-checks name';

/** By name. */
export async function listChecks(
  db: Db,
  filter: CheckFilter,
  page: { limit: number; after: CursorPosition | null },
): Promise<Page<ListedCheck>> {
  let query = db.selectFrom('health_checks').selectAll();
  if (filter.status !== undefined) query = query.where('status', 'in', filter.status);
  if (filter.type !== undefined) query = query.where(sql`definition ->> 'type'`, 'in', filter.type);
  if (filter.namespace !== undefined)
    query = query.where(sql`definition ->> 'namespace'`, 'in', filter.namespace.map(toStorable));
  if (page.after !== null) query = query.where('name', '>', toStorable(page.after.key));
  const rows = await query
    .orderBy('name')
    .limit(page.limit + 1)
    .execute();
  const alerts = await openAlerts(
    db,
    rows.map((row) => fromStorable(row.name)),
  );
  return toPage(
    rows,
    page.limit,
    checkOrder,
    (row): ListedCheck => {
      const definition = fromStorableJson(row.definition) as CheckDefinition;
      return {
        ...definition,
        intervalMs: row.interval_ms,
        status: row.status,
        statusSince: row.status_since,
        checkedAt: row.checked_at,
        nextAt: row.next_at,
        durationMs: row.duration_ms,
        detail: fromStorable(row.detail),
        certificateExpiresAt: row.certificate_expires_at,
        conditions: fromStorableJson(row.conditions) as Conditions,
        results: fromStorableJson(row.results) as KeptResult[],
        alertIds: conditionNames.flatMap((name) => alerts.get(fingerprintOf(definition.name, name)) ?? []),
      };
    },
    (row) => ({ key: fromStorable(row.name), id: '' }),
  );
}

async function openAlerts(db: Db, names: string[]): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const fingerprints = names.flatMap((name) =>
    conditionNames.map((condition) => toStorable(fingerprintOf(name, condition))),
  );
  const rows = await db
    .selectFrom('alerts_active')
    .select(['id', 'fingerprint'])
    .where('source', '=', 'health-check')
    .where('tenant', '=', '')
    .where('fingerprint', 'in', fingerprints)
    .where('status', 'in', openStatuses)
    .execute();
  return new Map(rows.map((row) => [fromStorable(row.fingerprint), row.id]));
}

/** For the metrics: whether the last look at each check found it well. */
export async function checkStates(db: Db): Promise<{ name: string; up: boolean }[]> {
  const rows = await db
    .selectFrom('health_checks')
    .select(['name', sql<boolean>`results -> 0 ->> 'ok' = 'true'`.as('up')])
    .where('checked_at', 'is not', null)
    .orderBy('name')
    .limit(1_000)
    .execute();
  return rows.map((row) => ({ name: fromStorable(row.name), up: row.up }));
}
