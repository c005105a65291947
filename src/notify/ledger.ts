import { type Selectable, sql } from 'kysely';
import type { Db, Tx } from '../db/pool.ts';
import type { Database, MessageText } from '../db/schema.ts';
import { toStorableJson } from '../db/text.ts';
import { budgetOfLane, editLane, postLane } from './lanes.ts';

/**
 * The ledger: one row per message that people see, unique over (subject, channel,
 * episode), with what was last asked for and what the vendor last accepted. The
 * row is the queue as well: `due` rows are claimed in the order of gravity, as far
 * as the budget of their lane reaches.
 */
export type Notification = Selectable<Database['notifications']>;

/** Whoever dispatches listens here. */
export const wakeChannel = 'gomon_notifications';

/** Of the message that shows an alert and is edited as it changes. */
export const cardPurpose = 'card';

export type Pace = {
  /** Posts a channel takes at once, and then per second. */
  burstPerChannel: number;
  postsPerSecondPerChannel: number;
  /** Edits the workspace takes at once, and then per minute. */
  editBurst: number;
  editsPerMinute: number;
};

/** The cards of these subjects, the oldest episode first; notices and lines in threads are not among them. */
export async function notificationsOf(db: Db | Tx, subjects: string[]): Promise<Notification[]> {
  if (subjects.length === 0) return [];
  return db
    .selectFrom('notifications')
    .selectAll()
    .where('subject', '=', sql<string>`ANY(${subjects}::text[])`)
    .where('purpose', '=', cardPurpose)
    .orderBy('episode')
    .orderBy('id')
    .execute();
}

export type PlannedNotification = {
  id: string;
  subject: string;
  /** Null: about no alert. */
  alertId: string | null;
  notifier: string;
  channel: string;
  episode: number;
  priority: number;
  closed: boolean;
  reason: string;
  receivedAt: Date;
};

/** A message that says what is written in its row: a notice, or a line in a thread. */
export type PlannedText = PlannedNotification & {
  purpose: string;
  lane: string;
  content: MessageText;
  parentId: string | null;
  expiresAt: Date | null;
};

/** Adds messages that are not in the ledger yet; one that another process added meanwhile is asked for once more. */
export async function addNotifications(tx: Tx, planned: PlannedNotification[], now: Date): Promise<void> {
  if (planned.length === 0) return;
  await tx
    .insertInto('notifications')
    .values(
      planned.map((item) => ({ ...newRow(item, now), purpose: cardPurpose, lane: postLane(item.channel) })),
    )
    .onConflict((conflict) =>
      conflict.columns(['subject', 'notifier', 'channel', 'purpose', 'episode']).doUpdateSet({
        wanted: sql`notifications.wanted + 1`,
        state: sql`CASE WHEN notifications.state IN ('sent', 'failed') THEN 'due' ELSE notifications.state END`,
      }),
    )
    .execute();
  await ensureBudgets(
    tx,
    planned.map((item) => postLane(item.channel)),
    now,
  );
}

/** Adds notices and lines that are not in the ledger yet; those that are stay as they are. Answers how many were added. */
export async function addTexts(tx: Tx, planned: PlannedText[], now: Date): Promise<number> {
  if (planned.length === 0) return 0;
  const added = await tx
    .insertInto('notifications')
    .values(
      planned.map((item) => ({
        ...newRow(item, now),
        purpose: item.purpose,
        lane: item.lane,
        content: toStorableJson(item.content),
        parent_id: item.parentId,
        expires_at: item.expiresAt,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['subject', 'notifier', 'channel', 'purpose', 'episode']).doNothing(),
    )
    .returning('id')
    .execute();
  await ensureBudgets(
    tx,
    planned.map((item) => item.lane),
    now,
  );
  return added.length;
}

function newRow(item: PlannedNotification, now: Date) {
  return {
    id: item.id,
    subject: item.subject,
    alert_id: item.alertId,
    notifier: item.notifier,
    channel: item.channel,
    episode: item.episode,
    state: 'due' as const,
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
  };
}

/** A lane whose budget has no row is never claimed from. */
export async function ensureBudgets(tx: Db | Tx, lanes: string[], now: Date): Promise<void> {
  const budgets = [...new Set([...lanes.map(budgetOfLane), editLane])].toSorted();
  await tx
    .insertInto('send_budgets')
    .values(budgets.map((lane) => ({ lane, tokens: 1e9, refilled_at: now, paused_until: null })))
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

/**
 * Tells whoever dispatches to look now. With `lanes`, only those are meant: one whose
 * budget is used up is left to sleep, so that a long backlog costs nothing.
 */
export async function wakeDispatchers(tx: Db | Tx, lanes: string[] = []): Promise<void> {
  const budgets = JSON.stringify([...new Set(lanes.map(budgetOfLane))]);
  // A notification holds 8,000 bytes.
  const payload = lanes.length === 0 || Buffer.byteLength(budgets) > 7_000 ? '' : budgets;
  await sql`SELECT pg_notify(${wakeChannel}, ${payload})`.execute(tx);
}

/** Messages left in the middle of a send by a process that died: an edit can simply be repeated, a post has to be looked for. */
export async function recoverStaleClaims(db: Db, claimedBefore: Date, now: Date): Promise<void> {
  await sql`
    UPDATE notifications
    SET state = CASE WHEN message_id IS NULL THEN 'unknown' ELSE 'due' END,
        attempts = CASE WHEN message_id IS NULL THEN 1 ELSE attempts END, claimed_by = NULL, due_at = ${now}, updated_at = ${now}
    WHERE state = 'sending' AND claimed_at < ${claimedBefore}`.execute(db);
}

/** Lines that are too old to be news are not sent any more: the card says what they would have said. */
export async function supersedeExpired(db: Db, now: Date): Promise<void> {
  await sql`
    UPDATE notifications SET state = 'superseded', last_error = 'too late to be news', updated_at = ${now}
    WHERE state = 'due' AND expires_at <= ${now}`.execute(db);
}

/** The cards in whose threads these lines belong, by the id of the line. */
export async function parentsOf(db: Db, lines: Notification[]): Promise<Map<string, Notification>> {
  if (lines.length === 0) return new Map();
  const ids = lines.flatMap((line) => line.parent_id ?? []);
  const rows = await db
    .selectFrom('notifications')
    .selectAll()
    .where('id', '=', sql<string>`ANY(${ids}::uuid[])`)
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return new Map(
    lines.flatMap((line) => {
      const parent = byId.get(line.parent_id ?? '');
      return parent === undefined ? [] : [[line.id, parent] as const];
    }),
  );
}

/** Puts a claimed row into another lane before it is sent there, so that it is looked for there if need be. */
export async function moveClaimed(db: Db, claimed: Notification, lane: string): Promise<void> {
  await sql`
    UPDATE notifications SET lane = ${lane} WHERE id = ${claimed.id} AND claimed_at = ${claimed.claimed_at}`.execute(
    db,
  );
}

/**
 * A message that somebody has before them is there, whatever its row says: a post
 * whose outcome was unknown is adopted, and brought up to date. True when it was.
 */
export async function adoptMessage(
  db: Db,
  message: { notificationId: string; channelId: string; messageId: string },
  now: Date,
): Promise<boolean> {
  const rows = await sql<{ id: string }>`
    UPDATE notifications
    SET channel_id = ${message.channelId}, message_id = ${message.messageId}, posted_at = coalesce(posted_at, ${now}),
        sent_to = CASE WHEN lane LIKE 'post:%' THEN substr(lane, 6) ELSE sent_to END,
        state = 'due', lane = ${editLane}, due_at = ${now}, attempts = 0, claimed_at = NULL, updated_at = ${now}
    WHERE id = ${message.notificationId}::uuid AND message_id IS NULL AND state IN ('unknown', 'due', 'failed')
      AND purpose = ${cardPurpose}
    RETURNING id`.execute(db);
  if (rows.rows.length > 0) await wakeDispatchers(db, [editLane]);
  return rows.rows.length > 0;
}

/** What a send made of its row. */
export type SendOutcome = {
  state: 'sent' | 'due' | 'unknown' | 'failed' | 'superseded';
  lane: string;
  dueAt: Date;
  attempts: number;
  reposts: number;
  channelId: string | null;
  messageId: string | null;
  /** Where it was posted, as configured; null while it is not posted. */
  sentTo: string | null;
  cardHash: string | null;
  lastError: string | null;
  postedAt: Date | null;
};

/** How a send ended, written only over our own claim. The lines that wait for a message go once it shows its present state. */
export async function recordSend(
  db: Db,
  claimed: Notification,
  outcome: SendOutcome,
  now: Date,
): Promise<void> {
  await sql`
    UPDATE notifications
    SET state = CASE WHEN ${outcome.state} IN ('sent', 'failed') AND wanted > ${claimed.wanted} THEN 'due' ELSE ${outcome.state} END,
        lane = ${outcome.lane}, due_at = ${outcome.dueAt}, attempts = ${outcome.attempts}, reposts = ${outcome.reposts},
        channel_id = ${outcome.channelId}, message_id = ${outcome.messageId}, card_hash = ${outcome.cardHash},
        sent_to = ${outcome.sentTo}, last_error = ${outcome.lastError}, posted_at = ${outcome.postedAt},
        claimed_at = NULL, claimed_by = NULL, updated_at = ${now}
    WHERE id = ${claimed.id} AND claimed_at = ${claimed.claimed_at} AND state IN ('sending', 'unknown')`.execute(
    db,
  );
  const isSettled = outcome.state === 'sent' || outcome.state === 'failed';
  if (!isSettled || claimed.parent_id !== null) return;
  await sql`
    UPDATE notifications SET due_at = ${now} WHERE parent_id = ${claimed.id} AND state = 'due' AND due_at > ${now}`.execute(
    db,
  );
}

/**
 * Lets a claimed line wait for its card, which wakes it when it is settled. In case
 * that happened meanwhile the card's row is looked at in the same statement, under a
 * lock: no wake is lost.
 */
export async function awaitCard(db: Db, line: Notification, until: Date, now: Date): Promise<void> {
  await sql`
    WITH card AS (SELECT state FROM notifications WHERE id = ${line.parent_id} FOR SHARE)
    UPDATE notifications
    SET state = 'due', claimed_at = NULL, claimed_by = NULL, updated_at = ${now},
        due_at = CASE WHEN (SELECT state FROM card) IN ('due', 'sending', 'unknown') THEN ${until}::timestamptz ELSE due_at END
    WHERE id = ${line.id} AND claimed_at = ${line.claimed_at} AND state = 'sending'`.execute(db);
}

/** The vendor asked for a pause: nothing of this lane's budget goes out before. */
export async function pauseLane(db: Db | Tx, lane: string, until: Date): Promise<void> {
  await sql`
    UPDATE send_budgets SET paused_until = greatest(paused_until, ${until}) WHERE lane = ${budgetOfLane(lane)}`.execute(
    db,
  );
}

/**
 * Makes everything due now that waits for its next try at a notifier: for when its
 * vendor is back, so that nobody waits out a delay that grew while it was away. What
 * a vendor asked to wait for (a paused lane) is still waited for. Answers how many.
 */
export async function resumeAll(db: Db, notifier: string, now: Date): Promise<number> {
  const rows = await sql`
    UPDATE notifications SET due_at = ${now}
    WHERE notifier = ${notifier} AND state IN ('due', 'unknown') AND due_at > ${now} RETURNING id`.execute(
    db,
  );
  if (rows.rows.length > 0) await wakeDispatchers(db);
  return rows.rows.length;
}

/** Makes one message due now, the gravest that waits for its next try: to see whether its vendor is back. */
export async function resumeOne(db: Db, notifier: string, now: Date): Promise<void> {
  await sql`
    UPDATE notifications SET due_at = ${now}
    WHERE id = (
      SELECT id FROM notifications
      WHERE notifier = ${notifier} AND state IN ('due', 'unknown') AND due_at > ${now}
      ORDER BY priority, due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )`.execute(db);
}

/** Messages not in their wanted state yet, and since when the one waits that could go longest. In two parts, as the partial indexes are. */
export async function pendingNotifications(db: Db): Promise<{ count: number; oldest: Date | null }> {
  const row = await sql<{ count: number; oldest: Date | null }>`
    SELECT sum(count)::int AS count, min(oldest) AS oldest FROM (
      SELECT count(*) AS count, min(due_at) AS oldest FROM notifications WHERE state = 'due'
      UNION ALL SELECT count(*), min(claimed_at) FROM notifications WHERE state IN ('sending', 'unknown')
    ) AS pending`.execute(db);
  return row.rows[0] ?? { count: 0, oldest: null };
}
