import { actOnLocked, type Actor } from '../alerts/actions.ts';
import type { KnownAlert } from '../alerts/apply-signal.ts';
import { audit, type AuditEntry } from '../alerts/alert-store.ts';
import { changedJobs } from '../alerts/changed.ts';
import { isGraver, isOpen } from '../alerts/lifecycle.ts';
import type { Db, Tx } from '../db/pool.ts';
import { enqueue } from '../jobs/enqueue.ts';
import { readConfirmedState, writeConfirmedState } from './confirmed-state.ts';
import { finishEvents, type StoredEvent } from './inbound-events.ts';
import { record } from './incident-actions.ts';
import { readOutbox, supersede, wasRefused } from './incident-commands.ts';
import { enqueueCommands, updateIncidents } from './incident-store.ts';
import { type Incident, isOpenIncident } from './incident.ts';
import { lockWithAlerts } from './lock-with-alerts.ts';
import {
  type ChangedThere,
  type ConfirmedState,
  type Facet,
  type HereChange,
  mergeIncident,
  type OurState,
  type TheirState,
} from './merge.ts';
import { actorThere } from './provider-actor.ts';
import type { ProviderState } from './provider.ts';

/** A state that was read at the provider, and the events that made us read it. */
export type ReadState = {
  provider: string;
  incidentId: string;
  /** Of something that was found there. */
  state: ProviderState;
  /** When reading began. */
  readAt: Date;
  events: StoredEvent[];
  /** Also say there what differs and was not changed there, and write down each repair. */
  repair: boolean;
};

export type Applied = {
  /** What was changed here, what is said there; empty when both sides agreed. */
  here: string[];
  there: string[];
  /** What may be older than our last word: worth another look soon. Its events are still waiting. */
  unsure: Facet[];
};

/**
 * Brings an incident and its alerts to what the provider says, by the rules of
 * `merge.ts`, in one transaction: audit, messages and lifecycle follow as for what
 * people do here, and nothing of it is said back.
 */
export async function applyProviderState(db: Db, read: ReadState, now: Date): Promise<Applied> {
  return db.transaction().execute(async (tx) => {
    const { incidents, alerts } = await lockWithAlerts(tx, [read.incidentId]);
    const [incident] = incidents;
    if (incident === undefined) return { here: [], there: [], unsure: [] };
    const outbox = await readOutbox(tx, incident.id);
    const confirmed = await confirmedStateOf(tx, incident.id);
    const merged = mergeIncident(ourState(incident), confirmed, theirState(read), outbox.pending, now);
    await supersede(tx, merged.superseded, 'a person at the provider decided otherwise first', now);
    const work: Work = { tx, read, now, incident, alerts, changed: false };
    for (const change of merged.here) await changeHere(work, change);
    const outcome = merged.here.map(describe).join(', ') || 'nothing new';
    const done = await finish(work, merged.unsure, outcome);
    await escalate(work, done);
    await keepConfirmed(tx, incident.id, merged.confirmed);
    await keepLink(work);
    const there = read.repair
      ? merged.there.filter((command) => !wasRefused(command, outbox.refused, now))
      : [];
    if (there.length > 0) {
      await enqueueCommands(
        tx,
        there.map((command) => ({ incident: work.incident, command, by: 'system' })),
        now,
      );
    }
    const applied: Applied = {
      here: merged.here.map(describe),
      there: there.map((command) => command.kind),
      unsure: merged.unsure,
    };
    if (read.repair && applied.here.length + applied.there.length > 0) await auditRepair(work, applied);
    // Those that are over by now show it, too.
    if (work.changed) await enqueue(tx, changedJobs(work.alerts));
    return applied;
  });
}

type Work = {
  tx: Tx;
  read: ReadState;
  now: Date;
  incident: Incident;
  alerts: KnownAlert[];
  changed: boolean;
};

async function confirmedStateOf(tx: Tx, incidentId: string): Promise<ConfirmedState | null> {
  const row = await tx
    .selectFrom('incidents')
    .select('confirmed_state')
    .where('id', '=', incidentId)
    .executeTakeFirstOrThrow();
  return readConfirmedState(row.confirmed_state);
}

async function keepConfirmed(tx: Tx, incidentId: string, confirmed: ConfirmedState): Promise<void> {
  await tx
    .updateTable('incidents')
    .set({ confirmed_state: writeConfirmedState(confirmed) })
    .where('id', '=', incidentId)
    .execute();
}

/** Where it is to be seen there: an account's address may change, and may have been unknown. */
async function keepLink(work: Work): Promise<void> {
  const { externalId, externalUrl } = work.read.state;
  if (externalUrl === null || externalUrl === work.incident.externalUrl) return;
  if (externalId !== work.incident.externalId) return;
  await work.tx
    .updateTable('incidents')
    .set({ external_url: externalUrl })
    .where('id', '=', work.incident.id)
    .execute();
  work.changed = true;
}

function ourState(incident: Incident): OurState {
  return {
    closed: !isOpenIncident(incident.status),
    acknowledged: incident.acknowledgedAt !== null,
    owner: incident.assignedTo,
    severity: incident.severity,
  };
}

function theirState({ state, readAt, events }: ReadState): TheirState {
  const { status, partial } = state;
  // A status the vendor has not had so far ends nothing and takes nothing back.
  const unreadable = partial === true || status === null;
  return {
    closed: status === 'closed' ? (state.ended ?? 'resolved') : false,
    acknowledged: unreadable ? null : status === 'acknowledged',
    owner: unreadable ? undefined : state.assignee,
    severity: state.severity,
    updatedAt: state.updatedAt,
    readAt,
    changes: changesIn(events),
  };
}

const facets: Partial<Record<StoredEvent['kind'], Facet>> = {
  acknowledge: 'acknowledged',
  unacknowledge: 'acknowledged',
  assign: 'owner',
  severity: 'severity',
  close: 'closed',
};

function changesIn(events: StoredEvent[]): Partial<Record<Facet, ChangedThere>> {
  const changes: Partial<Record<Facet, ChangedThere>> = {};
  for (const event of events) {
    const facet = facets[event.kind];
    if (facet === undefined) continue;
    const at = event.occurredAt === null ? null : new Date(event.occurredAt);
    changes[facet] = { by: event.automatic ? 'automaton' : 'person', at };
  }
  return changes;
}

/**
 * The last of them that did it. Where none says so: whoever acknowledges becomes the
 * owner, so the person in charge acknowledged; who did anything else nobody knows.
 */
function actorOf({ read }: Work, change: HereChange): Actor {
  const door = read.events.length > 0 ? 'webhook' : 'system';
  const owner = read.state.assignee;
  const event =
    read.events.findLast((one) => did(one, change)) ??
    (change.facet === 'owner'
      ? read.events.findLast((one) => one.kind === 'acknowledge' && one.actor === owner)
      : undefined);
  if (event !== undefined) return actorThere(read.provider, event.actor, door);
  const acknowledged = change.facet === 'acknowledged' && change.value;
  return actorThere(read.provider, acknowledged ? owner : null, door);
}

/** Whoever acknowledged did not take it back, even if that is all that was heard. */
function did(event: StoredEvent, change: HereChange): boolean {
  if (change.facet !== 'acknowledged') return facets[event.kind] === change.facet;
  return event.kind === (change.value ? 'acknowledge' : 'unacknowledge');
}

async function changeHere(work: Work, change: HereChange): Promise<void> {
  const { tx, now } = work;
  const actor = actorOf(work, change);
  const before = work.incident;
  work.changed = true;
  switch (change.facet) {
    case 'closed': {
      const why = `its incident was closed at ${work.read.provider}`;
      work.alerts = await actOnLocked(tx, work.alerts, { kind: 'resolve', why }, actor, now);
      work.incident = { ...before, status: change.as, resolvedAt: before.resolvedAt ?? now, updatedAt: now };
      return record(tx, before, work.incident, actor, now, []);
    }
    case 'owner': {
      const status = change.value === null ? 'open' : 'assigned';
      work.incident = { ...before, assignedTo: change.value, status, updatedAt: now };
      return record(tx, before, work.incident, actor, now, []);
    }
    case 'acknowledged':
      return acknowledge(work, change.value, actor);
    case 'severity': {
      work.incident = {
        ...before,
        severity: change.value,
        overruledSeverity: overruled(work.alerts, change.value),
        updatedAt: now,
      };
      await updateIncidents(tx, [work.incident]);
      const severity = { from: before.severity, to: change.value };
      return audit(tx, [entry(work, 'update', actor, { severity })]);
    }
  }
}

async function acknowledge(work: Work, acknowledged: boolean, actor: Actor): Promise<void> {
  const { tx, now } = work;
  const kind = acknowledged ? 'acknowledge' : 'unacknowledge';
  const before = work.alerts;
  const open = before.filter((alert) => isOpen(alert.status));
  const after = new Map(
    (await actOnLocked(tx, open, { kind }, actor, now)).map((alert) => [alert.id, alert]),
  );
  work.alerts = before.map((alert) => after.get(alert.id) ?? alert);
  work.incident = {
    ...work.incident,
    acknowledgedAt: acknowledged ? now : null,
    acknowledgedBy: acknowledged ? actor.userId : null,
    updatedAt: now,
  };
  await updateIncidents(tx, [work.incident]);
  // Else the alerts' own rows say it.
  if (open.every((alert) => after.get(alert.id) === alert)) await audit(tx, [entry(work, kind, actor, {})]);
}

/** The gravest of the open alerts, when a lower severity was chosen for their incident. */
function overruled(alerts: KnownAlert[], chosen: Incident['severity']): Incident['severity'] | null {
  return alerts
    .filter((alert) => isOpen(alert.status) && isGraver(alert.severity, chosen))
    .map((alert) => alert.severity)
    .reduce<Incident['severity'] | null>((a, b) => (a === null || isGraver(b, a) ? b : a), null);
}

/** Events that were judged are done; the others wait for a state that is surely new enough. */
async function finish({ tx, read, now }: Work, unsure: Facet[], outcome: string): Promise<Set<string>> {
  if (unsure.length > 0 || read.events.length === 0) return new Set();
  const ids = read.events.map((event) => event.id);
  return finishEvents(tx, ids, outcome, now);
}

/** Paging the next people is no state that could be read, only an event. It happens once. */
async function escalate(work: Work, done: Set<string>): Promise<void> {
  const event = work.read.events.findLast((one) => one.kind === 'escalate' && done.has(one.id));
  if (event === undefined || !isOpenIncident(work.incident.status)) return;
  // A step of the escalation policy names nobody.
  const actor = actorThere(work.read.provider, event.actor ?? 'System', 'webhook');
  const before = work.alerts;
  // The provider names the level: its priority, if that rose as well.
  const atLeast = work.read.state.severity ?? 'P4';
  const open = before.filter((alert) => isOpen(alert.status));
  const after = await actOnLocked(work.tx, open, { kind: 'escalate', atLeast }, actor, work.now);
  const changed = new Map(after.map((alert) => [alert.id, alert]));
  work.alerts = before.map((alert) => changed.get(alert.id) ?? alert);
  work.changed ||= before.some((alert) => (changed.get(alert.id) ?? alert) !== alert);
}

function entry(
  { read, incident, now }: Work,
  action: AuditEntry['action'],
  actor: Actor,
  details: Record<string, unknown>,
): AuditEntry {
  return {
    alertId: null,
    incidentId: incident.id,
    action,
    userId: actor.userId,
    door: actor.door,
    details: { provider: read.provider, ...details },
    at: now,
  };
}

async function auditRepair(work: Work, { here, there }: Applied): Promise<void> {
  const details = { repaired: { here, there }, reason: 'compared with the provider, and something differed' };
  await audit(work.tx, [entry(work, 'sync', { userId: 'system', door: 'system' }, details)]);
}

function describe(change: HereChange): string {
  switch (change.facet) {
    case 'closed':
      return change.as;
    case 'acknowledged':
      return change.value ? 'acknowledged' : 'unacknowledged';
    case 'owner':
      return change.value === null ? 'unassigned' : 'assigned';
    case 'severity':
      return `severity ${change.value}`;
  }
}
