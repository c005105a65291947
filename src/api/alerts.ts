import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type Actor, type AlertAction, act } from '../alerts/actions.ts';
import {
  actionsOf,
  findAlerts,
  listAlerts,
  relatedAlerts,
  type StoredAlert,
} from '../alerts/alert-queries.ts';
import type { ParsedEntry } from '../alerts/source.ts';
import type { IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import { decodeCursor } from '../db/page.ts';
import { CreateAlert } from './contract/create-alert.ts';
import { toSignal } from './to-signal.ts';
import { type Caller, requireRight } from './auth.ts';
import {
  AcknowledgeBody,
  Alert,
  AlertDetail,
  AlertQuery,
  AssignBody,
  CreateAlertsAnswer,
  EscalateBody,
  NoteBody,
} from './contract/alert.ts';
import { Id, pageOf, Problem } from './contract/common.ts';
import { explainAlert } from './explain.ts';
import { claimKey, type IdempotencyClaim, storedAnswer } from './idempotency.ts';
import { badRequest, conflict, notFound, ProblemError } from './problem.ts';
import { presentAction, presentAlert } from './present.ts';
import { keepRawBodies, keptHeaders, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';
import { accepted, describeEntries } from './source-webhooks.ts';

const mostAlerts = 1_000;
const relatedShown = 50;
const params = z.object({ id: Id });

/** `/api/v1/alerts`: create, list, look, act. */
export function alertRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    void app.register(createRoute(services));
    readRoutes(services)(app, {}, () => undefined);
    actionRoutes(services)(app, {}, done);
  };
}

function createRoute(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    app.post(
      '/api/v1/alerts',
      {
        bodyLimit: services.limits.maxBodyBytes,
        schema: {
          tags: ['alerts'],
          summary: 'Report one alert, or an array of up to 1,000',
          description:
            'The body is one alert or an array of alerts, each with the fields of `CreateAlert` (see docs/api.md). `Idempotency-Key` makes a repeat answer what the first one was answered.',
          response: { 200: CreateAlertsAnswer, 201: CreateAlertsAnswer, default: Problem },
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
  const items = readItems(rawBody(request));
  const entries = items.map((item) => toEntry(item, receivedAt));
  const [only] = entries;
  if (items.length === 1 && only !== undefined && !only.ok) throw badRequest(only.reason);
  const intakeRequest: IntakeRequest = {
    source: 'api',
    sender: `token:${caller.name}`,
    door: 'api',
    receivedAt,
    entries: describeEntries(services, 'api', caller.tenant, 'an alert of the REST API', entries),
    raw: {
      contentType: request.headers['content-type'] ?? null,
      headers: keptHeaders(request),
      body: rawBody(request),
    },
  };
  const result = await submitOnce(services, request, caller, intakeRequest);
  const single = result.results.length === 1 && result.results[0]?.outcome === 'created';
  return reply.code(single ? 201 : 200).send({ results: result.results });
}

function readItems(body: Buffer): unknown[] {
  let content: unknown;
  try {
    content = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw badRequest(
      `The body is not JSON (${(error as Error).message}); expected one alert or an array of alerts.`,
    );
  }
  const items: unknown[] = Array.isArray(content) ? (content as unknown[]) : [content];
  if (items.length > mostAlerts) {
    throw badRequest(`The array has ${items.length} alerts; at most ${mostAlerts} are taken in one request.`);
  }
  return items;
}

function toEntry(item: unknown, receivedAt: Date): ParsedEntry {
  const parsed = CreateAlert.safeParse(item);
  if (parsed.success) return { ok: true, signal: toSignal(parsed.data, receivedAt) };
  const reason = parsed.error.issues
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ');
  return { ok: false, reason };
}

/** With an `Idempotency-Key` the request has a transaction of its own, which also holds the key and the answer. */
async function submitOnce(
  services: ApiServices,
  request: FastifyRequest,
  caller: Caller,
  intakeRequest: IntakeRequest,
): Promise<IntakeResult> {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return accepted(await services.intake.submit(intakeRequest));
  if (typeof key !== 'string' || key === '' || key.length > 255) {
    throw badRequest('Idempotency-Key has to be a text of 1 to 255 characters.');
  }
  const claim: IdempotencyClaim = {
    owner: caller.name,
    key,
    requestHash: createHash('sha256').update(intakeRequest.raw.body).digest(),
  };
  const before = await storedAnswer(services.db, claim);
  if (before.kind === 'answered') return before.result;
  if (before.kind === 'other-request') throw otherRequest(key);
  try {
    return accepted(
      await services.intake.submitWith(intakeRequest, claimKey(claim, intakeRequest.receivedAt)),
    );
  } catch (error) {
    // The same key was committed by a request that ran at the same time.
    const meanwhile = await storedAnswer(services.db, claim);
    if (meanwhile.kind === 'answered') return meanwhile.result;
    if (meanwhile.kind === 'other-request') throw otherRequest(key);
    throw error;
  }
}

function otherRequest(key: string): ProblemError {
  return new ProblemError({
    status: 422,
    detail: `The Idempotency-Key "${key}" was used for another body; use a new key for a new request.`,
  });
}

function readRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    app.get(
      '/api/v1/alerts',
      {
        schema: {
          tags: ['alerts'],
          summary: 'List alerts',
          description: 'Further filters: `label.NAME=value` (comma = any of).',
          querystring: AlertQuery.loose(),
          response: { 200: pageOf(Alert), default: Problem },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const { limit, cursor, sort, order, from, to, ...filter } = request.query;
        const page = await listAlerts(
          services.db,
          {
            ...filter,
            labels: labelFilters(request.query),
            from: from === undefined ? undefined : new Date(from),
            to: to === undefined ? undefined : new Date(to),
          },
          { by: sort, order: order ?? (sort === 'severity' ? 'asc' : 'desc') },
          { limit, after: readCursor(cursor, sort) },
        );
        return { ...page, items: page.items.map((alert) => presentAlert(alert, services.addresses)) };
      },
    );

    app.get(
      '/api/v1/alerts/:id',
      {
        schema: {
          tags: ['alerts'],
          summary: 'One alert, with its history and reasons',
          params,
          response: { 200: AlertDetail, default: Problem },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const alert = await findOne(services, request.params.id);
        const [actions, related] = await Promise.all([
          actionsOf(services.db, { alertId: alert.id }),
          relatedAlerts(services.db, alert, relatedShown),
        ]);
        return {
          ...presentAlert(alert, services.addresses),
          actions: actions.map(presentAction),
          decisions: await explainAlert(services, alert, actions),
          related: related.map((other) => presentAlert(other, services.addresses)),
        };
      },
    );
    done();
  };
}

const known = new Set(Object.keys(AlertQuery.shape));

/** What is not a filter of ours has to be `label.NAME`; anything else is a mistake worth telling. */
function labelFilters(query: Record<string, unknown>): Record<string, string[]> {
  const labels: Record<string, string[]> = {};
  for (const [name, value] of Object.entries(query)) {
    if (known.has(name)) continue;
    if (!name.startsWith('label.') || name === 'label.') {
      throw badRequest(`"${name}" is not a filter; known are ${[...known].join(', ')} and label.NAME.`);
    }
    const texts = (Array.isArray(value) ? value : [value]).flatMap((text) => String(text).split(','));
    labels[name.slice('label.'.length)] = texts;
  }
  return labels;
}

export function readCursor(
  cursor: string | undefined,
  sort: 'createdAt' | 'updatedAt' | 'severity' = 'createdAt',
) {
  if (cursor === undefined) return null;
  const position = decodeCursor(cursor);
  const looksRight =
    position !== null &&
    Id.safeParse(position.id).success &&
    (sort === 'severity' ? /^P[0-4]$/.test(position.key) : !Number.isNaN(Date.parse(position.key)));
  if (!looksRight)
    throw badRequest('cursor is not one that this list gave out (or it belongs to another sort).');
  return position;
}

async function findOne(services: ApiServices, id: string): Promise<StoredAlert> {
  const [alert] = await findAlerts(services.db, [id]);
  if (alert === undefined) throw notFound('alert', id);
  return alert;
}

function actionRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    const schema = <Body extends z.ZodType>(summary: string, body: Body) => ({
      tags: ['alerts'],
      summary,
      params,
      body,
      response: { 200: Alert, default: Problem },
    });
    const perform = async (request: FastifyRequest, id: string, action: AlertAction) => {
      const caller = requireRight(await services.authenticate(request), 'act');
      const actor: Actor = { userId: `token:${caller.name}`, door: 'api' };
      const result = await act(services.db, id, action, actor, services.clock.now());
      if (!result.ok && result.reason === 'not-found') throw notFound('alert', id);
      // What is archived is resolved: doing that again is done.
      const ended = action.kind === 'resolve-and-archive' || action.kind === 'resolve';
      if (!result.ok && result.reason === 'archived' && !ended)
        throw conflict('The alert is archived; archived alerts do not change.');
      if (!result.ok && result.reason === 'forbidden')
        throw conflict(`${result.detail[0]?.toUpperCase()}${result.detail.slice(1)}.`);
      if (result.ok && !result.already) services.events.acted(action.kind, 'api', actor.userId, id);
      return presentAlert(await findOne(services, id), services.addresses);
    };
    app.put('/api/v1/alerts/:id/acknowledge', { schema: schema('Acknowledge', AcknowledgeBody) }, (request) =>
      perform(request, request.params.id, { kind: 'acknowledge', note: request.body?.note }),
    );
    app.put(
      '/api/v1/alerts/:id/escalate',
      { schema: schema('Escalate, one level up by default', EscalateBody) },
      (request) => perform(request, request.params.id, { kind: 'escalate', ...request.body }),
    );
    app.put(
      '/api/v1/alerts/:id/assign',
      { schema: schema('Put somebody in charge', AssignBody) },
      (request) =>
        perform(request, request.params.id, { kind: 'assign', assignedTo: request.body.assignedTo }),
    );
    app.post('/api/v1/alerts/:id/notes', { schema: schema('Add a note', NoteBody) }, (request) =>
      perform(request, request.params.id, { kind: 'note', text: request.body.text }),
    );
    app.delete(
      '/api/v1/alerts/:id',
      {
        schema: {
          tags: ['alerts'],
          summary: 'Resolve and archive',
          params,
          response: { 200: Alert, default: Problem },
        },
      },
      (request) => perform(request, request.params.id, { kind: 'resolve-and-archive' }),
    );
    done();
  };
}
