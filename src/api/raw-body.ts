import { MIMEType } from 'node:util';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';

/**
 * Inside this plugin's scope bodies stay bytes: signatures are over the exact
 * bytes, and a sender's content type is not to be trusted (Grafana's extra headers
 * can override it, Opsgenie may send JSON as a form).
 */
export function keepRawBodies(scope: FastifyInstance): void {
  scope.addHook('onRequest', (request, _reply, done) => {
    const type = request.headers['content-type'];
    // The framework refuses a type that it cannot read before any parser is asked.
    if (type !== undefined && !isReadable(type)) delete request.raw.headers['content-type'];
    done();
  });
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = request.headers['content-encoding']?.trim() ?? '';
    if (encoding !== '' && encoding.toLowerCase() !== 'identity') {
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

/** For routes whose schemas are there for the reader: what is wrong with a body is said by whoever reads it. */
export const documentedOnly = { validatorCompiler: () => (value: unknown) => ({ value }) };

function isReadable(type: string): boolean {
  try {
    return new MIMEType(type).essence !== '';
  } catch {
    return false;
  }
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
