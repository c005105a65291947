import type { FastifyInstance } from 'fastify';
import type { ResponseUrls } from './response-urls.ts';

/** The addresses behind `response_url`. */
export function responseUrlRoutes(responseUrls: ResponseUrls): (scope: FastifyInstance) => Promise<void> {
  return async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    scope.post('/hooks/*', (request, reply) => {
      const path = request.url.split('?')[0] ?? '';
      const { status, body } = responseUrls.use(path, typeof request.body === 'string' ? request.body : '');
      return reply
        .code(status)
        .type(status === 200 ? 'text/html' : 'application/json')
        .send(body);
    });
  };
}
