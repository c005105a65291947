import { findAlerts, type RecordedAction, transitionsOf } from '../alerts/alert-queries.ts';
import type { Alert } from '../alerts/alert.ts';
import { isCanary } from '../alerts/canary-alert.ts';
import type { Tx } from '../db/pool.ts';
import { newId } from '../lib/ids.ts';
import { lineLane } from './lanes.ts';
import { addTexts, type Notification, notificationsOf, type PlannedText, wakeDispatchers } from './ledger.ts';
import { isBroadcast, isTold, lineIsNewsForMs, lineText, namedIn, toldActions } from './line.ts';
import { findPeople } from './people.ts';
import { notificationPriority, subjectOf } from './route.ts';

/**
 * Lines in the threads of cards: the history of what people (and sources) did, one
 * line for each real transition. What happened before the card was there needs
 * none: the card said it from the start.
 */

/** Something to say in the thread of an alert's cards. */
export type PlannedLine = {
  alertId: string;
  notifier: string;
  /** One line per key and card, however often it is planned: an action's id, `opsgenie:<command>`. */
  key: string;
  text: string;
  /** Shows it in the channel as well. */
  broadcast?: boolean;
  /** Not worth saying later; null, the default: whenever it can be said. */
  expiresAt?: Date | null;
};

/**
 * Plans a line in the thread of each card of the alert's present episode; one whose
 * card is not posted yet goes after it. Answers how many were added: 0 when there
 * is no card, or when the key was used before.
 */
export async function planLine(tx: Tx, line: PlannedLine, now: Date): Promise<number> {
  const [alert] = await findAlerts(tx, [line.alertId]);
  if (alert === undefined) return 0;
  const cards = (await notificationsOf(tx, [subjectOf(alert)])).filter(
    (card) => card.notifier === line.notifier && card.state !== 'superseded',
  );
  const newest = Math.max(...cards.map((card) => card.episode));
  return addLines(
    tx,
    cards
      .filter((card) => card.episode === newest)
      .map((card) =>
        rowFor(card, {
          key: line.key,
          alert,
          at: now,
          text: line.text,
          broadcast: line.broadcast ?? false,
          expiresAt: line.expiresAt ?? null,
        }),
      ),
    now,
  );
}

/** What a change was about: the alerts that changed, and the cards that were there before. */
export type ChangedSubject = {
  /** For a shared message all alerts on it; only what happened to them is looked at. */
  alerts: (Alert & { id: string })[];
  isShared: boolean;
  /** Whether anything of it is still open. */
  open: boolean;
  cards: Notification[];
};

/** Plans the lines that what happened lately calls for. Planned twice, nothing is added. */
export async function planTransitionLines(
  tx: Tx,
  subjects: ChangedSubject[],
  notifier: string,
  now: Date,
): Promise<void> {
  const posted = subjects.filter(
    (subject) =>
      subject.cards.some((card) => isPosted(card, notifier)) &&
      // The cards of our own test alerts are deleted at once; a reply would leave its thread behind.
      !subject.alerts.some(isCanary),
  );
  const ids = posted.flatMap((subject) => subject.alerts.map((alert) => alert.id));
  if (ids.length === 0) return;
  const since = new Date(now.getTime() - lineIsNewsForMs);
  const happened = Map.groupBy(
    await transitionsOf(tx, ids, [...toldActions, 'refire'], since),
    (action) => action.alertId ?? '',
  );
  const due = posted.flatMap((subject) => linesFor(subject, happened, notifier));
  if (due.length === 0) return;
  const people = await findPeople(tx, [...new Set(namedIn(due.map(({ action }) => action)))]);
  await addLines(
    tx,
    due.map(({ card, action, alert, isShared }) =>
      rowFor(card, {
        // One press on a shared message is an entry in the log of each alert on it.
        key: isForAll(action) ? `${action.action}:${action.at.getTime()}` : action.id,
        alert,
        at: action.at,
        text: lineText(
          action,
          people,
          isShared && action.action !== 'resolve' && !isForAll(action) ? alert.title : null,
        ),
        broadcast: isBroadcast(action, alert.severity),
        expiresAt: new Date(action.at.getTime() + lineIsNewsForMs),
      }),
    ),
    now,
  );
}

/** Nothing happens to what is silent: a reminder that comes late is still one. But not of thousands, for hours. */
const reminderIsNewsForMs = 60 * 60_000;

/**
 * Reminds people once, in the thread of its card, of an alert whose source says nothing of
 * it any more. Cards that alerts share say it on the card alone.
 */
export async function planSilenceLines(
  tx: Tx,
  subjects: ChangedSubject[],
  notifier: string,
  now: Date,
): Promise<void> {
  const lines = subjects.flatMap(({ alerts, isShared, open, cards }) =>
    isShared || !open
      ? []
      : alerts.flatMap((alert) => {
          const { staleAt } = alert;
          if (staleAt === null || now.getTime() - staleAt.getTime() >= reminderIsNewsForMs) return [];
          return cards
            .filter((card) => card.episode === alert.episode && isPosted(card, notifier))
            .map((card) =>
              rowFor(card, {
                key: `silent:${staleAt.getTime()}`,
                alert,
                at: staleAt,
                text: silenceText(alert.lastSeenAt),
                broadcast: alert.severity === 'P0',
                expiresAt: new Date(staleAt.getTime() + reminderIsNewsForMs),
              }),
            );
        }),
  );
  if (lines.length > 0) await addLines(tx, lines, now);
}

function silenceText(lastSeenAt: Date): string {
  const at = lastSeenAt.toISOString();
  return `Not heard of since ${at.slice(0, 10)} ${at.slice(11, 16)} UTC: it may be over without its source having said so. Please look, and resolve it here if it is.`;
}

type DueLine = { card: Notification; action: RecordedAction; alert: Alert; isShared: boolean };

/** Pure: which of the things that happened are said in the thread of which card. */
export function linesFor(
  subject: ChangedSubject,
  happened: Map<string, RecordedAction[]>,
  notifier: string,
): DueLine[] {
  const cards = subject.cards.filter((card) => isPosted(card, notifier));
  const told = subject.alerts.flatMap((alert) => {
    const actions = happened.get(alert.id) ?? [];
    return actions.flatMap((action) => {
      if (action.action === 'refire' || !isTold(action)) return [];
      const later = actions.filter((other) => other.action === 'refire' && other.at > action.at).length;
      return [{ alert, action, episode: alert.episode - later }];
    });
  });
  if (!subject.isShared) {
    return told.flatMap(({ alert, action, episode }) =>
      cards
        .filter((card) => card.episode === episode && isAfter(action, card))
        .map((card) => ({ card, action, alert, isShared: false })),
    );
  }
  // Of a shared message one line for one change of it, and its end only with the end of the last.
  const card = cards.at(-1);
  const last = told
    .filter(({ action }) => card !== undefined && isAfter(action, card))
    .filter(({ action }) => action.action !== 'resolve' || !subject.open)
    .toSorted((a, b) => a.action.at.getTime() - b.action.at.getTime())
    .at(-1);
  return card === undefined || last === undefined
    ? []
    : [{ card, action: last.action, alert: last.alert, isShared: true }];
}

function isForAll(action: RecordedAction): boolean {
  return action.details['sharedMessage'] === true;
}

function isPosted(card: Notification, notifier: string): boolean {
  return card.notifier === notifier && card.posted_at !== null;
}

function isAfter(action: RecordedAction, card: Notification): boolean {
  return card.posted_at !== null && action.at > card.posted_at;
}

type Line = {
  key: string;
  alert: Alert;
  at: Date;
  text: string;
  broadcast: boolean;
  expiresAt: Date | null;
};

function rowFor(card: Notification, line: Line): PlannedText {
  return {
    id: newId(),
    subject: card.subject,
    alertId: line.alert.id,
    notifier: card.notifier,
    channel: card.channel,
    purpose: `line:${line.key}`,
    lane: lineLane(card.sent_to ?? card.channel),
    episode: card.episode,
    priority: notificationPriority(line.alert),
    closed: false,
    reason: 'what happened to the alert',
    receivedAt: line.at,
    content: { text: line.text, broadcast: line.broadcast },
    parentId: card.id,
    expiresAt: line.expiresAt,
  };
}

async function addLines(tx: Tx, lines: PlannedText[], now: Date): Promise<number> {
  const added = await addTexts(tx, lines, now);
  if (added > 0)
    await wakeDispatchers(
      tx,
      lines.map((line) => line.lane),
    );
  return added;
}
