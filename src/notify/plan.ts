import { sql } from 'kysely';
import type { Alert } from '../alerts/alert.ts';
import { findAlerts, findByFoldKeys, type StoredAlert } from '../alerts/alert-queries.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { isGraver, isOpen } from '../alerts/lifecycle.ts';
import type { Db, Tx } from '../db/pool.ts';
import { newId } from '../lib/ids.ts';
import {
  addNotifications,
  type Notification,
  notificationsOf,
  type PlannedNotification,
  refreshNotifications,
  wakeDispatchers,
} from './ledger.ts';
import { postLane } from './lanes.ts';
import { planSilenceLines, planTransitionLines } from './plan-lines.ts';
import { notificationPriority, routeAlert, type Routing, subjectOf, suppression } from './route.ts';

/**
 * From "these alerts changed" to rows of the ledger: which messages there should
 * be, and which have to be brought up to date. What they say is read when they are
 * sent, so planning twice, or late, only repeats.
 */
export async function planNotifications(
  db: Db,
  alertIds: string[],
  options: { notifier: string; routing: Routing },
  now: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    // In the order of their arrival, in which equally grave messages are then sent.
    const alerts = (await findAlerts(tx, alertIds)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const alone = alerts.filter((alert) => alert.foldKey === null).map(aloneSubject);
    const shared = await sharedSubjects(tx, alerts);
    await writePlan(tx, [...alone, ...shared], options, now);
  });
}

/** What one message is about, with all it needs to be planned. */
type Subject = {
  key: string;
  /** Decides channel and priority: the gravest that is open, or the last. */
  lead: Alert & { receivedAt: Date };
  open: boolean;
  /** Whose history is told: on a shared message, the alerts that changed. */
  changed: StoredAlert[];
  /** Null: the next one after the last closed message (shared subjects count no episodes of their own). */
  episode: number | null;
};

function aloneSubject(alert: StoredAlert): Subject {
  return {
    key: subjectOf(alert),
    lead: alert,
    open: isOpen(alert.status) && alert.archivedAt === null,
    changed: [alert],
    episode: alert.episode,
  };
}

async function sharedSubjects(tx: Tx, alerts: StoredAlert[]): Promise<Subject[]> {
  const keys = new Map<string, { source: Alert['source']; tenant: string; foldKey: string }>();
  for (const alert of alerts) {
    if (alert.foldKey !== null) {
      keys.set(subjectOf(alert), { source: alert.source, tenant: alert.tenant, foldKey: alert.foldKey });
    }
  }
  if (keys.size === 0) return [];
  // Two processes must not decide at once whether the shared message is over; in one order, so that they do not deadlock.
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(${[...keys.keys()].toSorted()}::text[]) AS k (key)`.execute(
    tx,
  );
  const members: KnownAlert[] = await findByFoldKeys(tx, [...keys.values()]);
  return [...keys.keys()].flatMap((key) => {
    const group = members.filter((member) => subjectOf(member) === key);
    const openOnes = group.filter((member) => isOpen(member.status));
    const lead = gravest(openOnes) ?? alerts.find((alert) => subjectOf(alert) === key);
    const changed = alerts.filter((alert) => subjectOf(alert) === key);
    return lead === undefined ? [] : [{ key, lead, open: openOnes.length > 0, changed, episode: null }];
  });
}

function gravest(alerts: KnownAlert[]): KnownAlert | undefined {
  const [first, ...rest] = alerts;
  return rest.reduce((a, b) => (a !== undefined && isGraver(b.severity, a.severity) ? b : a), first);
}

async function writePlan(
  tx: Tx,
  subjects: Subject[],
  options: { notifier: string; routing: Routing },
  now: Date,
): Promise<void> {
  const existing = Map.groupBy(
    await notificationsOf(
      tx,
      subjects.map((subject) => subject.key),
    ),
    (row) => row.subject,
  );
  const added: PlannedNotification[] = [];
  const refreshed: Refresh[] = [];
  for (const subject of subjects) {
    const plan = planSubject(subject, existing.get(subject.key) ?? [], options);
    // What is told to nobody gets no message; one that was told before still comes to its end.
    if (suppression(subject.lead) === null) added.push(...plan.added);
    refreshed.push(...plan.refreshed);
  }
  await addNotifications(tx, added, now);
  await refreshNotifications(tx, refreshed, now);
  if (added.length + refreshed.length > 0) {
    const lanes = [
      ...added.map((item) => postLane(item.channel)),
      // A message that is not posted yet still waits in the lane of a channel.
      ...[...existing.values()].flat().map((row) => row.lane),
    ];
    await wakeDispatchers(tx, lanes);
  }
  const isShared = (subject: Subject): boolean => subject.episode === null;
  const changed = subjects.map((subject) => ({
    alerts: subject.changed,
    isShared: isShared(subject),
    open: subject.open,
    cards: existing.get(subject.key) ?? [],
  }));
  await planTransitionLines(tx, changed, options.notifier, now);
  await planSilenceLines(tx, changed, options.notifier, now);
}

type Refresh = { id: string; priority: number; closed: boolean };

/** Pure: which messages a subject lacks and which have to change. */
export function planSubject(
  subject: Omit<Subject, 'changed'>,
  rows: Pick<Notification, 'id' | 'channel' | 'sent_to' | 'episode' | 'closed'>[],
  options: { notifier: string; routing: Routing },
): { added: PlannedNotification[]; refreshed: Refresh[] } {
  const { channel, reason } = routeAlert(subject.lead, options.routing);
  const priority = notificationPriority(subject.lead);
  const last = rows.at(-1);
  const episode = subject.episode ?? nextSharedEpisode(last, subject.open);
  const current = rows.filter((row) => row.episode === episode);
  // Whoever was told keeps being told, also after an escalation moved the alert to another channel.
  const refreshed = rows
    .filter((row) => row.episode === episode || !row.closed)
    .map((row) => ({ id: row.id, priority, closed: !subject.open || row.episode !== episode }));
  // There already, be it as the stand-in of another channel.
  if (current.some((row) => row.channel === channel || row.sent_to === channel))
    return { added: [], refreshed };
  // A resolved alert is not told in a channel it was never in, unless nobody was told of this episode at all.
  if (!subject.open && current.length > 0) return { added: [], refreshed };
  const added: PlannedNotification = {
    id: newId(),
    subject: subject.key,
    alertId: subject.lead.id,
    notifier: options.notifier,
    channel,
    episode,
    priority,
    closed: !subject.open,
    reason,
    receivedAt: subject.lead.receivedAt,
  };
  return { added: [added], refreshed };
}

function nextSharedEpisode(
  last: Pick<Notification, 'episode' | 'closed'> | undefined,
  open: boolean,
): number {
  if (last === undefined) return 1;
  return last.closed && open ? last.episode + 1 : last.episode;
}
