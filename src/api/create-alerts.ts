import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { mostCharacters, sizeOf, tooLarge } from '../alerts/alert-size.ts';
import type { Intake, IntakeRefusal, IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import type { ParsedEntry } from '../alerts/source.ts';
import type { Db } from '../db/pool.ts';
import { parseJsonBody } from '../lib/json-body.ts';
import { type Caller, requireRight } from './auth.ts';
import { CreateAlertsAnswer, SpooledAnswer } from './contract/alert.ts';
import { ProblemAnswer } from './contract/common.ts';
import { CreateAlert } from './contract/create-alert.ts';
import { claimKey, type IdempotencyClaim, storedAnswer } from './idempotency.ts';
import { badRequest } from './problem.ts';
import { documentedOnly, keepRawBodies, keptHeaders, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';
import { describeEntries } from './source-webhooks.ts';
import { otherRequest, type Stored, storeOrSpool } from './store-or-spool.ts';
import { toSignal } from './to-signal.ts';

const mostAlerts = 1_000;

/** `POST /api/v1/alerts`: the REST API as a source of alerts. */
export function createAlertsRoute(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    app.post(
      '/api/v1/alerts',
      {
        bodyLimit: services.limits.maxBodyBytes,
        config: { takesAlerts: true },
        onRequest: async (request) => {
          requireRight(await services.authenticate(request), 'send');
        },
        // What is wrong with one alert of many is answered in its place.
        ...documentedOnly,
        schema: {
          tags: ['alerts'],
          summary: 'Report one alert, or an array of up to 1,000',
          description:
            '`Idempotency-Key` makes a repeat answer what the first one was answered. 201 for one new alert, else 200 with what became of each.',
          headers: z.object({ 'Idempotency-Key': z.string().min(1).max(255).optional() }),
          body: z.union([CreateAlert, z.array(CreateAlert).max(mostAlerts)]),
          response: {
            200: CreateAlertsAnswer,
            201: CreateAlertsAnswer,
            202: SpooledAnswer,
            default: ProblemAnswer,
          },
        },
      },
      async (request, reply) => createAlerts(services, request, reply),
    );
    done();
  };
}

async function createAlerts(services: ApiServices, request: FastifyRequest, reply: FastifyReply) {
  const caller = requireRight(await services.authenticate(request), 'send');
  const receivedAt = services.clock.now();
  const content = readContent(rawBody(request));
  const items = Array.isArray(content) ? (content as unknown[]) : [content];
  const entries = items.map((item) => toEntry(item, receivedAt));
  const [only] = entries;
  // In an array each is answered in its place, also where there is but one.
  if (!Array.isArray(content) && only?.ok === false) throw badRequest(only.reason);
  const intakeRequest: IntakeRequest = {
    source: 'api',
    sender: `token:${caller.name}`,
    door: 'api',
    receivedAt,
    entries: describeEntries(
      services,
      { source: 'api', tenant: caller.tenant, format: 'an alert of the REST API', receivedAt },
      entries,
    ),
    raw: {
      contentType: request.headers['content-type'] ?? null,
      headers: keptHeaders(request),
      body: rawBody(request),
    },
  };
  const stored = await submitOnce(services, request, caller, intakeRequest);
  if (stored.kind === 'spooled') return reply.code(202).send(stored.answer);
  const { result } = stored;
  const single = result.results.length === 1 && result.results[0]?.outcome === 'created';
  return reply.code(single ? 201 : 200).send({ results: result.results });
}

function readContent(body: Buffer): unknown {
  const parsed = parseJsonBody(body);
  if (!parsed.ok)
    throw badRequest(`Expected one alert or an array of alerts as JSON, but the body is ${parsed.seen}.`);
  const content = parsed.value;
  if (Array.isArray(content) && content.length > mostAlerts) {
    throw badRequest(
      `The array has ${content.length} alerts; at most ${mostAlerts} are taken in one request.`,
    );
  }
  return content;
}

function toEntry(item: unknown, receivedAt: Date): ParsedEntry {
  const parsed = CreateAlert.safeParse(item);
  if (parsed.success) {
    const signal = toSignal(parsed.data, receivedAt);
    const size = sizeOf(signal);
    return size > mostCharacters ? { ok: false, reason: tooLarge(size) } : { ok: true, signal };
  }
  const reason = parsed.error.issues
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ');
  // Names of fields are the sender's.
  return { ok: false, reason: reason.toWellFormed() };
}

/** With an `Idempotency-Key` the request has a transaction of its own, which also holds the key and the answer. */
async function submitOnce(
  services: ApiServices,
  request: FastifyRequest,
  caller: Caller,
  intakeRequest: IntakeRequest,
): Promise<Stored> {
  const { intake, spool, db } = services;
  const key = request.headers['idempotency-key'];
  if (key === undefined) return storeOrSpool(spool, intakeRequest, () => intake.submit(intakeRequest));
  if (typeof key !== 'string' || key === '' || key.length > 255) {
    throw badRequest('Idempotency-Key has to be a text of 1 to 255 characters.');
  }
  const claim: IdempotencyClaim = {
    owner: caller.name,
    key,
    requestHash: createHash('sha256').update(intakeRequest.raw.body).digest(),
  };
  return storeOrSpool(spool, intakeRequest, () => storeWithKey(db, intake, intakeRequest, claim), claim);
}

async function storeWithKey(
  db: Db,
  intake: Intake,
  request: IntakeRequest,
  claim: IdempotencyClaim,
): Promise<IntakeResult | IntakeRefusal> {
  const before = await storedAnswer(db, claim);
  if (before.kind === 'answered') return before.result;
  if (before.kind === 'other-request') throw otherRequest(claim.key);
  try {
    return await intake.submitWith(request, claimKey(claim, request.receivedAt));
  } catch (error) {
    // The same key was committed by a request that ran at the same time.
    const meanwhile = await storedAnswer(db, claim);
    if (meanwhile.kind === 'answered') return meanwhile.result;
    if (meanwhile.kind === 'other-request') throw otherRequest(claim.key);
    throw error;
  }
}
