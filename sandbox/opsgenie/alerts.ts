import {
  type OpsgenieState,
  type SandboxAlert,
  type SandboxPriority,
  type SandboxResponder,
  iso,
} from './state.ts';
import type { WebhookSender } from './webhooks.ts';

/** Who acts and how. */
export type Actor = { user: string; sourceType: 'API' | 'web' | 'incident' };

/** `status` is what the request status shows. */
export type Outcome = { ok: true; status: string; alert: SandboxAlert } | { ok: false; status: string };

export type NewAlert = {
  message: string;
  alias?: string;
  description?: string;
  responders?: SandboxResponder[];
  tags?: string[];
  actions?: string[];
  details?: Record<string, string>;
  entity?: string;
  source?: string;
  priority?: SandboxPriority;
  note?: string;
};

export type AlertAction =
  | { kind: 'acknowledge' | 'unacknowledge' | 'close' | 'take-ownership' | 'delete' }
  | { kind: 'add-note'; note: string }
  | { kind: 'assign'; owner: string }
  | { kind: 'snooze'; endTime: string }
  | { kind: 'escalate'; escalation: string }
  | { kind: 'priority'; priority: SandboxPriority }
  | { kind: 'message' | 'description'; text: string }
  | { kind: 'add-tags' | 'remove-tags'; tags: string[] }
  | { kind: 'add-details'; details: Record<string, string> }
  | { kind: 'add-responder'; responder: SandboxResponder }
  | { kind: 'custom'; name: string };

/** What happens to alerts at the vendor, whoever causes it; each change goes out as a webhook. */
export class Alerts {
  readonly #state: OpsgenieState;
  readonly #webhooks: WebhookSender;

  constructor(state: OpsgenieState, webhooks: WebhookSender) {
    this.#state = state;
    this.#webhooks = webhooks;
  }

  /** By id, tiny id or alias. An alias finds only the open alert. */
  find(identifier: string, type: string): SandboxAlert | undefined {
    if (type === 'id') return this.#state.alerts.get(identifier);
    const all = [...this.#state.alerts.values()];
    if (type === 'tiny') return all.find(({ tinyId }) => tinyId === identifier);
    return all.find(({ alias, status }) => alias === identifier && status === 'open');
  }

  /** One open alert per alias: another create only counts up and leaves its message as it is. */
  create(wanted: NewAlert, actor: Actor): SandboxAlert {
    const nowMs = this.#state.now();
    const open = wanted.alias ? this.find(wanted.alias, 'alias') : undefined;
    if (open) {
      open.count += 1;
      open.lastOccurredAtMs = nowMs;
      this.#state.changed();
      return open;
    }
    const id = this.#state.newId();
    const alert: SandboxAlert = {
      id,
      tinyId: this.#state.nextTinyId(),
      alias: wanted.alias || id,
      message: wanted.message,
      description: wanted.description ?? '',
      status: 'open',
      acknowledged: false,
      snoozedUntil: null,
      owner: '',
      source: wanted.source ?? '127.0.0.1',
      entity: wanted.entity ?? '',
      priority: wanted.priority ?? 'P3',
      count: 1,
      tags: wanted.tags ?? [],
      details: wanted.details ?? {},
      responders: wanted.responders ?? [],
      actions: wanted.actions ?? [],
      notes: [],
      log: [],
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
      lastOccurredAtMs: nowMs,
      unseenSearches: this.#state.searchLag,
    };
    this.#state.alerts.set(id, alert);
    this.#record(alert, actor, 'Create', 'Alert created');
    if (wanted.note) this.apply(alert, { kind: 'add-note', note: wanted.note }, actor);
    return alert;
  }

  apply(alert: SandboxAlert | undefined, action: AlertAction, actor: Actor): Outcome {
    if (alert === undefined) return { ok: false, status: 'Alert does not exist' };
    switch (action.kind) {
      case 'acknowledge':
        if (alert.status === 'closed') return { ok: false, status: 'Alert is closed' };
        if (alert.acknowledged) return { ok: false, status: 'Alert is already acknowledged' };
        alert.acknowledged = true;
        if (alert.owner === '') alert.owner = actor.user;
        return this.#record(alert, actor, 'Acknowledge', 'Alert acknowledged');
      case 'unacknowledge':
        if (!alert.acknowledged) return { ok: false, status: 'Alert is not acknowledged' };
        alert.acknowledged = false;
        return this.#record(alert, actor, 'UnAcknowledge', 'Alert unacknowledged');
      case 'close':
        if (alert.status === 'closed') return { ok: false, status: 'Alert is already closed' };
        alert.status = 'closed';
        return this.#record(alert, actor, 'Close', 'Alert closed');
      case 'delete':
        this.#state.alerts.delete(alert.id);
        return this.#record(alert, actor, 'Delete', 'Alert deleted');
      case 'take-ownership':
        alert.owner = actor.user;
        return this.#record(alert, actor, 'TakeOwnership', `Owner is now ${actor.user}`);
      case 'assign':
        alert.owner = action.owner;
        return this.#record(alert, actor, 'AssignOwnership', `Owner is now ${action.owner}`, {
          owner: action.owner,
        });
      case 'add-note':
        alert.notes.push({ note: action.note, owner: actor.user, createdAt: iso(this.#state.now()) });
        return this.#record(alert, actor, 'AddNote', 'Note added', { note: action.note });
      case 'snooze':
        alert.snoozedUntil = action.endTime;
        return this.#record(alert, actor, 'Snooze', `Snoozed until ${action.endTime}`);
      case 'escalate':
        return this.#record(alert, actor, 'Escalate', `Escalated to ${action.escalation}`, {
          escalation: action.escalation,
        });
      case 'priority': {
        const oldPriority = alert.priority;
        alert.priority = action.priority;
        return this.#record(alert, actor, 'UpdatePriority', `Priority ${oldPriority} → ${action.priority}`, {
          oldPriority,
        });
      }
      case 'message':
        alert.message = action.text;
        return this.#record(alert, actor, 'UpdateMessage', 'Message updated');
      case 'description':
        alert.description = action.text;
        return this.#record(alert, actor, 'UpdateDescription', 'Description updated');
      case 'add-tags':
        alert.tags = [...new Set([...alert.tags, ...action.tags])];
        return this.#record(alert, actor, 'AddTags', 'Tags added', { addedTags: action.tags.join(',') });
      case 'remove-tags':
        alert.tags = alert.tags.filter((tag) => !action.tags.includes(tag));
        return this.#record(alert, actor, 'RemoveTags', 'Tags removed', {
          removedTags: action.tags.join(','),
        });
      case 'add-details':
        alert.details = { ...alert.details, ...action.details };
        return this.#record(alert, actor, 'AddDetails', 'Details added');
      case 'add-responder':
        alert.responders.push(action.responder);
        return this.#record(alert, actor, 'AddResponder', `Responder ${action.responder.name} added`);
      case 'custom':
        return this.#record(alert, actor, action.name, `Action ${action.name} executed`);
    }
  }

  #record(
    alert: SandboxAlert,
    actor: Actor,
    action: string,
    status: string,
    extra?: Record<string, unknown>,
  ): Outcome {
    alert.updatedAtMs = this.#state.now();
    alert.log.push({ log: status, owner: actor.user, createdAt: iso(alert.updatedAtMs) });
    // The Webhook integration has no action for added details.
    if (action !== 'AddDetails') {
      this.#webhooks.send({
        action,
        alert,
        username: actor.user,
        sourceType: actor.sourceType,
        ...(extra && { extra }),
      });
    }
    this.#state.changed();
    return { ok: true, status, alert };
  }
}
