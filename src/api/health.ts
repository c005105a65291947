import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ApiServices } from './services.ts';

const ReadinessAnswer = z.object({
  state: z.string(),
  dependencies: z.record(z.string(), z.object({ state: z.string(), detail: z.string().optional() })),
});

/** Liveness, readiness and metrics: open to everybody, never limited. */
export function healthRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    app.get(
      '/healthz',
      {
        schema: {
          tags: ['health'],
          security: [],
          summary: 'Liveness',
          response: { 200: z.object({ status: z.literal('ok') }) },
        },
      },
      () => ({ status: 'ok' as const }),
    );
    app.get(
      '/readyz',
      {
        schema: {
          tags: ['health'],
          security: [],
          summary: 'Readiness, with the state of each dependency',
          description: '503 only while the database is away, at start and at stop.',
          response: { 200: ReadinessAnswer, 503: ReadinessAnswer },
        },
      },
      async (_request, reply) => {
        const { ready, state, dependencies } = await services.readiness();
        return reply.code(ready ? 200 : 503).send({ state, dependencies });
      },
    );
    app.get(
      '/metrics',
      {
        schema: {
          tags: ['health'],
          security: [],
          summary: 'Prometheus metrics',
          response: { 200: { content: { 'text/plain': { schema: z.string() } } } },
        },
      },
      async (_request, reply) =>
        reply
          .type(services.metrics.contentType)
          .serializer(String)
          .send(await services.metrics.text()),
    );
    done();
  };
}
