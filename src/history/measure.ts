import { sql } from 'kysely';
import type { Severity } from '../alerts/alert.ts';
import { canaryTenant } from '../alerts/canary-alert.ts';
import type { Db } from '../db/pool.ts';
import type { Moment } from '../observability/events.ts';

/**
 * What is worth measuring about alerts that changed: how long until somebody
 * acknowledged, how long until it was over, who opened an incident, what people did at
 * the incident provider (what they do at our own doors is counted there). Read from what is
 * stored, so that every door counts (people, sources, providers, rules), and noted
 * there, so that each moment is answered once however often and wherever this runs.
 */
/** What happened longer ago was measured, or its job came too late to be worth it. */
const lookBackMs = 6 * 3_600_000;
/** Longer than we look back, or a moment could be measured again. */
const keptMs = 24 * 3_600_000;

type Row = {
  kind: Moment['kind'];
  severity: Severity | null;
  seconds: number | null;
  door: 'system' | 'slack' | 'api' | 'console' | 'webhook' | null;
  action: string | null;
};

export async function takeMoments(db: Db, alertIds: string[], now: Date): Promise<Moment[]> {
  if (alertIds.length === 0) return [];
  const since = new Date(now.getTime() - lookBackMs);
  const rows = await sql<Row>`
    WITH changed AS (
      SELECT id, source, tenant, mute, severity, incident_id, starts_at, acknowledged_at, coalesce(resolve_received_at, resolved_at) AS ended_at
      FROM alerts_active WHERE id = ANY(${alertIds}::uuid[])
      UNION ALL
      SELECT id, source, tenant, mute, severity, incident_id, starts_at, acknowledged_at, coalesce(resolve_received_at, resolved_at)
      FROM alerts_archive WHERE id = ANY(${alertIds}::uuid[])
    ), real AS (
      SELECT * FROM changed WHERE mute IS NULL AND NOT (source = 'api' AND tenant = ${canaryTenant})
    ), moments AS (
      SELECT id AS subject_id, 'acknowledge' AS kind, acknowledged_at AS at, severity, starts_at, NULL::action_source AS door, NULL::text AS action
      FROM real WHERE acknowledged_at >= ${since}
      UNION ALL
      SELECT id, 'resolve', ended_at, severity, starts_at, NULL, NULL FROM real WHERE ended_at >= ${since}
      UNION ALL
      SELECT i.id, 'incident', i.created_at, NULL, NULL, opening.source, NULL
      FROM incidents i CROSS JOIN LATERAL (
        SELECT source FROM alert_actions WHERE incident_id = i.id AND action = 'create_incident' ORDER BY created_at LIMIT 1
      ) AS opening
      WHERE i.id IN (SELECT incident_id FROM real) AND i.created_at >= ${since}
      UNION ALL
      SELECT a.id, 'action', a.created_at, NULL, NULL, a.source, a.action::text FROM (
        SELECT id, created_at, source, action, user_id FROM alert_actions WHERE alert_id IN (SELECT id FROM real) AND created_at >= ${since}
        UNION SELECT id, created_at, source, action, user_id FROM alert_actions WHERE incident_id IN (SELECT incident_id FROM real) AND created_at >= ${since}
      ) AS a
      WHERE a.source = 'webhook' AND a.user_id NOT LIKE 'source:%'
    ), noted AS (
      INSERT INTO measured_moments (subject_id, kind, at) SELECT subject_id, kind, at FROM moments
      ON CONFLICT DO NOTHING RETURNING subject_id, kind, at
    )
    SELECT m.kind, m.severity, extract(epoch FROM m.at - m.starts_at)::float8 AS seconds, m.door, m.action
    FROM noted JOIN moments m USING (subject_id, kind, at)`.execute(db);
  return rows.rows.flatMap(({ kind, severity, seconds, door, action }): Moment[] => {
    if (kind === 'action') return action === null ? [] : [{ kind, action, door: 'webhook' }];
    if (kind === 'incident') return [{ kind, cause: door === 'system' || door === null ? 'auto' : door }];
    return severity === null ? [] : [{ kind, severity, seconds: Math.max(0, seconds ?? 0) }];
  });
}

export async function forgetMoments(db: Db, now: Date): Promise<void> {
  await db
    .deleteFrom('measured_moments')
    .where('at', '<', new Date(now.getTime() - keptMs))
    .execute();
}
