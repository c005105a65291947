import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { fitSignal } from '../alerts/alert-size.ts';
import { z } from 'zod';
import { describeSignal } from '../alerts/describe.ts';
import { storeRefusedDelivery } from '../alerts/delivery-store.ts';
import type { IntakeEntry, IntakeRequest, IntakeResult } from '../alerts/intake.ts';
import type { AlertSource, ParsedEntry, SourceRequest } from '../alerts/source.ts';
import type { SourceName } from '../alerts/alert.ts';
import { newId } from '../lib/ids.ts';
import { requireRight } from './auth.ts';
import { DeliveryAnswer, SpooledAnswer } from './contract/alert.ts';
import { ProblemAnswer } from './contract/common.ts';
import { AlertmanagerWebhook, GrafanaWebhook, PostableAlerts } from './contract/source-bodies.ts';
import { ProblemError } from './problem.ts';
import { documentedOnly, keepRawBodies, keptHeaders, rawBody } from './raw-body.ts';
import type { ApiServices } from './services.ts';
import { type Stored, storeOrSpool } from './store-or-spool.ts';

/**
 * The doors of Grafana, Alertmanager and Prometheus. Verified on the exact bytes
 * before anything is parsed, answered after the commit. Overload and database
 * trouble are 503, never 429: their senders give up on 429 (Alertmanager) or do
 * not look at it at all (Grafana), and retry on 5xx.
 */
export function sourceWebhooks(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    keepRawBodies(app);
    const { grafana, alertmanager, alertmanagerApi } = services.sources;
    const schema = <Body extends z.ZodType>(summary: string, body: Body) => ({
      tags: ['sources'],
      summary,
      body,
      response: { 200: DeliveryAnswer, 202: SpooledAnswer, default: ProblemAnswer },
    });
    const ofAlertmanager = schema(
      "Alertmanager's own API: Prometheus and Grafana can send here directly",
      PostableAlerts,
    );
    const alertmanagerSchema = {
      ...ofAlertmanager,
      response: {
        ...ofAlertmanager.response,
        '4xx': z.string().describe('What is wrong, as Alertmanager says it.'),
      },
    };
    const options = {
      bodyLimit: services.limits.maxBodyBytes,
      config: { takesAlerts: true },
      ...documentedOnly,
    };
    // Where a token is all there is, a stranger is turned away before the body is read.
    const onRequest = async (request: FastifyRequest): Promise<void> => {
      requireRight(await services.authenticate(request, 'basic'), 'send');
    };
    app.route({
      ...options,
      method: ['POST', 'PUT'],
      url: '/api/v1/webhooks/grafana',
      schema: schema('Grafana webhook contact point (unified alerting and legacy)', GrafanaWebhook),
      handler: async (request, reply) => sendAnswer(await receive(services, grafana, request), reply),
    });
    app.route({
      ...options,
      method: ['POST', 'PUT'],
      url: '/api/v1/webhooks/alertmanager',
      onRequest,
      schema: schema('Alertmanager webhook_config', AlertmanagerWebhook),
      handler: async (request, reply) => sendAnswer(await receive(services, alertmanager, request), reply),
    });
    app.post(
      '/api/v2/alerts',
      {
        ...options,
        onRequest,
        schema: alertmanagerSchema,
      },
      async (request, reply) =>
        sendAnswer(await receive(services, alertmanagerApi, request), reply, answerLikeAlertmanager),
    );
    done();
  };
}

async function receive(services: ApiServices, source: AlertSource, request: FastifyRequest): Promise<Stored> {
  const receivedAt = services.clock.now();
  const sourceRequest: SourceRequest = { headers: request.headers, rawBody: rawBody(request), receivedAt };
  const { sender, tenant } = await verified(services, source, sourceRequest, request);
  const raw = {
    contentType: request.headers['content-type']?.slice(0, 200) ?? null,
    headers: keptHeaders(request),
    body: sourceRequest.rawBody,
  };
  const parsed = source.parse(sourceRequest);
  if (!parsed.ok) {
    services.metrics.alertsReceived.inc({ source: source.name, outcome: 'rejected' });
    const id = newId();
    await storeRefusedDelivery(services.db, {
      id,
      source: source.name,
      sender,
      receivedAt,
      raw,
      reason: parsed.reason,
    });
    throw new ProblemError({ status: 400, detail: `${parsed.reason} (kept as delivery ${id})` });
  }
  const intakeRequest: IntakeRequest = {
    source: source.name,
    sender,
    door: 'webhook',
    receivedAt,
    entries: describeEntries(
      services,
      { source: source.name, tenant, format: parsed.format, receivedAt },
      parsed.entries,
    ),
    raw,
    ...(parsed.truncatedAlerts === undefined ? {} : { truncatedAlerts: parsed.truncatedAlerts }),
  };
  return storeOrSpool(services.spool, intakeRequest, () => services.intake.submit(intakeRequest));
}

/** A signature where the source has one configured, else an API token. */
async function verified(
  services: ApiServices,
  source: AlertSource,
  sourceRequest: SourceRequest,
  request: FastifyRequest,
): Promise<{ sender: string; tenant: string }> {
  const verification = source.verify?.(sourceRequest);
  if (verification === undefined) {
    const caller = requireRight(await services.authenticate(request, 'basic'), 'send');
    return { sender: `token:${caller.name}`, tenant: caller.tenant };
  }
  if (!verification.ok) throw new ProblemError({ status: 401, detail: verification.reason });
  return { sender: 'signature', tenant: '' };
}

/** Our rules over what the source said: severity, title, identity, and how long its word holds. */
export function describeEntries(
  services: ApiServices,
  delivery: { source: SourceName; tenant: string; format: string; receivedAt: Date },
  entries: ParsedEntry[],
): IntakeEntry[] {
  const { source } = delivery;
  const rules = services.rulesOf(source);
  const believedSeconds = services.believedSecondsOf(source);
  const believedUntil =
    believedSeconds === null ? null : new Date(delivery.receivedAt.getTime() + believedSeconds * 1_000);
  return entries.map((entry): IntakeEntry => {
    if (!entry.ok) return entry;
    const fitted = fitSignal(entry.signal);
    if (!fitted.ok) return fitted;
    const described = describeSignal(fitted.signal, rules, source);
    if (fitted.decision !== null) described.decisions.unshift(fitted.decision);
    if (described.unknownSeverity) services.metrics.unknownSeverity.inc({ source });
    described.decisions.unshift({
      stage: 'parse',
      outcome: entry.signal.status,
      reason: `read as ${delivery.format}`,
    });
    const isGuess = described.expiresAt === null && believedUntil !== null;
    return {
      ok: true,
      signal: {
        ...described,
        tenant: joinTenants(delivery.tenant, described.tenant),
        expiresAt: described.status === 'firing' ? (described.expiresAt ?? believedUntil) : null,
        expiryGuessed: isGuess || described.expiryGuessed,
      },
    };
  });
}

/** The token's tenant keeps two senders apart whose organisations have the same number. */
function joinTenants(token: string, organisation: string): string {
  return [token, organisation].filter((part) => part !== '').join('/');
}

/** 200 with what became of each, or 202 where it only lies in the spool yet. */
function sendAnswer(
  stored: Stored,
  reply: FastifyReply,
  form: (result: IntakeResult, reply: FastifyReply) => DeliveryAnswer = answerOf,
): FastifyReply {
  return stored.kind === 'spooled'
    ? reply.code(202).send(stored.answer)
    : reply.code(200).send(form(stored.result, reply));
}

function answerOf(result: IntakeResult): DeliveryAnswer {
  const count = (outcome: string): number =>
    result.results.filter((entry) => entry.outcome === outcome).length;
  return {
    deliveryId: result.deliveryId,
    received: result.results.length,
    created: count('created'),
    updated: count('updated'),
    resolved: count('resolved'),
    ignored: count('ignored'),
    rejected: result.results.flatMap((entry, index) =>
      entry.outcome === 'rejected' ? [{ index, reason: entry.reason ?? 'refused' }] : [],
    ),
    ...(result.truncatedAlerts === undefined ? {} : { truncatedAlerts: result.truncatedAlerts }),
  };
}

/** Alertmanager answers 400 when any alert of the request is invalid, and has stored the others all the same. */
function answerLikeAlertmanager(result: IntakeResult, reply: FastifyReply): DeliveryAnswer {
  const answer = answerOf(result);
  if (answer.rejected.length === 0) return answer;
  const reasons = answer.rejected.map(({ index, reason }) => `alert ${index}: ${reason}`).join('; ');
  const stored = answer.received - answer.rejected.length;
  throw new ProblemError(
    {
      status: 400,
      detail: `${reasons} (the other ${stored} were stored as delivery ${answer.deliveryId})`,
    },
    reply.getHeaders() as Record<string, string>,
  );
}
