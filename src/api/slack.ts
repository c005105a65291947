import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { priorities } from '../jobs/catalog.ts';
import { Problem } from './contract/common.ts';
import { storeInbound } from './inbound-store.ts';
import { badRequest, ProblemError } from './problem.ts';
import { keepRawBodies, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';

/** Slack sends small forms; anything larger is not from there. */
const bodyLimit = 1_048_576;

/**
 * The doors Slack calls: verified on the exact bytes, stored, answered within its
 * 3 s, worked off by a job. Slack shows a warning to the person for anything but
 * a 200, so what we do not know is answered with an empty one.
 */
export function slackRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    const { chatDoor } = services;
    const route = (summary: string) => ({
      bodyLimit,
      schema: { tags: ['slack'], summary, response: { 200: z.unknown(), default: Problem } },
    });

    app.post(
      '/api/v1/slack/webhooks/interactions',
      route('Interactivity request URL'),
      async (request, reply) => {
        verify(services, request);
        const read = chatDoor.readInteraction(rawBody(request));
        if (read.kind === 'refused') throw badRequest(`Not a Slack interaction: ${read.reason}.`);
        if (read.kind === 'ignored') {
          services.log.debug({ reason: read.reason }, 'slack interaction ignored');
          return reply.code(200).send(read.answer ?? '');
        }
        const { dedupKey, interaction: payload } = read;
        await storeInbound(
          services.db,
          { kind: 'slack.interaction', dedupKey, payload, receivedAt: services.clock.now() },
          (eventId) => ({
            task: 'slack.interaction',
            payload: { eventId },
            priority: priorities.interaction,
          }),
        );
        return reply.code(200).send('');
      },
    );

    app.post(
      '/api/v1/slack/webhooks/commands',
      route('Request URL of the slash command'),
      (request, reply) => {
        verify(services, request);
        const read = chatDoor.readCommand(rawBody(request));
        if (read.kind === 'refused') throw badRequest(`Not a slash command: ${read.reason}.`);
        return reply.code(200).send(read.answer ?? '');
      },
    );

    app.post(
      '/api/v1/slack/webhooks/events',
      route('Request URL of the Events API'),
      async (request, reply) => {
        verify(services, request);
        const read = chatDoor.readEvent(rawBody(request));
        if (read.kind === 'refused') throw badRequest(`Not an event of Slack: ${read.reason}.`);
        if (read.kind === 'answer') return reply.code(200).send(read.answer);
        if (read.kind === 'event') {
          const event = { kind: 'slack.event', dedupKey: read.eventId, payload: read.event };
          await storeInbound(services.db, { ...event, receivedAt: services.clock.now() }, () => null);
        }
        return reply.code(200).send('');
      },
    );
    done();
  };
}

function verify(services: ApiServices, request: FastifyRequest): void {
  const verdict = services.chatDoor.verify({
    headers: request.headers,
    rawBody: rawBody(request),
    nowMs: services.clock.now().getTime(),
  });
  if (!verdict.ok) {
    throw new ProblemError({
      status: 401,
      detail: `The request cannot be shown to come from Slack: ${verdict.reason}.`,
    });
  }
}
