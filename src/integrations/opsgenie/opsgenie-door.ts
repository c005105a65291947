import type { ProviderDoor, ProviderEvent } from '../../incidents/provider-door.ts';
import { type OpsgenieWebhook, parseOpsgenieWebhook, verifyOpsgenieWebhook } from './webhook.ts';

/** What Opsgenie's Webhook integration sends us. @param settings several secrets while one replaces another. */
export function createOpsgenieDoor(settings: { webhookSecrets: readonly string[] }): ProviderDoor {
  return {
    name: 'opsgenie',
    verify: (headers) =>
      settings.webhookSecrets.length === 0
        ? undefined
        : verifyOpsgenieWebhook(headers, settings.webhookSecrets),
    read: (rawBody) => {
      const parsed = parseOpsgenieWebhook(rawBody);
      if (!parsed.ok) return parsed;
      return { ok: true, dedupKey: parsed.webhook.dedupKey, event: toEvent(parsed.webhook) };
    },
  };
}

/** Actions that are not here (a custom one, added tags) still make us look. */
const kinds: Record<string, ProviderEvent['kind']> = {
  Create: 'create',
  Acknowledge: 'acknowledge',
  UnAcknowledge: 'unacknowledge',
  AssignOwnership: 'assign',
  TakeOwnership: 'assign',
  UpdatePriority: 'severity',
  Close: 'close',
  Escalate: 'escalate',
  EscalateNext: 'escalate',
  AddNote: 'note',
  Delete: 'delete',
};

function toEvent(webhook: OpsgenieWebhook): ProviderEvent {
  const { action, alertId, alias, incidentId, externalIncidentId, actor } = webhook;
  return {
    subject: alertId,
    action,
    kind: Object.hasOwn(kinds, action) ? (kinds[action] ?? 'other') : 'other',
    incidentId,
    externalIncidentId,
    // What we open always has our alias, or pages for an incident and says so; "-" stands for an alias left out.
    foreign: incidentId === null && externalIncidentId === null && alias !== null && alias !== '-',
    actor,
    automatic: actor === null || actor.toLowerCase() === 'system',
    byApi: webhook.door?.toLowerCase() === 'api',
    note: action === 'AddNote' ? (webhook.note ?? null) : null,
    owner: webhook.owner ?? null,
    occurredAt: webhook.occurredAt?.toISOString() ?? null,
  };
}
