import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { parseOpsgenieWebhook, verifyOpsgenieWebhook } from '../integrations/opsgenie/webhook.ts';
import { requireRight } from './auth.ts';
import { Problem } from './contract/common.ts';
import { storeInbound } from './inbound-store.ts';
import { badRequest, ProblemError } from './problem.ts';
import { keepRawBodies, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';

/**
 * Where Opsgenie tells of changes. A webhook is a hint: it has no signature and
 * no retry worth trusting, so it is checked, stored and answered at once.
 */
export function opsgenieWebhookRoute(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    app.post(
      '/api/v1/webhooks/opsgenie',
      {
        bodyLimit: 1_048_576,
        schema: {
          tags: ['incidents'],
          summary: 'Webhook integration of Opsgenie',
          response: { 200: z.object({ received: z.literal(1), stored: z.boolean() }), default: Problem },
        },
      },
      async (request) => {
        if (services.opsgenieWebhookSecrets.length === 0) {
          requireRight(await services.authenticate(request), 'send');
        } else {
          const verdict = verifyOpsgenieWebhook(request.headers, services.opsgenieWebhookSecrets);
          if (!verdict.ok) throw new ProblemError({ status: 401, detail: `${verdict.reason}.` });
        }
        const parsed = parseOpsgenieWebhook(rawBody(request));
        if (!parsed.ok) throw badRequest(parsed.reason);
        const { stored } = await storeInbound(
          services.db,
          {
            kind: 'opsgenie.webhook',
            dedupKey: parsed.webhook.dedupKey,
            payload: { ...parsed.webhook, body: rawBody(request).toString('utf8') },
            receivedAt: services.clock.now(),
          },
          () => null,
        );
        return { received: 1 as const, stored };
      },
    );
    done();
  };
}
