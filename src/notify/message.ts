import type { Link, Severity, SourceName, Status } from '../alerts/alert.ts';

/**
 * What a message about an alert says, whoever shows it. How it looks (blocks,
 * wording, limits) is the notifier's business.
 */
export type AlertCard = {
  /** The alert the buttons act on. For a data source card: the oldest alert still open. */
  alertId: string;
  kind: 'alert' | 'datasource';
  title: string;
  description: string;
  severity: Severity;
  status: Status;
  source: SourceName;
  namespace: string | null;
  /** A few labels worth seeing, already chosen and ordered. */
  labels: { name: string; value: string }[];
  startsAt: Date;
  /** When it was last heard of, where that is so long ago that its end may have been missed. */
  silentSince: Date | null;
  resolvedAt: Date | null;
  /** Who acted last and what they did, if a person or a rule did. */
  acknowledgedBy: Person | null;
  acknowledgedAt: Date | null;
  resolvedBy: Person | null;
  assignedTo: Person | null;
  occurrences: number;
  /** Why the source resolved or raised it without the condition changing: "RuleDeleted", "NoData". */
  stateReason: string | null;
  values: { name: string; value: number }[];
  /** The latest notes, newest last, at most three. */
  notes: { by: Person; text: string; at: Date }[];
  /** For a data source card: the rules that cannot be evaluated. */
  rules: { title: string; status: Status }[];
  incident: { id: string; title: string; status: string; url: string | null } | null;
  trace: { id: string; url: string | null } | null;
  links: Link[];
  /** The page of the alert in our own interface. */
  url: string;
  /** Which buttons make sense now, in this order. Empty on a resolved card. */
  actions: CardAction[];
};

/** A message that is only text: a notice about ourselves, or a line in a card's thread. Shown as it is, nothing in it is markup. */
export type TextMessage = { kind: 'text'; text: string };

export type CardAction = 'acknowledge' | 'escalate' | 'create-incident' | 'resolve' | 'add-note';

/** `id` is what the audit log says; `slackId` when the person is known in Slack. */
export type Person = { id: string; name: string; slackId: string | null };
