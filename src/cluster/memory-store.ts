import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { fromStorableJson, toStorableJson } from '../db/text.ts';
import { emptyMemory, type Finding, type Memory } from './engine.ts';
import type { SavedHistory } from './history.ts';

/** The engine's memory in the database: read once by who becomes the leader, then written as sets. */

export async function loadMemory(
  db: Db,
  cluster: string,
): Promise<{ memory: Memory; history: Partial<SavedHistory> }> {
  const watch = await db
    .selectFrom('cluster_watch')
    .selectAll()
    .where('cluster', '=', cluster)
    .executeTakeFirst();
  if (watch === undefined) return { memory: emptyMemory, history: {} };
  const rows = await db
    .selectFrom('cluster_conditions')
    .select(['key', 'finding'])
    .where('cluster', '=', cluster)
    .execute();
  const findings = new Map(
    rows.map(({ finding }) => {
      const read = readFinding(fromStorableJson(finding));
      return [read.key, read] as const;
    }),
  );
  return {
    memory: { startedAt: watch.started_at, baselined: new Set(watch.baselined), findings },
    history: watch.history,
  };
}

/**
 * Writes what differs from what was written before. One transaction, three
 * statements, whatever the number of findings.
 */
export async function saveMemory(
  db: Db,
  cluster: string,
  before: Memory,
  after: Memory,
  options: { now: Date; history: SavedHistory | null },
): Promise<void> {
  const changed = [...after.findings.values()].filter((finding) =>
    isChanged(before.findings.get(finding.key), finding),
  );
  const gone = [...before.findings.keys()].filter((key) => !after.findings.has(key));
  const isSame =
    changed.length === 0 &&
    gone.length === 0 &&
    options.history === null &&
    before.startedAt !== null &&
    before.baselined.size === after.baselined.size;
  if (isSame) return;
  const { now, history } = options;
  await db.transaction().execute(async (tx) => {
    await sql`
      INSERT INTO cluster_watch (cluster, started_at, baselined, history, updated_at)
      VALUES (${cluster}, ${after.startedAt ?? now}, ${[...after.baselined]}, ${JSON.stringify(history ?? {})}::jsonb, ${now})
      ON CONFLICT (cluster) DO UPDATE SET baselined = EXCLUDED.baselined, updated_at = EXCLUDED.updated_at,
        history = CASE WHEN ${history === null} THEN cluster_watch.history ELSE EXCLUDED.history END`.execute(
      tx,
    );
    if (gone.length > 0)
      await sql`DELETE FROM cluster_conditions WHERE cluster = ${cluster} AND key = ANY(${gone}::text[])`.execute(
        tx,
      );
    if (changed.length === 0) return;
    const rows = toStorableJson(
      changed.map((finding) => ({
        key: finding.key,
        state: finding.state,
        severity: finding.severity,
        since: finding.since,
        fired_at: finding.firedAt,
        finding,
      })),
    );
    await sql`
      INSERT INTO cluster_conditions (cluster, key, state, severity, since, fired_at, finding, updated_at)
      SELECT ${cluster}, r.key, r.state, r.severity::alert_severity, r.since, r.fired_at, r.finding, ${now}
      FROM jsonb_to_recordset(${rows}::jsonb)
        AS r(key text, state text, severity text, since timestamptz, fired_at timestamptz, finding jsonb)
      ON CONFLICT (cluster, key) DO UPDATE SET state = EXCLUDED.state, severity = EXCLUDED.severity,
        since = EXCLUDED.since, fired_at = EXCLUDED.fired_at, finding = EXCLUDED.finding, updated_at = EXCLUDED.updated_at`.execute(
      tx,
    );
  });
}

/** What only the words of a description changed in is not worth a write. */
function isChanged(before: Finding | undefined, after: Finding): boolean {
  return before === undefined || essence(before) !== essence(after);
}

function essence({ condition, ...finding }: Finding): string {
  return JSON.stringify([
    finding,
    condition.rule,
    condition.stages,
    condition.pods,
    condition.explainedBy,
    condition.version,
  ]);
}

function readFinding(stored: unknown): Finding {
  const finding = stored as Finding & { condition: Finding['condition'] };
  const date = (value: unknown): Date | null =>
    value === null || value === undefined ? null : new Date(value as string);
  return {
    ...finding,
    since: date(finding.since) ?? new Date(0),
    firstSeenAt: date(finding.firstSeenAt) ?? new Date(0),
    firedAt: date(finding.firedAt),
    absentSince: date(finding.absentSince),
    releasedAt: date(finding.releasedAt),
    toldAt: date(finding.toldAt),
    flips: finding.flips.map((at) => new Date(at)),
    condition: {
      ...finding.condition,
      // What a version before this one kept has none.
      version: finding.condition.version ?? null,
      since: date(finding.condition.since),
      onset: date(finding.condition.onset),
    },
  };
}
