import type { ProviderDoor } from '../../incidents/provider-door.ts';
import { parseOpsgenieWebhook, verifyOpsgenieWebhook } from './webhook.ts';

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
      const { dedupKey, ...change } = parsed.webhook;
      return { ok: true, dedupKey, change };
    },
  };
}
