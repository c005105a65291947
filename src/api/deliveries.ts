import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { findDelivery, originalBody } from '../alerts/delivery-store.ts';
import { requireRight } from './auth.ts';
import { Id, ProblemAnswer } from './contract/common.ts';
import { notFound } from './problem.ts';
import type { ApiServices } from './services.ts';

const params = z.object({ id: Id });

const Delivery = z.object({
  id: z.string(),
  receivedAt: z.string(),
  source: z.string(),
  sender: z.string(),
  contentType: z.string().nullable(),
  headers: z.record(z.string(), z.unknown()),
  bodyBytes: z.number().int(),
  outcome: z
    .record(z.string(), z.unknown())
    .describe('Counts by outcome, and why what was refused or ignored was.'),
});

/** What arrived, for whoever asks why an alert is as it is, or why it is not there. */
export function deliveryRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    app.get(
      '/api/v1/deliveries/:id',
      {
        schema: {
          tags: ['sources'],
          summary: 'One request of a source, and what became of it',
          params,
          response: { 200: Delivery, default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const row = await findDelivery(services.db, request.params.id);
        if (row === undefined) throw notFound('delivery', request.params.id);
        return {
          id: row.id,
          receivedAt: row.received_at.toISOString(),
          source: row.source,
          sender: row.sender,
          contentType: row.content_type,
          headers: row.headers,
          bodyBytes: row.body_bytes,
          outcome: row.outcome,
        };
      },
    );
    app.get(
      '/api/v1/deliveries/:id/body',
      {
        schema: {
          tags: ['sources'],
          summary: 'Its bytes, as they arrived',
          params,
          response: {
            200: {
              content: {
                'application/octet-stream': {
                  schema: z.unknown().meta({ type: 'string', format: 'binary' }),
                },
              },
            },
            default: ProblemAnswer,
          },
        },
      },
      async (request, reply) => {
        requireRight(await services.authenticate(request), 'read');
        const row = await findDelivery(services.db, request.params.id);
        if (row === undefined) throw notFound('delivery', request.params.id);
        // Never under the sender's content type: the bytes are hostile, and this is our origin.
        return reply
          .type('application/octet-stream')
          .header('content-disposition', `attachment; filename="delivery-${row.id}"`)
          .send(originalBody(row));
      },
    );
    done();
  };
}
