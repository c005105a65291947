import type { AlertCard, Person } from '../../notify/message.ts';
import { actionIds } from './action-ids.ts';
import { cutPlain, displayText, isBlank, oneLine } from './slack-text.ts';
import { safeUrl } from './safe-url.ts';

/**
 * What a card template can name. The card itself, made showable: control
 * characters removed, lengths bounded, URLs checked, empty values null. Nothing
 * is escaped yet: that depends on where the template puts it.
 */
export type CardView = {
  alertId: string;
  /** `alert` or `datasource`. */
  kind: string;
  title: string;
  description: string | null;
  severity: string;
  /** P0 or P1. */
  urgent: boolean;
  status: string;
  /** Somebody may still have to do something. */
  open: boolean;
  source: string;
  namespace: string | null;
  labels: { name: string; value: string }[];
  startsAt: Date;
  /** Last heard of then, which is so long ago that its end may have been missed. */
  silentSince: Date | null;
  resolvedAt: Date | null;
  /** From start to resolve: "3 h 5 min". */
  duration: string | null;
  acknowledgedBy: PersonView | null;
  acknowledgedAt: Date | null;
  resolvedBy: PersonView | null;
  assignedTo: PersonView | null;
  occurrences: number;
  stateReason: string | null;
  values: { name: string; value: number }[];
  notes: { by: PersonView; text: string; at: Date }[];
  rules: { title: string; status: string }[];
  incident: { id: string; title: string; status: string; url: string | null } | null;
  trace: { id: string; url: string | null } | null;
  links: { rel: string; url: string }[];
  url: string | null;
  /** The buttons that make sense now, in order; `id` is the action id to use. */
  actions: { name: string; id: string }[];
};

export type PersonView = { id: string; name: string; slackId: string | null };

/** The view of a card. `appUrl` completes a card's own address where that is only a path. */
export function cardView(card: AlertCard, appUrl?: string): CardView {
  return {
    alertId: card.alertId,
    kind: card.kind,
    title: line(card.title, 500) ?? '(no title)',
    description: paragraph(card.description, 6_000),
    severity: card.severity,
    urgent: card.severity === 'P0' || card.severity === 'P1',
    status: card.status,
    open: card.status !== 'resolved' && card.status !== 'archived',
    source: card.source,
    namespace: line(card.namespace, 200),
    labels: card.labels
      .slice(0, 100)
      .map(({ name, value }) => ({ name: bounded(name, 100), value: bounded(value, 300) })),
    startsAt: card.startsAt,
    silentSince: card.silentSince,
    resolvedAt: card.resolvedAt,
    duration:
      card.resolvedAt === null ? null : durationText(card.resolvedAt.getTime() - card.startsAt.getTime()),
    acknowledgedBy: personView(card.acknowledgedBy),
    acknowledgedAt: card.acknowledgedAt,
    resolvedBy: personView(card.resolvedBy),
    assignedTo: personView(card.assignedTo),
    occurrences: card.occurrences,
    stateReason: line(card.stateReason, 200),
    values: card.values.slice(0, 50).map(({ name, value }) => ({ name: bounded(name, 100), value })),
    notes: card.notes.slice(-3).flatMap(({ by, text, at }) => {
      const person = personView(by);
      const words = paragraph(text, 2_000);
      return person === null || words === null ? [] : [{ by: person, text: words, at }];
    }),
    rules: card.rules.map(({ title, status }) => ({ title: line(title, 200) ?? '(no title)', status })),
    incident: card.incident && {
      id: card.incident.id,
      title: line(card.incident.title, 300) ?? card.incident.id,
      status: bounded(card.incident.status, 50),
      url: card.incident.url === null ? null : safeUrl(card.incident.url),
    },
    trace: card.trace && { id: card.trace.id, url: card.trace.url === null ? null : safeUrl(card.trace.url) },
    links: card.links.flatMap(({ rel, url }) => {
      const safe = safeUrl(url);
      return safe === null ? [] : [{ rel, url: safe }];
    }),
    url: safeUrl(appUrl === undefined ? card.url : (URL.parse(card.url, appUrl)?.href ?? '')),
    actions: card.actions.map((name) => ({ name, id: actionIds[name] })),
  };
}

/** A length of time in the two largest units that matter; never negative. */
export function durationText(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function personView(person: Person | null): PersonView | null {
  if (person === null) return null;
  // Only what looks like a Slack id may become a mention.
  const slackId =
    person.slackId !== null && /^[UW][A-Z0-9]{2,20}$/.test(person.slackId) ? person.slackId : null;
  return { id: person.id, name: line(person.name, 100) ?? line(person.id, 100) ?? 'somebody', slackId };
}

const bounded = (value: string, max: number): string => cutPlain(oneLine(value), max);

function line(value: string | null, max: number): string | null {
  return value === null || isBlank(value) ? null : bounded(value, max);
}

function paragraph(value: string, max: number): string | null {
  return isBlank(value)
    ? null
    : cutPlain(
        displayText(value)
          .replace(/\n{3,}/g, '\n\n')
          .trim(),
        max,
      );
}
