import type { NotifyFailure, NotifyFailureReason } from '../../notify/notifier.ts';

/** Whether calls are held back is decided before Slack is asked. */
type SlackReason = Exclude<NotifyFailureReason, 'held'>;

/**
 * What each error code of the Web API means to us
 * (https://docs.slack.dev/reference/methods, "Errors" of each method). A code
 * that is not here is taken as passing: Slack adds codes without notice.
 */
const codesByReason: Record<SlackReason, readonly string[]> = {
  'rate-limited': ['ratelimited', 'rate_limited', 'message_limit_exceeded'],
  // "Some aspect of the operation may have succeeded before the error was raised."
  unknown: ['internal_error', 'fatal_error'],
  channel: [
    'channel_not_found',
    'not_in_channel',
    'is_archived',
    'is_inactive',
    'messages_tab_disabled',
    'cannot_reply_to_message',
    'channel_is_limited_access',
    'method_not_supported_for_channel_type',
    'too_many_members',
    'posting_to_channel_denied',
  ],
  app: [
    'missing_scope',
    'no_permission',
    'not_allowed_token_type',
    'ekm_access_denied',
    'team_access_not_granted',
    'metadata_must_be_sent_from_app',
    'access_denied',
    'accesslimited',
    'app_access_restricted',
    'enterprise_is_restricted',
    'as_user_not_supported',
  ],
  auth: [
    'invalid_auth',
    'not_authed',
    'token_revoked',
    'token_expired',
    'account_inactive',
    'two_factor_setup_required',
  ],
  payload: [
    'invalid_blocks',
    'invalid_blocks_format',
    'msg_too_long',
    'msg_blocks_too_long',
    'invalid_attachments',
    'attachment_payload_limit_exceeded',
    'too_many_attachments',
    'markdown_text_conflict',
    'no_text',
    'metadata_too_large',
    'invalid_arguments',
    'invalid_arg_name',
    'invalid_array_arg',
    'invalid_charset',
    'invalid_form_data',
    'invalid_post_type',
    'missing_post_type',
    'view_too_large',
    'duplicate_external_id',
  ],
  gone: [
    'message_not_found',
    'thread_not_found',
    'cant_update_message',
    'edit_window_closed',
    'block_mismatch',
    'update_failed',
    'duplicate_message_not_found',
    'duplicate_channel_not_found',
    'expired_trigger_id',
    'exchanged_trigger_id',
    'invalid_trigger_id',
    'trigger_expired',
    'user_not_found',
    'users_not_found',
    'user_not_visible',
    'user_not_in_channel',
  ],
  unavailable: [
    'service_unavailable',
    'request_timeout',
    'team_added_to_org',
    'org_login_required',
    'external_channel_migrating',
  ],
};

const reasonByCode = new Map<string, SlackReason>(
  (Object.keys(codesByReason) as SlackReason[]).flatMap((reason) =>
    codesByReason[reason].map((code) => [code, reason] as const),
  ),
);

/** What somebody has to do. */
const advice: Record<SlackReason, string> = {
  'rate-limited': 'Slack asks to slow down; it is sent again later.',
  unavailable: 'Slack could not take it; it is sent again later.',
  unknown: 'Slack may or may not have done it.',
  channel: 'Nothing can be posted there: invite the app, or unarchive or rename the channel in the settings.',
  app: 'The Slack app lacks a permission: add it and install the app again.',
  auth: 'Slack does not accept the bot token: install the app again and set SLACK_BOT_TOKEN.',
  payload: 'Slack refuses the message itself.',
  gone: 'It is no longer there, or not ours.',
};

/** Retry-After periods beyond an hour are taken as an hour. */
const maxRetryAfterMs = 3_600_000;
const maxDetailLength = 500;

/** Why an error code is a failure of which kind. Unknown codes are `unavailable`. */
export function reasonOfCode(code: string): SlackReason {
  const known = reasonByCode.get(code);
  if (known !== undefined) return known;
  if (code.startsWith('restricted_action')) return 'channel';
  if (code.startsWith('invalid_metadata_')) return 'payload';
  return 'unavailable';
}

/** The failure in an answer `{ok: false, error, …}`. */
export function failureOfAnswer(answer: Record<string, unknown>): NotifyFailure {
  const error = typeof answer['error'] === 'string' ? answer['error'] : '';
  if (!/^[a-z0-9_.:-]{1,80}$/i.test(error)) {
    // A page of a proxy, a login or a maintenance page: the whole of it stands where the code should.
    const found = error.replace(/\s+/g, ' ').trim().slice(0, 120);
    return failure(
      'unavailable',
      'unexpected_answer',
      `This is not an answer of Slack's API: ${found || 'empty'}`,
    );
  }
  const reason = reasonOfCode(error);
  const metadata = recordOf(answer['response_metadata']);
  const retryAfterMs = reason === 'rate-limited' ? secondsToMs(metadata['retryAfter']) : undefined;
  return failure(reason, error, [advice[reason], ...detailsOf(answer, metadata)].join(' '), retryAfterMs);
}

/** A refusal by HTTP status. `retryAfter` is the header's text. */
export function failureOfStatus(status: number, retryAfter: string | null): NotifyFailure {
  const code = `http_${status}`;
  if (status === 429) return failure('rate-limited', code, advice['rate-limited'], secondsToMs(retryAfter));
  if (status >= 500 || status === 408) {
    return failure(
      'unknown',
      code,
      `Slack answered with HTTP ${status}. ${advice.unknown}`,
      secondsToMs(retryAfter),
    );
  }
  return failure(
    'unavailable',
    code,
    `HTTP ${status} is no answer of Slack's API: check SLACK_API_URL and proxies.`,
  );
}

/** Network errors before a connection stood: the request was never sent. */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** No answer at all: refused connections were surely not applied, anything later may have been. */
export function failureOfNetwork(error: unknown): NotifyFailure {
  const causes = causesOf(error);
  if (causes.some((cause) => cause.name === 'TimeoutError')) {
    return failure('unknown', 'timeout', `Slack did not answer in time. ${advice.unknown}`);
  }
  const codes = causes.map((cause) => cause.code).filter((code) => code !== undefined);
  const refused = codes.find((code) => neverSent.has(code));
  if (refused !== undefined) return failure('unavailable', refused, `Slack cannot be reached (${refused}).`);
  const code = codes[0] ?? 'network';
  return failure('unknown', code, `The connection to Slack broke (${code}). ${advice.unknown}`);
}

export function failure(
  reason: NotifyFailureReason,
  code: string,
  detail: string,
  retryAfterMs?: number,
): NotifyFailure {
  const text =
    detail.length <= maxDetailLength ? detail : `${detail.slice(0, maxDetailLength - 1).toWellFormed()}…`;
  return { ok: false, reason, code, detail: text, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** The same failure without any token in it: the one we sent, or one that looks like one. */
export function withoutSecrets(result: NotifyFailure, secret: string): NotifyFailure {
  const clean = (text: string): string =>
    (secret === '' ? text : text.replaceAll(secret, '[token]')).replace(
      /\bx(?:ox[a-z]|app)-[\w-]+/gi,
      '[token]',
    );
  return { ...result, code: clean(result.code), detail: clean(result.detail) };
}

function detailsOf(answer: Record<string, unknown>, metadata: Record<string, unknown>): string[] {
  const details: string[] = [];
  if (typeof answer['needed'] === 'string') {
    const granted = typeof answer['provided'] === 'string' ? answer['provided'] : 'unknown';
    details.push(`Scope needed: ${answer['needed']}; granted: ${granted}.`);
  }
  const messages = metadata['messages'];
  if (Array.isArray(messages)) details.push(...messages.filter((message) => typeof message === 'string'));
  return details;
}

type Cause = { name: string; code: string | undefined };

/** The error, what caused it, and so on; of tries on several addresses, all. */
function causesOf(error: unknown, depth = 0): Cause[] {
  if (!(error instanceof Error) || depth > 5) return [];
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  // The SDK's own codes ("slack_webapi_request_error") say nothing about the network.
  const own = { name: error.name, code: code?.startsWith('slack_') === true ? undefined : code };
  return [own, ...inner.flatMap((cause: unknown) => causesOf(cause, depth + 1))];
}

function secondsToMs(value: unknown): number | undefined {
  const seconds = typeof value === 'string' && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(seconds * 1_000, maxRetryAfterMs);
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
