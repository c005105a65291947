import { type Selectable, sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import type { Database } from '../db/schema.ts';

/**
 * The ledger: one row per message that people see, unique over (subject, channel,
 * episode), with what was last asked for and what the vendor last accepted. The
 * row is the queue as well: `due` rows are claimed in the order of gravity, as far
 * as the budget of their lane reaches.
 */
export type Notification = Selectable<Database['notifications']>;

/** Whoever dispatches listens here. */
export const wakeChannel = 'gomon_notifications';

export type Pace = {
  /** Posts a channel takes at once, and then per second. */
  burstPerChannel: number;
  postsPerSecondPerChannel: number;
  /** Edits the workspace takes at once, and then per minute. */
  editBurst: number;
  editsPerMinute: number;
};

export const editLane = 'edit';

export function postLane(channel: string): string {
  return `post:${channel}`;
}

export async function notificationsOf(db: Db | Tx, subjects: string[]): Promise<Notification[]> {
  if (subjects.length === 0) return [];
  return db
    .selectFrom('notifications')
    .selectAll()
    .where('subject', '=', sql<string>`ANY(${subjects}::text[])`)
    .orderBy('episode')
    .orderBy('id')
    .execute();
}

export type PlannedNotification = {
  id: string;
  subject: string;
  alertId: string;
  notifier: string;
  channel: string;
  episode: number;
  priority: number;
  closed: boolean;
  reason: string;
  receivedAt: Date;
};

/** Adds messages that are not in the ledger yet; one that another process added meanwhile is asked for once more. */
export async function addNotifications(tx: Tx, planned: PlannedNotification[], now: Date): Promise<void> {
  if (planned.length === 0) return;
  const lanes = [...new Set(planned.map((item) => postLane(item.channel)))].toSorted();
  await tx
    .insertInto('notifications')
    .values(
      planned.map((item) => ({
        id: item.id,
        subject: item.subject,
        alert_id: item.alertId,
        notifier: item.notifier,
        channel: item.channel,
        purpose: 'card',
        episode: item.episode,
        state: 'due' as const,
        lane: postLane(item.channel),
        priority: item.priority,
        due_at: now,
        claimed_at: null,
        attempted_at: null,
        channel_id: null,
        message_id: null,
        card_hash: null,
        closed: item.closed,
        reason: item.reason,
        last_error: null,
        received_at: item.receivedAt,
        created_at: now,
        posted_at: null,
        updated_at: now,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['subject', 'notifier', 'channel', 'purpose', 'episode']).doUpdateSet({
        wanted: sql`notifications.wanted + 1`,
        state: sql`CASE WHEN notifications.state IN ('sent', 'failed') THEN 'due' ELSE notifications.state END`,
      }),
    )
    .execute();
  await tx
    .insertInto('send_budgets')
    .values([...lanes, editLane].map((lane) => ({ lane, tokens: 1e9, refilled_at: now, paused_until: null })))
    .onConflict((conflict) => conflict.column('lane').doNothing())
    .execute();
}

/** Asks for messages to be brought up to date. One that is being sent right now is sent again afterwards. */
export async function refreshNotifications(
  tx: Tx,
  wanted: { id: string; priority: number; closed: boolean }[],
  now: Date,
): Promise<void> {
  if (wanted.length === 0) return;
  await sql`
    UPDATE notifications n
    SET wanted = n.wanted + 1, closed = w.closed, priority = w.priority, updated_at = ${now},
        due_at = CASE WHEN n.state IN ('sent', 'failed') THEN ${now} ELSE n.due_at END,
        state = CASE WHEN n.state IN ('sent', 'failed') THEN 'due' ELSE n.state END
    FROM unnest(
      ${wanted.map((item) => item.id)}::uuid[], ${wanted.map((item) => item.priority)}::smallint[],
      ${wanted.map((item) => item.closed)}::boolean[]
    ) AS w (id, priority, closed)
    WHERE n.id = w.id`.execute(tx);
}

export async function wakeDispatchers(tx: Tx): Promise<void> {
  await sql`SELECT pg_notify(${wakeChannel}, '')`.execute(tx);
}

/**
 * Claims what may be sent now: per lane as many as its budget holds, the gravest
 * first. Lanes that another process is claiming from are left to it.
 */
export async function claimDue(db: Db, pace: Pace, limit: number, now: Date): Promise<Notification[]> {
  return db.transaction().execute(async (tx) => {
    const burst = sql`(CASE WHEN b.lane = ${editLane} THEN ${pace.editBurst}::float8 ELSE ${pace.burstPerChannel}::float8 END)`;
    const perSecond = sql`(CASE WHEN b.lane = ${editLane} THEN ${pace.editsPerMinute / 60}::float8 ELSE ${pace.postsPerSecondPerChannel}::float8 END)`;
    const claimed = await sql<Notification & { tokens: number }>`
      WITH waiting AS (SELECT DISTINCT lane FROM notifications WHERE state = 'due' AND due_at <= ${now}),
      lanes AS (
        SELECT b.lane,
          least(${burst}, b.tokens + greatest(0, extract(epoch FROM ${now}::timestamptz - b.refilled_at)) * ${perSecond}) AS tokens
        FROM send_budgets b JOIN waiting w ON w.lane = b.lane
        WHERE b.paused_until IS NULL OR b.paused_until <= ${now}
        FOR UPDATE OF b SKIP LOCKED
      )
      SELECT due.*, lanes.tokens FROM lanes CROSS JOIN LATERAL (
        SELECT * FROM notifications n
        WHERE n.lane = lanes.lane AND n.state = 'due' AND n.due_at <= ${now}
        ORDER BY n.priority, n.due_at, n.id
        LIMIT least(floor(lanes.tokens), ${limit})::bigint
        FOR UPDATE SKIP LOCKED
      ) AS due
      ORDER BY due.priority, due.due_at, due.id LIMIT ${limit}`.execute(tx);
    const rows = claimed.rows;
    if (rows.length === 0) return [];
    await tx
      .updateTable('notifications')
      .set({ state: 'sending', claimed_at: now, attempted_at: now, updated_at: now })
      .where('id', '=', sql<string>`ANY(${rows.map((row) => row.id)}::uuid[])`)
      .execute();
    const spent = new Map<string, { tokens: number; used: number }>();
    for (const row of rows) {
      const lane = spent.get(row.lane) ?? { tokens: row.tokens, used: 0 };
      spent.set(row.lane, { ...lane, used: lane.used + 1 });
    }
    const lanes = [...spent.entries()];
    await sql`
      UPDATE send_budgets b SET tokens = s.tokens, refilled_at = ${now}
      FROM unnest(${lanes.map(([lane]) => lane)}::text[], ${lanes.map(([, lane]) => lane.tokens - lane.used)}::float8[]) AS s (lane, tokens)
      WHERE b.lane = s.lane`.execute(tx);
    return rows.map(({ tokens: _tokens, ...row }) => ({ ...row, claimed_at: now }));
  });
}

/** Claims messages whose outcome is not known, to look for them at the vendor. */
export async function claimUnknown(db: Db, limit: number, now: Date): Promise<Notification[]> {
  const rows = await sql<Notification>`
    UPDATE notifications SET claimed_at = ${now}, due_at = ${new Date(now.getTime() + 60_000)}
    WHERE id IN (
      SELECT id FROM notifications WHERE state = 'unknown' AND due_at <= ${now} ORDER BY priority, due_at
      LIMIT ${limit} FOR UPDATE SKIP LOCKED
    ) RETURNING *`.execute(db);
  return rows.rows;
}

/** Messages left in the middle of a send by a process that died: an edit can simply be repeated, a post has to be looked for. */
export async function recoverStaleClaims(db: Db, claimedBefore: Date, now: Date): Promise<void> {
  await sql`
    UPDATE notifications
    SET state = CASE WHEN message_id IS NULL THEN 'unknown' ELSE 'due' END,
        attempts = CASE WHEN message_id IS NULL THEN 1 ELSE attempts END, due_at = ${now}, updated_at = ${now}
    WHERE state = 'sending' AND claimed_at < ${claimedBefore}`.execute(db);
}

/** When something that waits can go next, or null when nothing waits. */
export async function nextDueAt(db: Db, pace: Pace): Promise<Date | null> {
  const row = await sql<{ at: Date | null }>`
    SELECT min(greatest(due.due_at, b.paused_until, b.refilled_at + make_interval(secs => greatest(0, 1 - b.tokens)
      / CASE WHEN b.lane = ${editLane} THEN ${pace.editsPerMinute / 60}::float8 ELSE ${pace.postsPerSecondPerChannel}::float8 END))) AS at
    FROM (
      SELECT lane, min(due_at) AS due_at FROM notifications WHERE state = 'due' GROUP BY lane
      UNION ALL SELECT ${editLane}, min(due_at) FROM notifications WHERE state = 'unknown' HAVING min(due_at) IS NOT NULL
    ) AS due JOIN send_budgets b ON b.lane = due.lane`.execute(db);
  return row.rows[0]?.at ?? null;
}

/** How a send ended, written only over our own claim. */
export async function recordSend(
  db: Db,
  claimed: Notification,
  outcome: {
    state: 'sent' | 'due' | 'unknown' | 'failed';
    lane: string;
    dueAt: Date;
    attempts: number;
    reposts: number;
    channelId: string | null;
    messageId: string | null;
    cardHash: string | null;
    lastError: string | null;
    postedAt: Date | null;
  },
  now: Date,
): Promise<void> {
  await sql`
    UPDATE notifications
    SET state = CASE WHEN ${outcome.state} IN ('sent', 'failed') AND wanted > ${claimed.wanted} THEN 'due' ELSE ${outcome.state} END,
        lane = ${outcome.lane}, due_at = ${outcome.dueAt}, attempts = ${outcome.attempts}, reposts = ${outcome.reposts},
        channel_id = ${outcome.channelId}, message_id = ${outcome.messageId}, card_hash = ${outcome.cardHash},
        last_error = ${outcome.lastError}, posted_at = ${outcome.postedAt}, claimed_at = NULL, updated_at = ${now}
    WHERE id = ${claimed.id} AND claimed_at = ${claimed.claimed_at} AND state IN ('sending', 'unknown')`.execute(
    db,
  );
}

/** The vendor asked for a pause: nothing of this lane goes out before. */
export async function pauseLane(db: Db, lane: string, until: Date): Promise<void> {
  await sql`
    UPDATE send_budgets SET paused_until = greatest(paused_until, ${until}) WHERE lane = ${lane}`.execute(db);
}

/** Messages not in their wanted state yet, and the oldest of them. In two parts, as the partial indexes are. */
export async function pendingNotifications(db: Db): Promise<{ count: number; oldest: Date | null }> {
  const row = await sql<{ count: number; oldest: Date | null }>`
    SELECT count(*)::int AS count, min(updated_at) AS oldest FROM (
      SELECT updated_at FROM notifications WHERE state = 'due'
      UNION ALL SELECT updated_at FROM notifications WHERE state IN ('sending', 'unknown')
    ) AS pending`.execute(db);
  return row.rows[0] ?? { count: 0, oldest: null };
}
