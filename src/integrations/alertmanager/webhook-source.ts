import type { AlertSource, ParsedDelivery, Refusal, SourceRequest } from '../../alerts/source.ts';
import { excerpt, isObject } from '../../lib/found.ts';
import { parseJsonBody, seenJson } from '../../lib/json-body.ts';
import { readAlerts, readSignal, readTruncated } from '../../alerts/read-signal.ts';

/**
 * Prometheus Alertmanager's webhook_config, version 3 and 4, and senders that
 * imitate it with a version of their own. It has no signature of any kind, so
 * there is no `verify`. Neither the group key (a number beyond 2^53 in version
 * 3) nor the group's status is used.
 */
export function createAlertmanagerSource(): AlertSource {
  return { name: 'alertmanager', parse: parseWebhook };
}

function parseWebhook(request: SourceRequest): ParsedDelivery | Refusal {
  const body = parseJsonBody(request.rawBody);
  if (!body.ok) return refuse(body.seen);
  if (Array.isArray(body.value)) {
    return refuse(`${seenJson(body.value)}, as Prometheus posts it to /api/v2/alerts`);
  }
  if (!isObject(body.value) || !('alerts' in body.value)) return refuse(seenJson(body.value));

  const entries = readAlerts(body.value['alerts'], (alert, path) => readSignal(alert, path, { tenant: '' }));
  if (!Array.isArray(entries)) return entries;
  const { version, truncatedAlerts } = body.value;
  const named = typeof version === 'string' ? `version ${excerpt(version, 20)}` : 'no version';
  return {
    ok: true,
    entries,
    format: `Alertmanager webhook, ${named}`,
    ...readTruncated(truncatedAlerts),
  };
}

function refuse(seen: string): Refusal {
  return {
    ok: false,
    reason:
      `Expected the default payload of an Alertmanager webhook_config (a JSON object with "alerts"), but the body is ${seen}. ` +
      'If the receiver has a "payload" template, remove it; if this is not Alertmanager, use the address of its own source or POST /api/v1/alerts.',
  };
}
