import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { conditionNames } from '../health-checks/conditions.ts';
import { checkOrder, type ListedCheck, listChecks } from '../health-checks/health-check-queries.ts';
import { requireRight } from './auth.ts';
import { readCursor } from './cursor.ts';
import { pageOf, ProblemAnswer } from './contract/common.ts';
import { HealthCheck, HealthCheckQuery } from './contract/health-check.ts';
import type { ApiServices } from './services.ts';

/** `/api/v1/health-checks`: what is looked at on a schedule, and what was found. */
export function healthCheckRoutes(services: ApiServices): FastifyPluginCallbackZod {
  return (app, _options, done) => {
    app.get(
      '/api/v1/health-checks',
      {
        schema: {
          tags: ['health checks'],
          summary: 'List the health checks with their state, by name',
          querystring: HealthCheckQuery.strict(),
          response: { 200: pageOf(HealthCheck), default: ProblemAnswer },
        },
      },
      async (request) => {
        requireRight(await services.authenticate(request), 'read');
        const { limit, cursor, ...filter } = request.query;
        const page = await listChecks(services.db, filter, {
          limit,
          after: readCursor(cursor, checkOrder, 'name'),
        });
        return { ...page, items: page.items.map(present) };
      },
    );
    done();
  };
}

function present(check: ListedCheck): HealthCheck {
  return {
    name: check.name,
    type: check.type,
    target: check.target,
    status: check.status,
    statusSince: check.statusSince?.toISOString() ?? null,
    checkedAt: check.checkedAt?.toISOString() ?? null,
    nextAt: check.nextAt.toISOString(),
    intervalSeconds: check.intervalMs / 1_000,
    durationMs: check.durationMs,
    detail: check.detail,
    severity: check.severity,
    namespace: check.namespace,
    labels: check.labels,
    certificateExpiresAt: check.certificateExpiresAt?.toISOString() ?? null,
    conditions: conditionNames.flatMap((name) => {
      const memory = check.conditions[name];
      if (memory === undefined || memory.state === 'ok') return [];
      const { state, severity, detail, sinceMs } = memory;
      return [{ name, state, severity, since: new Date(sinceMs).toISOString(), detail }];
    }),
    alertIds: check.alertIds,
    recent: check.results,
  };
}
