import type { ProviderFailure } from '../../incidents/provider.ts';
import type { HttpFailure } from '../../lib/http.ts';
import { record, text } from './json.ts';

/** A call that brought no usable answer. A proxy's HTML page counts by its status, except a success, which proves nothing. */
export function classifyFailure(failure: HttpFailure): ProviderFailure {
  const status = failure.response?.status;
  if (failure.kind === 'not-json' && status !== undefined && status >= 400) {
    return classifyStatus(status, failure.response?.headers ?? new Headers(), null);
  }
  const reason = failure.applied === 'no' ? 'unavailable' : 'unknown';
  return { ok: false, reason, code: failure.code, detail: `Opsgenie: ${failure.detail}` };
}

/**
 * What an error status means for the command.
 * https://docs.opsgenie.com/docs/response (codes), /docs/api-rate-limiting (429)
 */
export function classifyStatus(status: number, headers: Headers, body: unknown): ProviderFailure {
  const code = String(status);
  const said = vendorText(body);
  const detail = clipDetail(`Opsgenie answered ${status}${said === '' ? '' : `: ${said}`}`);
  if (status === 429) {
    const retryAfterMs = throttlePeriodMs(headers);
    return {
      ok: false,
      reason: 'rate-limited',
      ...(retryAfterMs !== null && { retryAfterMs }),
      code,
      detail,
    };
  }
  if (status === 401 || status === 402 || status === 403) {
    return { ok: false, reason: 'auth', code, detail: `${detail} (${authHelp[status]})` };
  }
  // 501 says the call does not exist; any other 5xx, and a request timeout, leave open what was done.
  if ((status >= 500 && status !== 501) || status === 408 || status < 400) {
    return { ok: false, reason: 'unknown', code, detail };
  }
  return { ok: false, reason: 'rejected', code, detail };
}

const authHelp = {
  401: 'check the API key, its region and that its integration is on',
  402: 'the plan does not include this',
  403: 'the API key lacks a right: it needs read, create and update',
} as const;

/** Null when the vendor names no period. An absurd one is held to an hour. */
function throttlePeriodMs(headers: Headers): number | null {
  const seconds = Number(headers.get('x-ratelimit-period-in-sec') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : null;
}

/** `message`, and of a 422 the fields with what is wrong with each. */
function vendorText(body: unknown): string {
  const { message, errors } = record(body);
  const fields = Object.entries(record(errors)).map(([field, problem]) => `${field}: ${String(problem)}`);
  return [text(message), ...fields].filter((part) => part !== null).join('; ');
}

/** Short enough for a log line. */
export function clipDetail(detail: string): string {
  const line = detail.replaceAll(/\s+/g, ' ');
  return line.length > 300 ? `${line.slice(0, 299).toWellFormed()}…` : line;
}
