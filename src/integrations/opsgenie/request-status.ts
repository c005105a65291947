import type { ProviderFailure } from '../../incidents/provider.ts';
import type { OpsgenieAnswer } from './client.ts';
import { record, text, time } from './json.ts';

/** What became of an accepted request, before it is known where the thing is to be seen. */
export type RequestOutcome =
  | { ok: true; state: 'pending' }
  | { ok: true; state: 'done'; id: string | null; processedAt: Date | null }
  | { ok: true; state: 'failed'; detail: string }
  | ProviderFailure;

/** The id of a request from a 202. Null when the answer has none: then nothing proves that it was taken. */
export function acceptedRequestId(answer: { body: unknown; headers: Headers }): string | null {
  return text(record(answer.body)['requestId']) ?? text(answer.headers.get('x-request-id'));
}

/**
 * Reads the answer of a request status call. Not yet processed is a 404 there
 * (`X-Opsgenie-Errortype: RequestNotProcessed`, not always present), a failed
 * request is a 200 with `isSuccess: false`. `status` is text for people only:
 * its wording varies.
 */
export function readRequestOutcome(
  answer: OpsgenieAnswer,
  mask: (text: string) => string = (words) => words,
): RequestOutcome {
  if (!answer.ok) return answer.code === '404' ? { ok: true, state: 'pending' } : answer;
  const body = record(answer.body);
  const data = 'data' in body ? record(body['data']) : body;
  const success = data['isSuccess'] ?? data['success'];
  if (success === true)
    return {
      ok: true,
      state: 'done',
      id: text(data['incidentId']) ?? text(data['alertId']),
      processedAt: time(data['processedAt']),
    };
  if (success === false)
    return {
      ok: true,
      state: 'failed',
      detail: mask(text(data['status']) ?? 'no reason given').slice(0, 300),
    };
  return {
    ok: false,
    reason: 'unknown',
    code: 'no-outcome',
    detail: 'Opsgenie: the request status says neither success nor failure',
  };
}
