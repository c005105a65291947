import fastify from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  clusterNow,
  deployment,
  event,
  node,
  pod,
  replicaSet,
  TestView,
} from '../../test/support/cluster-objects.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { clusterRoutes } from './cluster.ts';
import { ProblemError } from './problem.ts';
import type { ClusterReader } from './services.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());

function server(cluster: ClusterReader | null) {
  const app = fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, _request, reply) =>
    reply
      .status(error instanceof ProblemError ? error.problem.status : 400)
      .send({ type: '', title: '', status: 0 }),
  );
  const authenticate = () => Promise.resolve({ name: 'test', role: 'viewer' as const, tenant: '' });
  const services = { db: database.db, clock: { now: () => clusterNow }, authenticate, cluster };
  app.register(clusterRoutes(services as never));
  return async (url: string) => {
    const answer = await app.inject({ url });
    return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
  };
}

const view = new TestView([
  node('n1'),
  node('n2', { ready: 'False' }),
  replicaSet('web-abc12', 'web'),
  deployment('web', { replicas: 3 }),
  ...['web-1', 'web-2', 'web-3'].map((name) => pod(name)),
  event({ kind: 'Pod', name: 'web-1' }, 'Unhealthy'),
]);

it('answers with what the view holds, page by page', async () => {
  const get = server({ name: 'test', view });
  const health = await get('/api/v1/cluster/health');
  expect(health).toMatchObject({
    status: 200,
    body: { cluster: 'test', status: 'ok', nodes: { total: 2, ready: 1 }, pods: { total: 3, running: 3 } },
  });
  const first = await get('/api/v1/cluster/pods?limit=2&namespace=shop');
  expect(first.body).toMatchObject({
    items: [{ name: 'web-1', events: [{ reason: 'Unhealthy' }] }, { name: 'web-2' }],
  });
  const second = await get(
    `/api/v1/cluster/pods?limit=2&namespace=shop&cursor=${String(first.body['nextCursor'])}`,
  );
  expect(second.body).toMatchObject({ items: [{ name: 'web-3' }], nextCursor: null });
  expect((await get('/api/v1/cluster/pods?unhealthy=true')).body).toMatchObject({ items: [] });
  const events = await get('/api/v1/cluster/events?severity=P3');
  expect(events.body).toMatchObject({
    items: [{ reason: 'Unhealthy', severity: 'P3', object: { name: 'web-1' } }],
    nextCursor: null,
  });
  expect((await get('/api/v1/cluster/events?severity=P9')).status).toBe(400);
  expect((await get('/api/v1/cluster/pods?cursor=x')).status).toBe(400);
});

it('says that no cluster is watched', async () => {
  expect((await server(null)('/api/v1/cluster/health')).status).toBe(404);
});
