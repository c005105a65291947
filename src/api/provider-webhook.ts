import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { requireRight } from './auth.ts';
import { Problem } from './contract/common.ts';
import { storeInbound } from './inbound-store.ts';
import { badRequest, ProblemError } from './problem.ts';
import { keepRawBodies, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';

/**
 * Where the incident provider tells of changes. Such a webhook is a hint: it has
 * no signature and no retry worth trusting, so it is checked, stored and answered
 * at once.
 */
export function providerWebhookRoute(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    const { providerDoor } = services;
    app.post(
      `/api/v1/webhooks/${providerDoor.name}`,
      {
        bodyLimit: 1_048_576,
        schema: {
          tags: ['incidents'],
          summary: 'Webhook integration of the incident provider',
          response: { 200: z.object({ received: z.literal(1), stored: z.boolean() }), default: Problem },
        },
      },
      async (request) => {
        const verdict = providerDoor.verify(request.headers);
        if (verdict === undefined) requireRight(await services.authenticate(request), 'send');
        else if (!verdict.ok) throw new ProblemError({ status: 401, detail: `${verdict.reason}.` });
        const read = providerDoor.read(rawBody(request));
        if (!read.ok) throw badRequest(read.reason);
        const { stored } = await storeInbound(
          services.db,
          {
            kind: `${providerDoor.name}.webhook`,
            dedupKey: read.dedupKey,
            payload: { ...read.change, body: rawBody(request).toString('utf8') },
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
