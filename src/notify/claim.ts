import { sql } from 'kysely';
import type { Db } from '../db/pool.ts';
import { editLane } from './lanes.ts';
import type { Notification, Pace } from './ledger.ts';

/**
 * Taking messages out of the ledger to send them. What is asked here is asked
 * all the time, also while ten thousand messages wait for their channel's next
 * token: every question is a probe of an index for one (lane, priority), and none
 * reads the backlog.
 */

/** P0 and P1: nothing else may stand in their way. */
export const urgentPriority = 1;
const lowestPriority = 4;

export type ClaimOptions = {
  notifier: string;
  pace: Pace;
  /** How many may be taken, and how many of those that are not urgent. */
  limit: number;
  othersLimit: number;
  /** The name of the process that takes them; see `gone-claims.ts`. */
  claimedBy?: string | undefined;
};

const isEdit = sql`(b.lane = ${editLane})`;
const now$ = (now: Date) => sql`${now}::timestamptz`;

function budgetSql(pace: Pace) {
  return {
    burst: sql`(CASE WHEN ${isEdit} THEN ${pace.editBurst}::float8 ELSE ${pace.burstPerChannel}::float8 END)`,
    perSecond: sql`(CASE WHEN ${isEdit} THEN ${pace.editsPerMinute / 60}::float8 ELSE ${pace.postsPerSecondPerChannel}::float8 END)`,
  };
}

/** The lanes that draw on a budget; lines in threads come after all else and leave half of a burst to it. */
const lanesOfBudget = sql`
  (SELECT ${editLane} AS lane, false AS late WHERE b.lane = ${editLane}
   UNION ALL SELECT b.lane, false WHERE b.lane <> ${editLane}
   UNION ALL SELECT 'notice:' || substr(b.lane, 6), false WHERE b.lane <> ${editLane}
   UNION ALL SELECT 'line:' || substr(b.lane, 6), true WHERE b.lane <> ${editLane})`;

/**
 * Claims what may be sent now: as far as the budgets reach, the gravest first, all
 * lanes taken together. Budgets that another process is claiming from are left to it.
 */
export async function claimDue(db: Db, options: ClaimOptions, now: Date): Promise<Notification[]> {
  const { notifier, pace, limit, othersLimit, claimedBy = null } = options;
  const { burst, perSecond } = budgetSql(pace);
  const tokens = sql`least(${burst}, b.tokens + greatest(0, extract(epoch FROM ${now$(now)} - b.refilled_at)) * ${perSecond})`;
  if (limit <= 0) return [];
  const claimed = await sql<Notification>`
    WITH open AS (
      SELECT b.lane AS budget, ${tokens} AS tokens, floor(${burst} / 2) AS kept
      FROM send_budgets b
      WHERE (b.paused_until IS NULL OR b.paused_until <= ${now}) AND ${tokens} >= 1
        AND EXISTS (
          SELECT FROM ${lanesOfBudget} AS l, generate_series(0, ${lowestPriority}::int) AS p (priority)
          -- Not EXISTS: that may be planned as a join with all that waits.
          WHERE (
            SELECT n.id FROM notifications n
            WHERE n.state = 'due' AND n.lane = l.lane AND n.priority = p.priority AND n.due_at <= ${now} AND n.notifier = ${notifier}
            ORDER BY n.due_at LIMIT 1
          ) IS NOT NULL
        )
      FOR UPDATE OF b SKIP LOCKED
    ),
    waiting AS (
      SELECT b.lane AS budget, b.tokens, b.kept, l.late, n.id, n.priority, n.due_at
      FROM (SELECT budget AS lane, tokens, kept FROM open) AS b
      CROSS JOIN LATERAL ${lanesOfBudget} AS l
      CROSS JOIN generate_series(0, ${lowestPriority}::int) AS p (priority)
      CROSS JOIN LATERAL (
        SELECT id, priority, due_at FROM notifications n
        WHERE n.state = 'due' AND n.lane = l.lane AND n.priority = p.priority AND n.due_at <= ${now} AND n.notifier = ${notifier}
        ORDER BY n.due_at, n.id LIMIT ${limit}
      ) AS n
    ),
    affordable AS (
      SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY budget ORDER BY late, priority, due_at, id) AS place FROM waiting
      ) AS ranked
      WHERE place <= floor(tokens - CASE WHEN late THEN kept ELSE 0 END)
    ),
    chosen AS (
      SELECT * FROM (
        SELECT *, priority <= ${urgentPriority} AND NOT late AS urgent,
          row_number() OVER (ORDER BY late, priority, due_at, id) AS turn,
          row_number() OVER (PARTITION BY priority <= ${urgentPriority} AND NOT late ORDER BY late, priority, due_at, id) AS turn_of_class
        FROM affordable
      ) AS ordered
      WHERE turn <= ${limit}::int AND (urgent OR turn_of_class <= ${othersLimit}::int)
    ),
    locked AS (
      SELECT n.id FROM notifications n JOIN chosen c ON c.id = n.id WHERE n.state = 'due' FOR UPDATE OF n SKIP LOCKED
    ),
    claimed AS (
      UPDATE notifications n SET state = 'sending', claimed_at = ${now}, claimed_by = ${claimedBy}, attempted_at = ${now}, updated_at = ${now}
      FROM locked WHERE n.id = locked.id RETURNING n.*
    ),
    spent AS (
      UPDATE send_budgets b SET tokens = o.tokens - s.used, refilled_at = ${now}
      FROM open o JOIN (
        SELECT c.budget, count(*) AS used FROM claimed JOIN chosen c ON c.id = claimed.id GROUP BY c.budget
      ) AS s ON s.budget = o.budget
      WHERE b.lane = o.budget
    )
    SELECT claimed.* FROM claimed JOIN chosen c ON c.id = claimed.id
    ORDER BY c.late, claimed.priority, claimed.due_at, claimed.id`.execute(db);
  return claimed.rows;
}

/** Claims messages whose outcome is not known, to look for them at the vendor. */
export async function claimUnknown(
  db: Db,
  notifier: string,
  limit: number,
  now: Date,
  claimedBy: string | null = null,
): Promise<Notification[]> {
  const rows = await sql<Notification>`
    UPDATE notifications SET claimed_at = ${now}, claimed_by = ${claimedBy}, due_at = ${new Date(now.getTime() + 60_000)}
    WHERE id IN (
      SELECT id FROM notifications WHERE state = 'unknown' AND due_at <= ${now} AND notifier = ${notifier}
      ORDER BY priority, due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    ) RETURNING *`.execute(db);
  return rows.rows;
}

export type NextDue = {
  /** When something that waits can go next, or null when nothing waits. */
  at: Date | null;
  /** Budgets that are used up or paused, and until when: nothing of theirs can go before. */
  emptyUntil: Map<string, Date>;
};

/** When to look again. With `urgentOnly`, as far as P0 and P1 are concerned. */
export async function nextDue(
  db: Db,
  options: Pick<ClaimOptions, 'notifier' | 'pace'> & { urgentOnly: boolean },
  now: Date,
): Promise<NextDue> {
  const { notifier, pace, urgentOnly } = options;
  const { burst, perSecond } = budgetSql(pace);
  const kept = sql`CASE WHEN l.late THEN floor(${burst} / 2) ELSE 0 END`;
  const refilled = (needed: ReturnType<typeof sql>) =>
    sql`b.refilled_at + make_interval(secs => greatest(0, ${needed} - least(${burst}, b.tokens)) / ${perSecond})`;
  const rows = await sql<{ budget: string; at: Date | null; empty_until: Date }>`
    SELECT b.lane AS budget, greatest(b.paused_until, ${refilled(sql`1`)}) AS empty_until,
      (SELECT min(greatest(first.due_at, b.paused_until, ${refilled(sql`(1 + ${kept})`)}))
       FROM ${lanesOfBudget} AS l
       CROSS JOIN generate_series(0, ${urgentOnly ? urgentPriority : lowestPriority}::int) AS p (priority)
       CROSS JOIN LATERAL (
         SELECT n.due_at FROM notifications n
         WHERE n.state = 'due' AND n.lane = l.lane AND n.priority = p.priority AND n.notifier = ${notifier}
         ORDER BY n.due_at LIMIT 1
       ) AS first
       WHERE NOT (l.late AND ${urgentOnly})) AS at
    FROM send_budgets b
    UNION ALL
    SELECT '', NULL, min(due_at) FROM notifications WHERE state = 'unknown' AND notifier = ${notifier}`.execute(
    db,
  );
  const times = rows.rows.flatMap((row) => (row.at === null ? [] : [row.at.getTime()]));
  return {
    at: times.length === 0 ? null : new Date(Math.min(...times)),
    emptyUntil: new Map(
      rows.rows.flatMap((row) =>
        row.empty_until !== null && row.empty_until > now ? [[row.budget, row.empty_until] as const] : [],
      ),
    ),
  };
}
