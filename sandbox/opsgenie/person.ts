import type { Actor, AlertAction, Alerts } from './alerts.ts';
import type { IncidentAction, Incidents } from './incidents.ts';
import type { OpsgenieState, SandboxAlert, SandboxIncident, SandboxPriority } from './state.ts';

/** Who clicks on the page. */
const pageUser = 'you@example.com';

/** What people do in the vendor's own app. Throws when there is nothing with the id or it cannot be done: a test asked for it wrongly. */
export type Person = {
  acknowledge(id: string, user: string): void;
  unacknowledge(id: string, user: string): void;
  close(id: string, user: string): void;
  /** Incidents only. */
  resolve(id: string, user: string): void;
  /** Incidents only. */
  reopen(id: string, user: string): void;
  assign(id: string, owner: string, user: string): void;
  takeOwnership(id: string, user: string): void;
  addNote(id: string, note: string, user: string): void;
  updatePriority(id: string, priority: SandboxPriority, user: string): void;
  escalate(id: string, escalation: string, user: string): void;
  snooze(id: string, endTime: Date, user: string): void;
  customAction(id: string, name: string, user: string): void;
  delete(id: string, user: string): void;
  /** A button of the page; false when there is no such thing or action. */
  act(id: string, action: string, text: string): boolean;
};

export function createPerson(state: OpsgenieState, alerts: Alerts, incidents: Incidents): Person {
  const find = (id: string): SandboxAlert | SandboxIncident | undefined =>
    state.alerts.get(id) ?? alerts.find(id, 'alias') ?? state.incidents.get(id);

  /** On an incident, what only alerts know is done to its Owner alert, as the app does. */
  function onAlert(id: string, action: AlertAction, user: string): void {
    const item = find(id);
    const alert =
      item && 'responderAlertIds' in item ? state.alerts.get(item.responderAlertIds[0] ?? '') : item;
    const actor: Actor = { user, sourceType: 'web' };
    succeed(alerts.apply(alert, action, actor));
  }

  function onIncident(id: string, action: IncidentAction, user: string): void {
    succeed(incidents.apply(state.incidents.get(id), action, user));
  }

  function onEither(id: string, action: AlertAction & IncidentAction, user: string): void {
    if (state.incidents.has(id)) onIncident(id, action, user);
    else onAlert(id, action, user);
  }

  const person: Person = {
    acknowledge: (id, user) => onAlert(id, { kind: 'acknowledge' }, user),
    unacknowledge: (id, user) => onAlert(id, { kind: 'unacknowledge' }, user),
    close: (id, user) => onEither(id, { kind: 'close' }, user),
    resolve: (id, user) => onIncident(id, { kind: 'resolve' }, user),
    reopen: (id, user) => onIncident(id, { kind: 'reopen' }, user),
    assign: (id, owner, user) => onAlert(id, { kind: 'assign', owner }, user),
    takeOwnership: (id, user) => onAlert(id, { kind: 'take-ownership' }, user),
    addNote: (id, note, user) => onEither(id, { kind: 'add-note', note }, user),
    updatePriority: (id, priority, user) => onEither(id, { kind: 'priority', priority }, user),
    escalate: (id, escalation, user) => onAlert(id, { kind: 'escalate', escalation }, user),
    snooze: (id, endTime, user) => onAlert(id, { kind: 'snooze', endTime: endTime.toISOString() }, user),
    customAction: (id, name, user) => onAlert(id, { kind: 'custom', name }, user),
    delete: (id, user) => onEither(id, { kind: 'delete' }, user),
    act(id, action, text) {
      const run = Object.hasOwn(buttons, action) ? buttons[action] : undefined;
      if (run === undefined || find(id) === undefined) return false;
      try {
        run(person, id, text);
      } catch {
        // Clicked twice, or on a page gone stale: it shows the present state next.
      }
      return true;
    },
  };
  return person;
}

const buttons: Record<string, (person: Person, id: string, text: string) => void> = {
  acknowledge: (person, id) => person.acknowledge(id, pageUser),
  close: (person, id) => person.close(id, pageUser),
  resolve: (person, id) => person.resolve(id, pageUser),
  assign: (person, id, owner) => person.assign(id, owner.slice(0, 100), pageUser),
  note: (person, id, note) => person.addNote(id, note.slice(0, 25_000), pageUser),
  priority: (person, id, text) => {
    const priority = (['P1', 'P2', 'P3', 'P4', 'P5'] as const).find((known) => known === text);
    if (priority) person.updatePriority(id, priority, pageUser);
  },
};

function succeed(outcome: { ok: boolean; status: string }): void {
  if (!outcome.ok) throw new Error(`sandbox Opsgenie: ${outcome.status}`);
}
