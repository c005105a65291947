import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FaultQueue, FaultRule } from '../faults.ts';
import type { JsonObject } from '../json.ts';
import type { RateLimits } from '../rate-limits.ts';
import type { SlackState } from '../state.ts';
import type { Triggers } from '../triggers.ts';
import { decodeFields, readArguments, textArg } from './arguments.ts';
import { methods } from './catalog.ts';
import { fail } from './method.ts';
import type { Answer, Method } from './method.ts';

export type WebApiParts = {
  state: SlackState;
  triggers: Triggers;
  limits: RateLimits;
  faults: FaultQueue;
  botToken: string;
  /** Null: the app has none. */
  appToken: string | null;
  socketUrl: () => string;
  scopes: ReadonlySet<string>;
  baseUrl: () => string;
  /** Ends waits when the sandbox closes. */
  closing: AbortSignal;
};

type Outcome = { status: number; answer: Answer; applied: boolean; retryAfterSeconds?: number };

/** The Web API under /api/METHOD. Everything is answered 200 with `ok`, but for 429 and injected faults. */
export function webApiRoutes(parts: WebApiParts): (scope: FastifyInstance) => Promise<void> {
  return async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    scope.route<{ Params: { method: string } }>({
      method: ['GET', 'POST'],
      url: '/api/:method',
      handler: (request, reply) => handle(parts, request.params.method, request, reply),
    });
  };
}

async function handle(
  parts: WebApiParts,
  name: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { state } = parts;
  const at = state.now();
  const read = readCall(request);
  const { token: tokenField, ...args } = typeof read === 'string' ? {} : read;
  const fault = parts.faults.take(name, args);
  const record = (status: number, answer: Answer | null, applied: boolean): void =>
    state.log(state.calls, { method: name, at, args, status, answer, fault: fault?.kind ?? null, applied });

  if (fault) {
    const before = faultBefore(fault);
    if (before) {
      record(before.status, before.answer, false);
      return before.send(reply);
    }
  }
  const token = bearer(request) ?? (typeof tokenField === 'string' ? tokenField : undefined);
  const outcome = typeof read === 'string' ? refused(fail(read)) : call(parts, name, token, args);
  if (!outcome.answer.ok) state.refuse(name, outcome.answer.error, describe(outcome.answer), args);
  if (fault?.kind === 'delay') await pause(fault.delayMs, parts.closing);
  if (fault?.kind === 'timeout-after-applying' || fault?.kind === 'reset-after-applying') {
    record(0, null, outcome.applied);
    return fault.kind === 'timeout-after-applying' ? hold(reply) : reset(reply);
  }
  record(outcome.status, outcome.answer, outcome.applied);
  const method = methods.get(name);
  const answer = withCharsetWarning(outcome.answer, request.headers['content-type'] ?? '');
  void reply
    .code(outcome.status)
    .header('x-oauth-scopes', [...parts.scopes].join(','))
    .header('x-accepted-oauth-scopes', (method?.scopes ?? []).join(','))
    .header('content-type', 'application/json; charset=utf-8');
  if (outcome.retryAfterSeconds !== undefined)
    void reply.header('retry-after', String(outcome.retryAfterSeconds));
  return reply.send(JSON.stringify(answer));
}

function call(parts: WebApiParts, name: string, token: string | undefined, args: JsonObject): Outcome {
  const { state, scopes } = parts;
  const method: Method | undefined = methods.get(name);
  if (!method) return refused(fail('unknown_method', { req_method: name }));
  if (token === undefined) return refused(fail('not_authed'));
  if (token !== (method.token === 'app' ? parts.appToken : parts.botToken)) {
    const isAppToken = token.startsWith('xapp-');
    const isWrongType = isAppToken !== (method.token === 'app');
    return refused(fail(isWrongType ? 'not_allowed_token_type' : 'invalid_auth'));
  }
  if (method.scopes.length > 0 && !method.scopes.some((scope) => scopes.has(scope))) {
    return refused(
      fail('missing_scope', { needed: method.scopes.join(','), provided: [...scopes].join(',') }),
    );
  }
  const channelId = state.findChannel(textArg(args, 'channel') ?? '')?.id ?? textArg(args, 'channel') ?? null;
  const waitSeconds = parts.limits.take(name, channelId, state.now());
  if (waitSeconds !== null)
    return { ...refused(fail('ratelimited')), status: 429, retryAfterSeconds: waitSeconds };
  const { triggers, socketUrl } = parts;
  const answer = method.run({ state, triggers, baseUrl: parts.baseUrl(), scopes, socketUrl, args });
  return { status: 200, answer, applied: answer.ok };
}

function refused(answer: Answer): Outcome {
  return { status: 200, answer, applied: false };
}

function readCall(request: FastifyRequest): JsonObject | 'invalid_json' | 'invalid_post_type' {
  if (request.method === 'GET') return decodeFields({ ...(request.query as JsonObject) });
  return readArguments(
    request.headers['content-type'] ?? '',
    typeof request.body === 'string' ? request.body : '',
  );
}

function bearer(request: FastifyRequest): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** What the caller sees of a fault that strikes before anything is applied; null for the others. */
function faultBefore(
  fault: FaultRule,
): { status: number; answer: Answer | null; send: (reply: FastifyReply) => unknown } | null {
  switch (fault.kind) {
    case 'http-500':
      return {
        status: 500,
        answer: null,
        send: (reply) => reply.code(500).type('text/plain').send('Internal Server Error'),
      };
    case 'html-200':
      return {
        status: 200,
        answer: null,
        send: (reply) => reply.code(200).type('text/html; charset=utf-8').send(maintenance),
      };
    case 'reset':
      return { status: 0, answer: null, send: reset };
    case 'timeout-before':
      return { status: 0, answer: null, send: hold };
    case 'ok-false': {
      const answer = fail(fault.error);
      return { status: 200, answer, send: (reply) => reply.code(200).send(answer) };
    }
    case 'rate-limit': {
      const answer = fail('ratelimited');
      const wait = fault.retryAfterSeconds;
      const send = (reply: FastifyReply): unknown =>
        (wait === null ? reply : reply.header('retry-after', String(wait))).code(429).send(answer);
      return { status: 429, answer, send };
    }
    case 'delay':
    case 'timeout-after-applying':
    case 'reset-after-applying':
      return null;
  }
}

const maintenance = `<!doctype html><html><head><title>Maintenance</title></head><body>${'<p>We will be back soon.</p>'.repeat(40)}</body></html>`;

/** Never answers: the connection stays open until the caller gives up or the sandbox closes. */
function hold(reply: FastifyReply): FastifyReply {
  return reply.hijack();
}

function reset(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.socket?.resetAndDestroy();
  return reply;
}

function pause(delayMs: number, closing: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      closing.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    closing.addEventListener('abort', end);
  });
}

/** Slack frowns at JSON without a charset. */
function withCharsetWarning(answer: Answer, contentType: string): JsonObject {
  if (!answer.ok || !contentType.startsWith('application/json') || /charset=/i.test(contentType))
    return answer;
  const metadata = (answer['response_metadata'] ?? {}) as { warnings?: string[] };
  const warnings = [...(metadata.warnings ?? []), 'missing_charset'];
  return { ...answer, warning: warnings.join(','), response_metadata: { ...metadata, warnings } };
}

function describe(answer: Answer): string {
  const metadata = answer['response_metadata'] as { messages?: string[] } | undefined;
  return metadata?.messages?.join('; ') ?? '';
}
