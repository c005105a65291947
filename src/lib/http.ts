import { Headers, Request, type Response } from 'undici';
import { forbiddenAddress } from './forbidden-address.ts';
import { outgoingFetch } from './outgoing.ts';

/**
 * The one way out to JSON APIs over HTTP. Whatever the network or the other
 * side does becomes a value; retrying is the caller's decision.
 */
export type HttpOptions = {
  /** For the whole call, the body included. */
  timeoutMs: number;
  /** A longer answer is given up. */
  maxBodyBytes: number;
  /** Sent with every call; may hold credentials. What the other side answers may quote them: see `maskSecrets`. */
  headers?: Record<string, string>;
};

export type HttpRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
};

export type HttpResult = HttpResponse | HttpFailure;

/** Any status, a 500 too, as long as the body was JSON or empty (then `body` is null). */
export type HttpResponse = { ok: true; status: number; headers: Headers; body: unknown };

export type HttpFailure = {
  ok: false;
  kind: 'network' | 'timeout' | 'too-large' | 'not-json';
  /** `no`: the request surely never reached the other side's code. `maybe`: it can have done its work. */
  applied: 'no' | 'maybe';
  /** A network code such as ECONNREFUSED, or a word of ours. */
  code: string;
  /** For people; never repeats a header, a URL or a body. */
  detail: string;
  /** What had been received before it failed: a proxy's HTML page has a status, too. */
  response: { status: number; headers: Headers } | null;
};

/** Does one call. Never throws for what the network or the other side does; redirects are refused. */
export async function callJson(
  request: HttpRequest,
  options: HttpOptions,
  signal: AbortSignal,
): Promise<HttpResult> {
  if (signal.aborted) return failure('network', 'no', 'aborted', 'given up before it was sent');
  const prepared = prepare(request, options);
  if (prepared === null) {
    return failure(
      'network',
      'no',
      'invalid-request',
      'the URL or a header cannot be sent; check the settings',
    );
  }
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const within = AbortSignal.any([signal, timeout]);
  let received: HttpFailure['response'] = null;
  try {
    const response = await outgoingFetch(prepared, { signal: within });
    received = { status: response.status, headers: response.headers };
    const text = await readText(response, options.maxBodyBytes);
    if (text === null) {
      return failure(
        'too-large',
        'maybe',
        'too-large',
        `the answer is longer than ${options.maxBodyBytes} bytes`,
        received,
      );
    }
    return parsed(text, received);
  } catch (error) {
    if (signal.aborted)
      return failure('network', 'maybe', 'aborted', 'given up while waiting for the answer', received);
    if (timeout.aborted)
      return failure('timeout', 'maybe', 'timeout', `no answer within ${options.timeoutMs} ms`, received);
    return networkFailure(error, received);
  }
}

/**
 * Null when fetch would refuse it. Its own error texts are not passed on: they
 * quote the header value, which may be a key with a stray newline.
 */
function prepare(request: HttpRequest, options: HttpOptions): Request | null {
  const hasBody = request.json !== undefined;
  const body = hasBody ? JSON.stringify(request.json) : null;
  try {
    const headers = new Headers({ accept: 'application/json', ...options.headers, ...request.headers });
    if (hasBody) headers.set('content-type', 'application/json');
    return new Request(request.url, { method: request.method, headers, body });
  } catch {
    return null;
  }
}

/** Null when it is longer than allowed; the rest is not read then. */
async function readText(response: Response, maxBodyBytes: number): Promise<string | null> {
  if (response.body === null) return '';
  if (Number(response.headers.get('content-length') ?? 0) > maxBodyBytes) {
    await response.body.cancel();
    return null;
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (bytes > maxBodyBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * For words of the other side that are logged or kept: vendors quote requests. Never
 * for what decides something: a short secret is part of ordinary words.
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '[secret]')), text);
}

function parsed(text: string, received: { status: number; headers: Headers }): HttpResult {
  if (text.trim() === '') return { ok: true, ...received, body: null };
  try {
    return { ok: true, ...received, body: JSON.parse(text) as unknown };
  } catch {
    const type = received.headers.get('content-type')?.split(';')[0]?.slice(0, 40) ?? 'no content type';
    return failure(
      'not-json',
      'maybe',
      'not-json',
      `status ${received.status} with a body that is not JSON (${type})`,
      received,
    );
  }
}

/** Codes that mean no byte of the request went out. */
const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  forbiddenAddress,
]);

function networkFailure(error: unknown, received: HttpFailure['response']): HttpFailure {
  const cause = error instanceof Error ? error.cause : undefined;
  const word = cause instanceof Error ? cause.message : '';
  if (word === 'unexpected redirect') {
    return failure(
      'network',
      'maybe',
      'redirect',
      'the address redirects elsewhere, which is not followed; check the URL',
      received,
    );
  }
  if (word === 'bad port') return failure('network', 'no', 'bad-port', 'fetch refuses this port', received);
  const code = codeOf(cause) ?? codeOf(error) ?? 'network-error';
  return neverConnected.has(code)
    ? failure('network', 'no', code, `no connection (${code})`, received)
    : failure('network', 'maybe', code, `the connection broke (${code})`, received);
}

/** Happy eyeballs reports one error per address: the first stands for all. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code.slice(0, 60);
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined;
}

function failure(
  kind: HttpFailure['kind'],
  applied: HttpFailure['applied'],
  code: string,
  detail: string,
  response: HttpFailure['response'] = null,
): HttpFailure {
  return { ok: false, kind, applied, code, detail, response };
}
