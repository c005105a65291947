import fastifyHelmet from '@fastify/helmet';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { alertRoutes } from './alerts.ts';
import { requireRight } from './auth.ts';
import { refuseBroken } from './broken-requests.ts';
import { clusterRoutes } from './cluster.ts';
import { createAlertsRoute } from './create-alerts.ts';
import { deliveryRoutes } from './deliveries.ts';
import { healthCheckRoutes } from './health-checks.ts';
import { healthRoutes } from './health.ts';
import { incidentRoutes } from './incidents.ts';
import { KnownMethods } from './known-methods.ts';
import { ledgerRoute } from './ledger.ts';
import { openapiOptions } from './openapi.ts';
import { badRequest, methodNotAllowed, ProblemError, sendProblem, unavailable } from './problem.ts';
import { providerWebhookRoute } from './provider-webhook.ts';
import { createCallerLimit, type RateLimit } from './rate-limit.ts';
import type { ApiServices } from './services.ts';
import { slackRoutes } from './slack.ts';
import { sourceWebhooks } from './source-webhooks.ts';
import { Strangers } from './strangers.ts';
import { readUnreadBodies } from './unread-body.ts';
import { bareHeaders, docsContentSecurityPolicy, helmetOptions } from './strict-headers.ts';

/** Shown at the top of /docs. */
const wordmark =
  '<svg xmlns="http://www.w3.org/2000/svg" width="170" height="40"><text x="4" y="28" fill="#fff" font-family="sans-serif" font-size="24" font-weight="700">GoMon API</text></svg>';

/** How often it is looked for requests that take too long to arrive. */
const slowRequestsEveryMs = 5_000;
/** Longer than the idle timeout of the usual load balancers, so that it is theirs that ends a connection. */
const keepAliveTimeoutMs = 72_000;

export type ServerOptions = {
  trustedProxies: string[];
  rateLimit: RateLimit & { perAddress: RateLimit };
  /** A request has to arrive in full within this time; what makes no progress for twice as long is hung up on. */
  requestTimeoutMs: number;
  /** More at once are not let in: the connection is closed, and every sender tries again. */
  maxConnections: number;
  version: string;
};

/** The HTTP door. */
export async function buildServer(services: ApiServices, options: ServerOptions) {
  const { requestTimeoutMs } = options;
  const nowMs = (): number => services.clock.now().getTime();
  const strangers = new Strangers(options.rateLimit.perAddress, nowMs);
  const methods = new KnownMethods();
  const app = fastify({
    loggerInstance: services.log,
    // Requests are counted and timed below; a line for each would bury the facts of business.
    logController: new fastify.LogController({ disableRequestLogging: true }),
    trustProxy: options.trustedProxies.length === 0 ? false : options.trustedProxies,
    bodyLimit: 1_048_576,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 2 * requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    http: {
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(slowRequestsEveryMs, requestTimeoutMs / 2),
    },
    clientErrorHandler: refuseBroken,
    // Never redirect an ingest route: Go clients turn a redirected POST into a GET, and believe it delivered.
    routerOptions: { ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    // A problem document says so instead (refuseWhileStopping).
    return503OnClosing: false,
    // What the router itself refuses (a path that is no URL) does not reach the error handler below.
    frameworkErrors: (error, request, reply) => {
      void reply.headers(bareHeaders);
      sendProblem(strangers.hold(request) ?? error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.server.maxConnections = options.maxConnections;
  app.setErrorHandler((error: Error, request, reply) =>
    sendProblem(strangers.orHold(error, request), request, reply),
  );
  app.setNotFoundHandler(async (request, reply) => {
    const [path = ''] = request.url.split('?');
    const allowed = methods.of(path);
    const isKnown = (await services.authenticate(request).catch(() => null)) !== null;
    const held = isKnown ? null : strangers.hold(request);
    const detail = `There is no ${request.method} ${path}; /docs lists what there is.`;
    const missing =
      allowed.length === 0
        ? new ProblemError({ status: 404, detail })
        : methodNotAllowed(request.method, path, allowed);
    sendProblem(held ?? missing, request, reply);
    return reply;
  });
  methods.watch(app as unknown as FastifyInstance);
  measureRequests(app as unknown as FastifyInstance, services);
  refuseWhileStopping(app as unknown as FastifyInstance, services);
  readUnreadBodies(app as unknown as FastifyInstance);
  await app.register(fastifyHelmet, helmetOptions(services.addresses.publicUrl.startsWith('https:')));
  app.addHook('onRequest', (request, reply, done) => {
    // The scripts and styles of the API's page are ours to be kept; everything else is of the moment.
    if (!request.url.startsWith('/docs/static/')) void reply.header('cache-control', 'no-store');
    done();
  });
  await app.register(fastifySwagger, openapiOptions(options.version));
  // Open to everybody, and therefore only at a stranger's pace.
  const holdOpenPages = (request: FastifyRequest, _reply: unknown, done: (error?: Error) => void): void =>
    done(strangers.hold(request) ?? undefined);
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsContentSecurityPolicy,
    uiConfig: { docExpansion: 'list' },
    logo: { type: 'image/svg+xml', content: wordmark },
    uiHooks: { onRequest: holdOpenPages },
  });
  await app.register(healthRoutes(services));
  await app.register(sourceWebhooks(services));
  await app.register(createAlertsRoute(services));
  await app.register(slackRoutes(services));
  await app.register(providerWebhookRoute(services));
  await app.register(async (people) => {
    takeEmptyBodies(people);
    const holdCaller = createCallerLimit(options.rateLimit, nowMs);
    // Before a body is read or a parameter looked at: what a stranger sends is nothing to us.
    people.addHook('onRequest', async (request) => {
      const right = request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'act';
      const caller = await services.authenticate(request);
      if (caller !== null) holdCaller(request);
      requireRight(caller, right);
    });
    // The schemas of the queries do not see it: to them it is no name.
    people.addHook('preValidation', (request, _reply, done) => {
      const isOdd = Object.hasOwn(request.query as object, '__proto__');
      done(isOdd ? badRequest('"__proto__" is not a filter.') : undefined);
    });
    await people.register(alertRoutes(services));
    await people.register(incidentRoutes(services));
    await people.register(deliveryRoutes(services));
    await people.register(ledgerRoute(services));
    await people.register(healthCheckRoutes(services));
    await people.register(clusterRoutes(services));
  });
  let document: string | null = null;
  app.get('/api/v1/openapi.json', { schema: { hide: true }, onRequest: holdOpenPages }, (_request, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.type('application/json').send(document);
  });
  await app.ready();
  return app;
}

/**
 * What comes while we stop: its sender tries again, and finds another of us. The
 * door stays open for as long as the work behind it comes to an end, because a
 * refused connection says less than a 503; health and metrics go on answering.
 */
function refuseWhileStopping(app: FastifyInstance, services: ApiServices): void {
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (!closing && !services.isStopping()) return done();
    void reply.header('connection', 'close');
    if (alwaysAnswered.has(request.routeOptions.url ?? '')) return done();
    done(unavailable('The service is stopping. Nothing was done; try again.'));
  });
}

const alwaysAnswered: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

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
