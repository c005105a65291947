import { createHash, timingSafeEqual } from 'node:crypto';
import type { SourceRequest, Verification } from '../../alerts/source.ts';
import { ourIncident, pagesFor } from './incident-mark.ts';
import { record, text } from './json.ts';
import { type OpsgeniePriority, opsgeniePriorities } from './priority.ts';

/**
 * Opsgenie signs nothing; a header of our choice, set in its Webhook
 * integration, is all there is. Any of the secrets will do (rotation); with
 * none configured nothing is accepted.
 */
export function verifyOpsgenieWebhook(
  headers: SourceRequest['headers'],
  secrets: readonly string[],
): Verification {
  const usable = secrets.filter((secret) => secret !== '');
  if (usable.length === 0) return { ok: false, reason: 'no webhook secret is configured for Opsgenie' };
  const sent = headers[webhookSecretHeader];
  if (sent === undefined || sent === '')
    return { ok: false, reason: `header ${webhookSecretHeader} is missing` };
  if (Array.isArray(sent)) return { ok: false, reason: `header ${webhookSecretHeader} came more than once` };
  const given = digest(sent);
  // Digests have one length, and every secret is compared, so that time tells nothing.
  const matches = usable.map((secret) => timingSafeEqual(given, digest(secret)));
  return matches.includes(true)
    ? { ok: true }
    : { ok: false, reason: `header ${webhookSecretHeader} does not match` };
}

const webhookSecretHeader = 'x-gomon-webhook-secret';

/** What a webhook says. A hint only: bodies are incomplete and unordered, so the entity is read again through the API. */
export type OpsgenieWebhook = {
  /** In the vendor's spelling for the actions we know, else as sent: custom actions are named freely. */
  action: string;
  alertId: string;
  alias: string | null;
  /** Ours, from alias, details or tags; null when the body does not say. */
  incidentId: string | null;
  /** Opsgenie's incident, when this is one of the alerts that page for it. */
  externalIncidentId: string | null;
  /** Who did it: an e-mail, or "System"; null when not said. */
  actor: string | null;
  note?: string;
  /** New owner, for the two ownership actions. */
  owner?: string;
  priority?: OpsgeniePriority;
  occurredAt: Date | null;
  /** How it was done: "web", "API", "incident"; null when not said. */
  door: string | null;
  /** SHA-256 of the raw body, hex: there is no delivery id. */
  dedupKey: string;
};

export type ParsedWebhook = { ok: true; webhook: OpsgenieWebhook } | { ok: false; reason: string };

/**
 * Reads a body as JSON whatever its content type says: it may claim to be a
 * form. Everything but the action and the alert's id may be missing.
 */
export function parseOpsgenieWebhook(rawBody: Uint8Array): ParsedWebhook {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(rawBody));
  } catch {
    return {
      ok: false,
      reason: 'the body is not JSON; expected an alert action of an Opsgenie Webhook integration',
    };
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return {
      ok: false,
      reason: 'the body is not a JSON object; expected an alert action of an Opsgenie Webhook integration',
    };
  }
  const { action: sentAction, alert: sentAlert, source } = record(body);
  const action = text(sentAction)?.trim();
  if (!action)
    return {
      ok: false,
      reason: 'the body has no "action"; expected an alert action of an Opsgenie Webhook integration',
    };
  const alert = record(sentAlert);
  const alertId = text(alert['alertId']);
  if (alertId === null)
    return {
      ok: false,
      reason: 'the body has no "alert.alertId"; expected an alert action of an Opsgenie Webhook integration',
    };
  if (!isId(alertId))
    return {
      ok: false,
      reason: `"alert.alertId" is no id; expected at most ${longestId} characters, none of them a control character`,
    };
  return {
    ok: true,
    webhook: {
      ...describe(action, alertId, alert),
      door: text(record(source)['type']),
      dedupKey: createHash('sha256').update(rawBody).digest('hex'),
    },
  };
}

/** Theirs have 36 or 50. */
const longestId = 200;

/** It goes into paths and into the queue of jobs, whose JSON has no place for NUL or half a character. */
function isId(id: string): boolean {
  return id.length <= longestId && id.isWellFormed() && !/[\u0000-\u001F\u007F]/.test(id);
}

function describe(
  sentAction: string,
  alertId: string,
  alert: Record<string, unknown>,
): Omit<OpsgenieWebhook, 'door' | 'dedupKey'> {
  const action = knownActions.get(sentAction.toLowerCase()) ?? sentAction.slice(0, 100);
  const actor = text(alert['username']);
  const note = text(alert['note']);
  const owner = action === 'TakeOwnership' ? actor : text(alert['owner']);
  const priority = readPriority(alert['priority']);
  return {
    action,
    alertId,
    alias: text(alert['alias']),
    incidentId: ourIncident(alert),
    externalIncidentId: pagesFor(alert),
    actor,
    ...(note !== null && { note }),
    ...(owner !== null && { owner }),
    ...(priority !== null && { priority }),
    occurredAt: readTime(alert['updatedAt']) ?? (action === 'Create' ? readTime(alert['createdAt']) : null),
  };
}

/** "P3" today; 3 and "2" in old bodies. */
function readPriority(value: unknown): OpsgeniePriority | null {
  const name = `P${String(value).replace(/^p/i, '')}`;
  return opsgeniePriorities.find((priority) => priority === name) ?? null;
}

/**
 * `createdAt` is in milliseconds, `updatedAt` in nanoseconds (19 digits, more
 * than a double holds exactly: the last digits are lost, which a millisecond
 * does not notice), either may be text. Told apart by their size.
 */
function readTime(value: unknown): Date | null {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number <= 0) return null;
  const ms = number >= 1e17 ? number / 1e6 : number >= 1e14 ? number / 1e3 : number;
  const date = new Date(Math.round(ms));
  return Number.isNaN(date.getTime()) ? null : date;
}

const knownActions = new Map(
  [
    'Create',
    'Acknowledge',
    'UnAcknowledge',
    'AddNote',
    'AddTags',
    'RemoveTags',
    'AddTeam',
    'AddRecipient',
    'AddResponder',
    'AssignOwnership',
    'TakeOwnership',
    'Escalate',
    'EscalateNext',
    'UpdatePriority',
    'UpdateMessage',
    'UpdateDescription',
    'Snooze',
    'SnoozeEnded',
    'Close',
    'Delete',
  ].map((action) => [action.toLowerCase(), action]),
);

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
