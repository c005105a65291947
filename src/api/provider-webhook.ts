import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { storeInbound } from '../db/inbound-store.ts';
import { providerEventsJob } from '../incidents/inbound-events.ts';
import type { ProviderEvent } from '../incidents/provider-door.ts';
import { requireRight } from './auth.ts';
import { DeliveryAnswer } from './contract/alert.ts';
import { ProblemAnswer } from './contract/common.ts';
import { OpsgenieHeaders, OpsgenieWebhook } from './contract/source-bodies.ts';
import { badRequest, ProblemError } from './problem.ts';
import { documentedOnly, keepRawBodies, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';

/** A body that says when something was done is the same whenever it comes. One that does not, and comes much later, tells of another time: an escalation names nothing but the alert. */
const copiesWithinMs = 60_000;

function mayBeAnother(event: ProviderEvent, laterMs: number): boolean {
  return laterMs > copiesWithinMs && event.occurredAt === null && event.note === null;
}

/**
 * Where the incident provider tells of changes. Such a webhook is a hint: it has
 * no signature and no retry worth trusting, so it is checked, stored with the job
 * that asks the provider how things are, and answered at once.
 */
export function providerWebhookRoute(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    const { providerDoor } = services;
    app.post(
      `/api/v1/webhooks/${providerDoor.name}`,
      {
        bodyLimit: 1_048_576,
        ...documentedOnly,
        schema: {
          tags: ['incidents'],
          summary: 'Webhook integration of the incident provider',
          description:
            'Carries the webhook secret in the header `X-GoMon-Webhook-Secret`; where none is set, the token of a responder or admin.',
          security: [],
          headers: OpsgenieHeaders,
          body: OpsgenieWebhook,
          response: { 200: DeliveryAnswer, default: ProblemAnswer },
        },
      },
      async (request) => {
        const verdict = providerDoor.verify(request.headers);
        // A note is written under the name it carries: whoever may only send alerts must not write it.
        if (verdict === undefined) requireRight(await services.authenticate(request), 'act');
        else if (!verdict.ok) throw new ProblemError({ status: 401, detail: `${verdict.reason}.` });
        const read = providerDoor.read(rawBody(request));
        if (!read.ok) throw badRequest(read.reason);
        const receivedAt = services.clock.now();
        const store = (dedupKey: string) =>
          storeInbound(
            services.db,
            {
              kind: `${providerDoor.name}.webhook`,
              dedupKey,
              payload: { ...read.event, body: rawBody(request).toString('utf8') },
              receivedAt,
              subject: read.event.subject,
            },
            () => providerEventsJob(providerDoor.name, read.event.subject),
          );
        let answer = await store(read.dedupKey);
        const laterMs = receivedAt.getTime() - answer.receivedAt.getTime();
        if (!answer.stored && mayBeAnother(read.event, laterMs))
          answer = await store(`${read.dedupKey}@${Math.floor(laterMs / copiesWithinMs)}`);
        const { id, stored } = answer;
        // The same change told again is ignored; what a new one changes is found out by asking the provider.
        return {
          deliveryId: id,
          received: 1,
          created: 0,
          updated: 0,
          resolved: 0,
          ignored: stored ? 0 : 1,
          rejected: [],
        };
      },
    );
    done();
  };
}
