import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { databaseTrouble } from '../db/errors.ts';
import type { Problem } from './contract/common.ts';

/** Errors leave as `application/problem+json` (RFC 9457); a 5xx never shows what is inside. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;
  readonly headers: Record<string, string>;

  constructor(
    problem: Omit<Problem, 'type' | 'title'> & { title?: string },
    headers: Record<string, string> = {},
  ) {
    super(problem.detail ?? problem.title ?? String(problem.status));
    this.problem = { type: 'about:blank', title: problem.title ?? titleOf(problem.status), ...problem };
    this.headers = headers;
  }
}

const titles: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

function titleOf(status: number): string {
  return titles[status] ?? 'Error';
}

export function badRequest(detail: string): ProblemError {
  return new ProblemError({ status: 400, detail });
}

export function notFound(what: string, id: string): ProblemError {
  return new ProblemError({ status: 404, detail: `There is no ${what} ${id}.` });
}

/** `Allow` names what the path takes (RFC 9110 §15.5.6). */
export function methodNotAllowed(method: string, path: string, allowed: string[]): ProblemError {
  const allow = allowed.join(', ');
  return new ProblemError({ status: 405, detail: `${path} takes ${allow}, not ${method}.` }, { allow });
}

export function conflict(detail: string): ProblemError {
  return new ProblemError({ status: 409, detail });
}

/** Nothing was stored; the sender is asked to come again. */
export function unavailable(detail: string, retryAfterSeconds = 5): ProblemError {
  return new ProblemError({ status: 503, detail }, { 'retry-after': String(retryAfterSeconds) });
}

/**
 * Under this path we are an Alertmanager, whose clients read no other type than
 * JSON; what is wrong with a request is a text to them.
 * @see https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (BadRequest)
 */
const alertmanagerApi = '/api/v2/';

export function sendProblem(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const { problem, headers } = toProblem(error, request);
  if (problem.status >= 500 && problem.status !== 503) request.log.error({ err: error }, 'a request failed');
  const asText = problem.status < 500 && request.url.startsWith(alertmanagerApi);
  const document = { ...problem, instance: request.url.split('?')[0] };
  void reply
    .headers(headers)
    .code(problem.status)
    .type(asText ? 'application/json' : 'application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(asText ? (problem.detail ?? problem.title) : document);
}

function toProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
): { problem: Problem; headers: Record<string, string> } {
  if (error instanceof ProblemError) return { problem: error.problem, headers: error.headers };
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map((issue) => ({
      path: `${error.validationContext ?? ''}${issue.instancePath}`,
      message: issue.message ?? 'is not valid',
    }));
    const detail = errors.map((one) => `${one.path}: ${one.message}`).join('; ');
    return {
      problem: { type: 'about:blank', title: titleOf(400), status: 400, detail, errors },
      headers: {},
    };
  }
  const trouble = databaseTrouble(error);
  if (trouble === 'unavailable' || trouble === 'busy') {
    const { problem, headers } =
      trouble === 'unavailable'
        ? unavailable('The database is not reachable. Try again; what was done already is found done then.')
        : unavailable('The database is busy. Nothing was changed; try again.', 2);
    return { problem, headers };
  }
  if ((request.method === 'GET' || request.method === 'HEAD') && isNoTime(error)) {
    const problem = badRequest('A time in the query does not exist, or lies beyond what is kept.');
    return { problem: problem.problem, headers: {} };
  }
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
  const detail =
    status >= 500 ? 'An unexpected error; its details are in the log.' : detailOf(error, request);
  return { problem: { type: 'about:blank', title: titleOf(status), status, detail }, headers: {} };
}

/** invalid_datetime_format, datetime_field_overflow: in a read it came with the query. */
function isNoTime(error: Error): boolean {
  return 'code' in error && (error.code === '22007' || error.code === '22008');
}

function detailOf(error: FastifyError | Error, request: FastifyRequest): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const sent = request.headers['content-length'];
    return `The body is too large${sent === undefined ? '' : ` (${sent} bytes)`}; at most ${request.routeOptions.bodyLimit} bytes are taken here.`;
  }
  return error.message;
}
