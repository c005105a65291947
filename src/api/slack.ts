import type { FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ChatDeliveryKind } from '../chat/chat-door.ts';
import { receive } from '../chat/receive.ts';
import { ProblemAnswer } from './contract/common.ts';
import { SlackCommand, SlackEvent, SlackHeaders, SlackInteraction } from './contract/source-bodies.ts';
import { badRequest, ProblemError } from './problem.ts';
import { documentedOnly, keepRawBodies, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';

/** Slack sends small forms; anything larger is not from there. */
const bodyLimit = 1_048_576;

const form = 'application/x-www-form-urlencoded';

/** `name`: the last part of the address, as it is told to Slack. */
const doors: {
  name: string;
  kind: ChatDeliveryKind;
  summary: string;
  expected: string;
  consumes: string[];
  body: z.ZodType;
}[] = [
  {
    name: 'interactions',
    kind: 'interaction',
    summary: 'Interactivity request URL',
    expected: 'a Slack interaction',
    consumes: [form],
    body: SlackInteraction,
  },
  {
    name: 'commands',
    kind: 'command',
    summary: 'Request URL of the slash command',
    expected: 'a slash command',
    consumes: [form],
    body: SlackCommand,
  },
  {
    name: 'events',
    kind: 'event',
    summary: 'Request URL of the Events API',
    expected: 'an event of Slack',
    consumes: ['application/json'],
    body: SlackEvent,
  },
];

/**
 * The doors Slack calls: verified on the exact bytes, stored, answered within its
 * 3 s, worked off by a job. Slack shows a warning to the person for anything but
 * a 200, so what we do not know is answered with an empty one.
 */
export function slackRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    const { db, clock, log, chatDoor: door } = services;
    for (const { name, kind, summary, expected, consumes, body } of doors) {
      app.post(
        `/api/v1/slack/webhooks/${name}`,
        {
          bodyLimit,
          ...documentedOnly,
          schema: {
            tags: ['slack'],
            summary,
            description: "Signed with the app's signing secret.",
            security: [],
            consumes,
            headers: SlackHeaders,
            body,
            response: { 200: z.unknown(), default: ProblemAnswer },
          },
        },
        async (request, reply) => {
          verify(services, request);
          const received = await receive({ db, door, clock, log }, kind, rawBody(request));
          if (!received.ok) throw badRequest(`Not ${expected}: ${received.reason}.`);
          return reply.code(200).send(received.answer ?? '');
        },
      );
    }
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
