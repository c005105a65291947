import type { Alert } from '../alerts/alert.ts';
import { findAlerts, findByFoldKeys, latestNotes, type StoredAlert } from '../alerts/alert-queries.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { isGraver, isOpen } from '../alerts/lifecycle.ts';
import type { Db } from '../db/pool.ts';
import { findIncidents } from '../incidents/incident-queries.ts';
import { type Incident, isOpenIncident } from '../incidents/incident.ts';
import type { Notification } from './ledger.ts';
import type { AlertCard, CardAction, Person } from './message.ts';
import { findPeople, personOf } from './people.ts';
import { subjectOf } from './route.ts';

/** From the ledger to what a message says, as things are now. Reads on sets: one query per kind of thing, however many messages. */
export type CardLinks = {
  alertUrl: (alertId: string) => string;
  /** Null while no trace viewer is configured. */
  traceUrl: (traceId: string) => string | null;
};

const notesShown = 3;
const labelsShown = 6;

/** Labels that say where to look, in the order of their use; the others are one click away. */
const telling = [
  'cluster',
  'environment',
  'service',
  'app',
  'job',
  'deployment',
  'pod',
  'node',
  'instance',
  'container',
  'team',
];

export async function buildCards(
  db: Db,
  notifications: Notification[],
  links: CardLinks,
): Promise<Map<string, AlertCard>> {
  const leads = await findAlerts(db, [...new Set(notifications.flatMap((row) => row.alert_id ?? []))]);
  const leadById = new Map(leads.map((alert) => [alert.id, alert]));
  const shared = leads.flatMap((alert) =>
    alert.foldKey === null ? [] : [{ source: alert.source, tenant: alert.tenant, foldKey: alert.foldKey }],
  );
  const groups = Map.groupBy(await findByFoldKeys(db, shared), subjectOf);
  const context = await readContext(db, [...leads, ...[...groups.values()].flat()]);
  const cards = new Map<string, AlertCard>();
  for (const row of notifications) {
    const lead = row.alert_id === null ? undefined : leadById.get(row.alert_id);
    if (lead === undefined) continue;
    const group = groups.get(row.subject);
    const card =
      group === undefined
        ? alertCard(lead, row, context, links)
        : dataSourceCard(group, lead, row, context, links);
    cards.set(row.id, card);
  }
  return cards;
}

/** What an alert says while the database is away: nothing of people, notes and incidents. */
export function cardWithoutDatabase(alert: KnownAlert, links: CardLinks): AlertCard {
  const nothing: Context = { incidents: new Map(), people: new Map(), notes: new Map() };
  return alertCard({ ...alert, archivedAt: null }, { episode: alert.episode }, nothing, links);
}

type Context = {
  incidents: Map<string, Incident>;
  people: Map<string, Person>;
  notes: Map<string, AlertCard['notes']>;
};

async function readContext(db: Db, alerts: Alert[]): Promise<Context> {
  const incidentIds = [...new Set(alerts.flatMap((alert) => alert.incidentId ?? []))];
  const notes = await latestNotes(
    db,
    alerts.map((alert) => alert.id),
    notesShown,
  );
  const incidents = await findIncidents(db, incidentIds);
  const userIds = new Set([
    ...incidents.flatMap((incident) => incident.assignedTo ?? []),
    ...alerts.flatMap((alert) =>
      [alert.acknowledgedBy, alert.resolvedBy, alert.assignedTo].filter((id) => id !== null),
    ),
    ...notes.map((note) => note.userId),
  ]);
  const people = await findPeople(db, [...userIds]);
  return {
    incidents: new Map(incidents.map((incident) => [incident.id, incident])),
    people,
    notes: new Map(
      [...Map.groupBy(notes, (note) => note.alertId)].map(([alertId, list]) => [
        alertId,
        list.map((note) => ({ by: personOf(people, note.userId), text: note.text, at: note.at })),
      ]),
    ),
  };
}

function alertCard(
  alert: StoredAlert,
  row: Pick<Notification, 'episode'>,
  context: Context,
  links: CardLinks,
): AlertCard {
  // The alert fired again after this message's episode: its message ends as resolved, the new one tells the rest.
  const past = row.episode < alert.episode;
  const over = past || alert.archivedAt !== null || !isOpen(alert.status);
  const person = (userId: string | null): Person | null =>
    userId === null ? null : personOf(context.people, userId);
  return {
    alertId: alert.id,
    kind: 'alert',
    title: alert.title,
    description: alert.description,
    severity: alert.severity,
    status: over ? 'resolved' : alert.status,
    source: alert.source,
    namespace: alert.namespace,
    labels: chosenLabels(alert),
    startsAt: alert.startsAt,
    silentSince: over || alert.staleAt === null ? null : alert.lastSeenAt,
    resolvedAt: past ? null : alert.resolvedAt,
    acknowledgedBy: past ? null : person(alert.acknowledgedBy),
    acknowledgedAt: past ? null : alert.acknowledgedAt,
    resolvedBy: past ? null : person(alert.resolvedBy),
    // Whoever is in charge of the incident is in charge of its alerts, unless one has an owner of its own.
    assignedTo: person(alert.assignedTo ?? context.incidents.get(alert.incidentId ?? '')?.assignedTo ?? null),
    occurrences: alert.occurrences,
    stateReason: past ? 'it fired again later' : alert.stateReason,
    values: Object.entries(alert.values ?? {}).map(([name, value]) => ({ name, value })),
    notes: context.notes.get(alert.id) ?? [],
    rules: [],
    incident: incidentOf(alert, context),
    trace: alert.traceId === null ? null : { id: alert.traceId, url: links.traceUrl(alert.traceId) },
    links: alert.links,
    url: links.alertUrl(alert.id),
    actions: over ? [] : cardActions(alert, context),
  };
}

function dataSourceCard(
  group: KnownAlert[],
  lead: StoredAlert,
  row: Notification,
  context: Context,
  links: CardLinks,
): AlertCard {
  const open = group.filter((alert) => isOpen(alert.status));
  const over = row.closed || open.length === 0;
  const first = open[0] === undefined ? lead : { ...open[0], ...asOne(open, open[0]) };
  const card = alertCard({ ...first, archivedAt: null }, { ...row, episode: first.episode }, context, links);
  const shown = over ? group : open;
  return {
    ...card,
    kind: 'datasource',
    title: `Data source ${first.foldKey ?? ''} cannot be evaluated`,
    status: over ? 'resolved' : card.status,
    startsAt: new Date(Math.min(...shown.map((alert) => alert.startsAt.getTime()), first.startsAt.getTime())),
    resolvedAt: over ? latest(group.map((alert) => alert.resolvedAt)) : null,
    rules: shown.map((alert) => ({ title: alert.title, status: alert.status })),
    occurrences: shown.reduce((sum, alert) => sum + alert.occurrences, 0),
    actions: over ? [] : card.actions,
  };
}

/** What the open alerts of a shared message are together: as grave as the gravest, and in hand when all are. */
function asOne(
  open: KnownAlert[],
  first: KnownAlert,
): Pick<KnownAlert, 'severity' | 'status' | 'acknowledgedAt' | 'acknowledgedBy'> {
  const waiting = open.filter((alert) => alert.status !== 'acknowledged');
  const isEscalated = waiting.every((alert) => alert.status === 'escalated');
  const status = waiting.length === 0 ? 'acknowledged' : isEscalated ? 'escalated' : 'firing';
  const at = latest(open.map((alert) => alert.acknowledgedAt));
  const last = open.find((alert) => alert.acknowledgedAt?.getTime() === at?.getTime());
  const all = open.every((alert) => alert.acknowledgedBy !== null) ? last : undefined;
  return {
    severity: open.reduce((a, b) => (isGraver(b.severity, a) ? b.severity : a), first.severity),
    status,
    acknowledgedAt: all?.acknowledgedAt ?? null,
    acknowledgedBy: all?.acknowledgedBy ?? null,
  };
}

function latest(dates: (Date | null)[]): Date | null {
  return dates.reduce((a, b) => (a === null || (b !== null && b > a) ? b : a), null);
}

function chosenLabels(alert: Alert): AlertCard['labels'] {
  return telling
    .flatMap((name) => {
      const value = alert.labels[name];
      return value === undefined || value === '' ? [] : [{ name, value }];
    })
    .slice(0, labelsShown);
}

function incidentOf(alert: Alert, context: Context): AlertCard['incident'] {
  const incident = alert.incidentId === null ? undefined : context.incidents.get(alert.incidentId);
  if (incident === undefined) return null;
  return { id: incident.id, title: incident.title, status: incident.status, url: incident.externalUrl };
}

/** Which buttons make sense: never one that would only answer "already done". */
function cardActions(alert: Alert, context: Context): CardAction[] {
  const incident = alert.incidentId === null ? undefined : context.incidents.get(alert.incidentId);
  const hasIncident = incident !== undefined && isOpenIncident(incident.status);
  const atTop = alert.severity === 'P0' && alert.status === 'escalated';
  return [
    ...(alert.status === 'acknowledged' ? [] : (['acknowledge'] as const)),
    ...(atTop ? [] : (['escalate'] as const)),
    ...(hasIncident ? [] : (['create-incident'] as const)),
    'resolve',
    'add-note',
  ];
}
