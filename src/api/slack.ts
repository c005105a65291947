import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { answerCommand, parseCommand } from '../integrations/slack/commands.ts';
import { parseEvent } from '../integrations/slack/events.ts';
import { parseInteraction } from '../integrations/slack/interactions.ts';
import { verifySlackSignature } from '../integrations/slack/signature.ts';
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
    const schema = (summary: string) => ({ tags: ['slack'], summary, response: { 200: z.unknown(), default: Problem } });

    app.post(
      '/api/v1/slack/webhooks/interactions',
      { bodyLimit, schema: schema('Interactivity request URL') },
      async (request, reply) => {
        verify(services, request);
        const parsed = parseInteraction(rawBody(request));
        if (!parsed.ok) throw badRequest(`Not a Slack interaction: ${parsed.reason}.`);
        const { interaction } = parsed;
        if (interaction.kind === 'ignored') {
          services.log.debug({ reason: interaction.reason }, 'slack interaction ignored');
          return reply.code(200).send(interaction.answer ?? '');
        }
        await storeInbound(
          services.db,
          {
            kind: 'slack.interaction',
            dedupKey: interaction.dedupKey,
            payload: interaction,
            receivedAt: services.clock.now(),
          },
          (eventId) => ({ task: 'slack.interaction', payload: { eventId }, priority: priorities.interaction }),
        );
        return reply.code(200).send('');
      },
    );

    app.post(
      '/api/v1/slack/webhooks/commands',
      { bodyLimit, schema: schema('Request URL of the slash command') },
      async (request, reply) => {
        verify(services, request);
        const command = parseCommand(rawBody(request));
        if (command.kind === 'ssl-check') return reply.code(200).send('');
        if (command.kind === 'refused') throw badRequest(`Not a slash command: ${command.reason}.`);
        return reply.code(200).type('application/json').send(answerCommand(command));
      },
    );

    app.post(
      '/api/v1/slack/webhooks/events',
      { bodyLimit, schema: schema('Request URL of the Events API') },
      async (request, reply) => {
        verify(services, request);
        const event = parseEvent(rawBody(request));
        switch (event.kind) {
          case 'challenge':
            return reply.code(200).type('application/json').send({ challenge: event.challenge });
          case 'refused':
            throw badRequest(`Not an event of Slack: ${event.reason}.`);
          case 'event':
            await storeInbound(
              services.db,
              {
                kind: 'slack.event',
                dedupKey: event.eventId,
                payload: { ...event },
                receivedAt: services.clock.now(),
              },
              () => null,
            );
            return reply.code(200).send('');
          case 'rate-limited':
            services.log.warn({ since: event.since }, 'slack holds events back because there were too many');
            return reply.code(200).send('');
          case 'ignored':
            return reply.code(200).send('');
          default:
            return event satisfies never;
        }
      },
    );
    done();
  };
}

function verify(services: ApiServices, request: FastifyRequest): void {
  const verdict = verifySlackSignature({
    headers: request.headers,
    rawBody: rawBody(request),
    secrets: services.slackSigningSecrets,
    nowMs: services.clock.now().getTime(),
  });
  if (!verdict.ok) {
    throw new ProblemError({ status: 401, detail: `The request cannot be shown to come from Slack: ${verdict.reason}.` });
  }
}

