import { randomUUID } from 'node:crypto';
import type { Actor, Alerts } from './alerts.ts';
import {
  type OpsgenieState,
  type SandboxIncident,
  type SandboxPriority,
  type SandboxResponder,
  iso,
} from './state.ts';

export type NewIncident = {
  message: string;
  description?: string;
  responders?: SandboxResponder[];
  tags?: string[];
  details?: Record<string, string>;
  priority?: SandboxPriority;
  note?: string;
  impactedServices?: string[];
};

export type IncidentAction =
  | { kind: 'resolve' | 'close' | 'reopen'; note?: string }
  | { kind: 'add-note'; note: string }
  | { kind: 'priority'; priority: SandboxPriority }
  | { kind: 'message' | 'description'; text: string }
  | { kind: 'add-tags'; tags: string[] }
  | { kind: 'add-details'; details: Record<string, string> }
  | { kind: 'add-responders'; responders: SandboxResponder[] }
  | { kind: 'delete' };

export type IncidentOutcome =
  | { ok: true; status: string; incident: SandboxIncident }
  | { ok: false; status: string };

/**
 * What happens to incidents at the vendor. Nothing makes creating idempotent,
 * and no webhook tells of an incident itself: only of the alerts that page for it.
 */
export class Incidents {
  readonly #state: OpsgenieState;
  readonly #alerts: Alerts;

  constructor(state: OpsgenieState, alerts: Alerts) {
    this.#state = state;
    this.#alerts = alerts;
  }

  find(identifier: string, type: string): SandboxIncident | undefined {
    if (type === 'id') return this.#state.incidents.get(identifier);
    return [...this.#state.incidents.values()].find(({ tinyId }) => tinyId === identifier);
  }

  create(wanted: NewIncident): SandboxIncident {
    const nowMs = this.#state.now();
    const incident: SandboxIncident = {
      id: randomUUID(),
      tinyId: this.#state.nextTinyId(),
      message: wanted.message,
      description: wanted.description ?? '',
      status: 'open',
      priority: wanted.priority ?? 'P3',
      tags: wanted.tags ?? [],
      details: wanted.details ?? {},
      responders: wanted.responders ?? [],
      impactedServices: wanted.impactedServices ?? [],
      responderAlertIds: [],
      notes: [],
      log: [],
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      unseenSearches: this.#state.searchLag,
    };
    this.#state.incidents.set(incident.id, incident);
    this.#record(incident, 'System', 'Incident created');
    for (const responder of incident.responders) this.#page(incident, responder);
    if (wanted.note) this.apply(incident, { kind: 'add-note', note: wanted.note }, 'System');
    return incident;
  }

  apply(incident: SandboxIncident | undefined, action: IncidentAction, user: string): IncidentOutcome {
    if (incident === undefined) return { ok: false, status: 'Incident does not exist' };
    if ('note' in action && action.note) {
      incident.notes.push({ note: action.note, owner: user, createdAt: iso(this.#state.now()) });
    }
    switch (action.kind) {
      case 'resolve':
        if (incident.status !== 'open')
          return { ok: false, status: `Incident is already ${incident.status}` };
        incident.status = 'resolved';
        return this.#record(incident, user, 'Incident resolved');
      case 'close':
        if (incident.status === 'closed') return { ok: false, status: 'Incident is already closed' };
        incident.status = 'closed';
        return this.#record(incident, user, 'Incident closed');
      case 'reopen':
        if (incident.status === 'open') return { ok: false, status: 'Incident is already open' };
        incident.status = 'open';
        return this.#record(incident, user, 'Incident reopened');
      case 'add-note':
        return this.#record(incident, user, 'Note added');
      case 'priority':
        incident.priority = action.priority;
        return this.#record(incident, user, `Priority ${action.priority}`);
      case 'message':
        incident.message = action.text;
        return this.#record(incident, user, 'Message updated');
      case 'description':
        incident.description = action.text;
        return this.#record(incident, user, 'Description updated');
      case 'add-tags':
        incident.tags = [...new Set([...incident.tags, ...action.tags])];
        return this.#record(incident, user, 'Tags added');
      case 'add-details':
        incident.details = { ...incident.details, ...action.details };
        return this.#record(incident, user, 'Details added');
      case 'add-responders':
        incident.responders.push(...action.responders);
        for (const responder of action.responders) this.#page(incident, responder);
        return this.#record(incident, user, 'Responders added');
      case 'delete':
        this.#state.incidents.delete(incident.id);
        return this.#record(incident, user, 'Incident deleted');
    }
  }

  /** The first team's alert is the incident's Owner alert, every later one a Responder alert. Our tags and details are not on it. */
  #page(incident: SandboxIncident, responder: SandboxResponder): void {
    const actor: Actor = { user: 'System', sourceType: 'incident' };
    const alert = this.#alerts.create(
      {
        message: incident.message,
        alias: `${incident.id}_${randomUUID()}`,
        description: incident.description,
        responders: [responder],
        details: {
          'incident-id': incident.id,
          'incident-alert-type': incident.responderAlertIds.length === 0 ? 'Owner' : 'Responder',
          'impacted-services': incident.impactedServices.join(','),
        },
        source: '',
        priority: incident.priority,
      },
      actor,
    );
    incident.responderAlertIds.push(alert.id);
  }

  #record(incident: SandboxIncident, user: string, status: string): IncidentOutcome {
    incident.updatedAtMs = this.#state.now();
    incident.log.push({ log: status, owner: user, createdAt: iso(incident.updatedAtMs) });
    this.#state.changed();
    return { ok: true, status, incident };
  }
}
