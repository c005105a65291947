import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';

/**
 * Inside this plugin's scope bodies stay bytes: signatures are over the exact
 * bytes, and a sender's content type is not to be trusted (Grafana's extra headers
 * can override it, Opsgenie may send JSON as a form).
 */
export function keepRawBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      done(
        new ProblemError({
          status: 415,
          detail: `Content-Encoding ${encoding} was sent; bodies are taken uncompressed.`,
        }),
      );
    } else {
      done(null, body);
    }
  });
}

export function rawBody(request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

/** Whatever a sender's extra header for a proxy or for us may be called. */
const secretHeaders = /authorization|cookie|secret|token|passw|api-?key/;

/** Headers as they are kept with a delivery: without credentials, and none that is longer than useful. */
export function keptHeaders(request: FastifyRequest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      value === undefined || secretHeaders.test(name)
        ? []
        : [[name, (Array.isArray(value) ? value.join(', ') : value).slice(0, 1_000).replaceAll('\0', '')]],
    ),
  );
}
