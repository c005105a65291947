import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { KnownMethods } from './known-methods.ts';

describe('KnownMethods', () => {
  const methods = new KnownMethods();
  const app = fastify();
  methods.watch(app);
  const handler = (): string => '';
  app.get('/alerts', handler);
  app.post('/alerts', handler);
  app.route({ method: ['PUT', 'DELETE'], url: '/alerts/:id', handler });
  app.get('/static/*', handler);
  app.get('/a.b', handler);

  it.each([
    ['/alerts', ['GET', 'HEAD', 'POST']],
    ['/alerts/', ['GET', 'HEAD', 'POST']],
    ['/alerts/1', ['DELETE', 'PUT']],
    ['/alerts/1/2', []],
    ['/static/deep/file.js', ['GET', 'HEAD']],
    ['/axb', []],
    ['/', []],
    ['', []],
  ])('%s takes %j', async (path, expected) => {
    await app.ready();
    expect(methods.of(path).toSorted((one, other) => (one < other ? -1 : 1))).toEqual(expected);
  });
});
