import fastifyHelmet from '@fastify/helmet';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { alertRoutes } from './alerts.ts';
import { requireRight } from './auth.ts';
import { createAlertsRoute } from './create-alerts.ts';
import { deliveryRoutes } from './deliveries.ts';
import { healthRoutes } from './health.ts';
import { incidentRoutes } from './incidents.ts';
import { ProblemError, sendProblem, unavailable } from './problem.ts';
import { providerWebhookRoute } from './provider-webhook.ts';
import { limitRate, type RateLimit } from './rate-limit.ts';
import type { ApiServices } from './services.ts';
import { slackRoutes } from './slack.ts';
import { sourceWebhooks } from './source-webhooks.ts';

/** Shown at the top of /docs. */
const wordmark =
  '<svg xmlns="http://www.w3.org/2000/svg" width="170" height="40"><text x="4" y="28" fill="#fff" font-family="sans-serif" font-size="24" font-weight="700">GoMon API</text></svg>';

/** The HTTP door. A request that does not arrive in full in this time is dropped. */
const requestTimeoutMs = 60_000;

export async function buildServer(
  services: ApiServices,
  options: { trustedProxies: string[]; rateLimit: RateLimit; version: string },
) {
  const app = fastify({
    loggerInstance: services.log,
    // Requests are counted and timed below; a line for each would bury the facts of business.
    logController: new fastify.LogController({ disableRequestLogging: true }),
    trustProxy: options.trustedProxies.length === 0 ? false : options.trustedProxies,
    bodyLimit: 1_048_576,
    requestTimeout: requestTimeoutMs,
    // Never redirect an ingest route: Go clients turn a redirected POST into a GET, and believe it delivered.
    routerOptions: { ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    // A problem document says so instead (refuseWhileClosing).
    return503OnClosing: false,
    // What the router itself refuses (a path that is no URL) does not reach the error handler below.
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error: Error, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${request.url.split('?')[0]}; /docs lists what there is.`;
    sendProblem(new ProblemError({ status: 404, detail }), request, reply);
  });
  measureRequests(app as unknown as FastifyInstance, services);
  refuseWhileClosing(app as unknown as FastifyInstance);
  await app.register(fastifyHelmet, {
    // The API serves no page but /docs, which brings a policy of its own.
    contentSecurityPolicy: false,
    hsts: services.addresses.publicUrl.startsWith('https:'),
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'GoMon Alerting',
        description: 'Alerts in, incidents and messages out. Errors are RFC 9457 problem documents.',
        version: options.version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      // Relative to where the document was fetched: right behind every proxy and on every port.
      servers: [{ url: '/' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list' },
    logo: { type: 'image/svg+xml', content: wordmark },
  });
  await app.register(healthRoutes(services));
  await app.register(sourceWebhooks(services));
  await app.register(createAlertsRoute(services));
  await app.register(slackRoutes(services));
  await app.register(providerWebhookRoute(services));
  await app.register(async (people) => {
    takeEmptyBodies(people);
    limitRate(people, options.rateLimit, () => services.clock.now().getTime());
    // Before a body is read or a parameter looked at: what a stranger sends is nothing to us.
    people.addHook('onRequest', async (request) => {
      const right = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'act';
      requireRight(await services.authenticate(request), right);
    });
    await people.register(alertRoutes(services));
    await people.register(incidentRoutes(services));
    await people.register(deliveryRoutes(services));
  });
  app.get('/api/v1/openapi.json', { schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger())),
  );
  await app.ready();
  return app;
}

/** What comes over a connection that is still open while we stop: its sender tries again, and finds another of us. */
function refuseWhileClosing(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  app.addHook('onRequest', (_request, reply, done) => {
    if (!closing) return done();
    void reply.header('connection', 'close');
    done(unavailable('The service is stopping. Nothing was done; try again.'));
  });
}

/** Many clients name JSON with every request, also where there is no body: as if they had named nothing. */
function takeEmptyBodies(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body.trim() === '') done(null);
    else void parse(request, body, done);
  });
}

/** By route pattern, never by path: ids in a label would make a series each. */
function measureRequests(app: FastifyInstance, services: ApiServices): void {
  app.addHook('onResponse', (request, reply, done) => {
    services.metrics.httpRequestDuration.observe(
      {
        method: request.method,
        route: request.routeOptions.url ?? 'unknown',
        status: String(reply.statusCode),
      },
      reply.elapsedTime / 1_000,
    );
    done();
  });
}
