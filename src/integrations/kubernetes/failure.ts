import { maskSecrets } from './mask-secrets.ts';

/**
 * Why a call to the API server failed, in the terms its callers decide by.
 * `credentials`: ours could not be made, so nothing was sent.
 */
export type KubeFailureKind =
  | 'unauthorized'
  | 'forbidden'
  | 'absent'
  | 'expired'
  | 'throttled'
  | 'refused'
  | 'server'
  | 'timeout'
  | 'network'
  | 'credentials'
  | 'too-large'
  | 'bad-answer'
  | 'aborted';

export type KubeFailure = {
  ok: false;
  kind: KubeFailureKind;
  /** Null where no answer came. */
  status: number | null;
  /** A network code, or the reason word of the answer ("Expired"). */
  code: string;
  /** For people; holds no header, no URL, no credentials. */
  detail: string;
  /** What the server asked for; null where it did not. */
  retryAfterMs: number | null;
  /** What came with a status that is no success, for those who know how to read it; never shown. */
  body?: string;
};

export function failure(
  kind: KubeFailureKind,
  code: string,
  detail: string,
  more: { status?: number; retryAfterMs?: number | null } = {},
): KubeFailure {
  return {
    ok: false,
    kind,
    status: more.status ?? null,
    code,
    detail: maskSecrets(detail).slice(0, 300),
    retryAfterMs: more.retryAfterMs ?? null,
  };
}

/** As much of a `Status` as is used: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
type StatusBody = { reason?: string; message?: string; code?: number; details?: unknown };

/**
 * What an answer that is no success means.
 * @param body the answer's text: a Status as JSON, or a word of a proxy, which is not repeated.
 */
export function answerFailure(
  status: number,
  body: string,
  retryAfter: string | null,
  now: Date,
): KubeFailure {
  const told = readStatus(body);
  return { ...statusFailure({ ...told, code: status }, retryAfterMs(retryAfter, now)), body };
}

/** The same for an `ERROR` that arrives within a watch. */
export function statusFailure(status: StatusBody, wait: number | null = null): KubeFailure {
  const code = status.code ?? 0;
  const reason = status.reason ?? '';
  const seconds = detailSeconds(status.details);
  return failure(
    kindOf(code, reason),
    reason === '' ? String(code) : reason,
    `the API server answered ${code}${reason === '' ? '' : ` ${reason}`}${status.message ? `: ${status.message}` : ''}`,
    { status: code, retryAfterMs: wait ?? seconds },
  );
}

function kindOf(code: number, reason: string): KubeFailureKind {
  if (code === 410 || reason === 'Expired' || reason === 'Gone') return 'expired';
  if (code === 401) return 'unauthorized';
  if (code === 403) return 'forbidden';
  // 405 and 406: the resource is there, but not in the way we need it.
  if (code === 404 || code === 405 || code === 406) return 'absent';
  if (code === 429) return 'throttled';
  if (code >= 500) return 'server';
  return code >= 400 ? 'refused' : 'bad-answer';
}

function readStatus(body: string): StatusBody {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null || !('kind' in parsed) || parsed.kind !== 'Status')
      return {};
    const { reason, message, details } = parsed as Record<string, unknown>;
    return {
      ...(typeof reason === 'string' && { reason: reason.slice(0, 60) }),
      ...(typeof message === 'string' && { message }),
      details,
    };
  } catch {
    return {};
  }
}

/** `details.retryAfterSeconds` of a Status. */
function detailSeconds(details: unknown): number | null {
  if (typeof details !== 'object' || details === null || !('retryAfterSeconds' in details)) return null;
  const seconds = details.retryAfterSeconds;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : null;
}

/** `Retry-After` in either of its forms (RFC 9110); null when it is absent or makes no sense. */
export function retryAfterMs(header: string | null, now: Date): number | null {
  if (header === null) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}

/** What the network threw. undici hides the real cause one level down, and happy eyeballs in a list. */
export function networkFailure(error: unknown): KubeFailure {
  const code = codeOf(error) ?? 'network-error';
  if (/^UND_ERR_(HEADERS|BODY|CONNECT)_TIMEOUT$/.test(code) || code === 'ETIMEDOUT')
    return failure('timeout', code, `no answer of the API server in time (${code})`);
  if (/CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO_/.test(code)) {
    return failure(
      'network',
      code,
      `the certificate of the API server is not accepted (${code}); check the CA file`,
    );
  }
  return failure('network', code, `no connection to the API server (${code})`);
}

function codeOf(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > 4) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code.slice(0, 60);
  if (error instanceof AggregateError) return codeOf(error.errors[0], depth + 1);
  return codeOf(error.cause, depth + 1);
}
