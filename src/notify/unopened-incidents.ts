import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { fromStorable } from '../db/text.ts';
import { planLine } from './plan-lines.ts';

/**
 * While the incident provider is down nobody is paged by it: the thread of a P0's or
 * P1's message says so, once, so that somebody picks up a phone.
 */
export type UnopenedOptions = {
  notifier: string;
  /** What people call the provider. */
  providerName: string;
  /** Opening may take so long. */
  afterMs: number;
};

const atOnce = 50;

/**
 * @param isDown calls to the provider are held back, so that no error of their own tells why.
 * @returns how many lines were planned.
 */
export async function planUnopenedIncidentLines(
  db: Db,
  options: UnopenedOptions,
  isDown: boolean,
  now: Date,
): Promise<number> {
  const openedBefore = new Date(now.getTime() - options.afterMs);
  const found = await sql<{
    incident_id: string;
    alert_id: string;
    severity: string;
    last_error: string | null;
  }>`
    SELECT i.id AS incident_id, i.primary_alert_id AS alert_id, i.severity, c.last_error
    FROM incident_commands c JOIN incidents i ON i.id = c.incident_id
    WHERE c.kind = 'open' AND c.state IN ('pending', 'accepted', 'unknown') AND c.created_at <= ${openedBefore}
      AND (${isDown} OR c.last_error IS NOT NULL)
      AND i.severity IN ('P0', 'P1') AND i.status IN ('open', 'assigned') AND i.primary_alert_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM notifications n WHERE n.alert_id = i.primary_alert_id AND n.purpose = 'line:unopened:' || i.id)
    ORDER BY i.severity, c.created_at LIMIT ${atOnce}`.execute(db);
  let planned = 0;
  for (const row of found.rows) {
    const why = row.last_error === null ? '' : ` (${fromStorable(row.last_error).slice(0, 300)})`;
    const text = `The incident is not open at ${options.providerName} yet${why}. It is tried again and again, but until then nobody is paged there: call whoever is on call.`;
    planned += await db.transaction().execute((tx) =>
      planLine(
        tx,
        {
          alertId: row.alert_id,
          notifier: options.notifier,
          key: `unopened:${row.incident_id}`,
          text,
          broadcast: row.severity === 'P0',
        },
        now,
      ),
    );
  }
  return planned;
}
