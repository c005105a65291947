import { callJson, type HttpResult } from '../../lib/http.ts';
import type { MessageContent, Notifier, NotifyFailure, NotifyResult } from '../../notify/notifier.ts';

/**
 * A webhook of somebody's choice behind the notifier port: one POST with JSON for
 * each state of a message. The receiver tells posts of one message apart from others
 * by `notificationId`, which stays the same from the first to the last, so a repeat
 * after a lost answer does no harm.
 */
export function createWebhookNotifier(options: { url: string; timeoutMs?: number }): Notifier {
  const call = async (
    message: { card: MessageContent; notificationId: string },
    signal: AbortSignal,
  ): Promise<NotifyResult> => {
    const { timeoutMs = 10_000 } = options;
    const result = await callJson(
      { method: 'POST', url: options.url, json: bodyOf(message) },
      { timeoutMs, maxBodyBytes, headers: { 'user-agent': 'gomon' } },
      signal,
    );
    return resultOf(result, message.notificationId);
  };
  return { name: 'webhook', post: call, edit: call };
}

/** Nothing of the answer is needed. */
const maxBodyBytes = 65_536;

/** Names as in our API, and nothing that only makes sense in a chat. */
function bodyOf({ card, notificationId }: { card: MessageContent; notificationId: string }) {
  if (card.kind === 'text') return { event: 'notice', notificationId, text: card.text };
  const { alertId, severity, status, title, description, source, namespace, startsAt, resolvedAt } = card;
  return {
    event: 'alert',
    notificationId,
    alert: {
      id: alertId,
      severity,
      status,
      title,
      description,
      source,
      namespace,
      startsAt,
      resolvedAt,
      acknowledgedBy: card.acknowledgedBy?.name ?? null,
      assignedTo: card.assignedTo?.name ?? null,
      labels: Object.fromEntries(card.labels.map(({ name, value }) => [name, value])),
      url: card.url,
    },
    incident: card.incident,
  };
}

function resultOf(result: HttpResult, notificationId: string): NotifyResult {
  // A receiver may answer in whatever form; that it says 2xx is all that counts.
  const answer = result.ok ? result : result.response;
  if (answer === null || (!result.ok && result.kind !== 'not-json')) return ofNetwork(result);
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return { ok: true, channelId: 'webhook', messageId: notificationId };
  const failed = { ok: false as const, code: `http_${status}`, detail: `The webhook answered ${status}.` };
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  const period = Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1_000 } : {};
  if (status === 429) return { ...failed, reason: 'rate-limited', ...period };
  if (status >= 500 || status === 408) return { ...failed, reason: 'unavailable', ...period };
  if (status === 401 || status === 403) return { ...failed, reason: 'auth' };
  return { ...failed, reason: status === 413 || status === 422 ? 'payload' : 'channel' };
}

/** A repeat is harmless, so whether the call arrived makes no difference. */
function ofNetwork(result: HttpResult): NotifyFailure {
  const { code, detail } = result.ok ? { code: 'network', detail: 'no answer' } : result;
  return { ok: false, reason: 'unavailable', code, detail };
}
