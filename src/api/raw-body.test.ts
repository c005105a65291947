import fastify from 'fastify';
import { expect, it } from 'vitest';
import { keepRawBodies, rawBody } from './raw-body.ts';
import { sendProblem } from './problem.ts';

async function send(headers: Record<string, string>): Promise<{ status: number; body: string }> {
  const app = fastify();
  app.setErrorHandler((error: Error, request, reply) => sendProblem(error, request, reply));
  keepRawBodies(app);
  app.post('/', (request) => rawBody(request).toString());
  const { statusCode, body } = await app.inject({ method: 'POST', url: '/', payload: '{"a":1}', headers });
  return { status: statusCode, body };
}

it.each([
  'application/json',
  'application/json; charset=utf-8',
  'text/plain;',
  'application/json; charset="',
  '',
  ' ',
  '/',
  'json',
  'json;charset=utf-8',
  'text/',
  '/plain',
  'text/plain, text/html',
  'te xt/plain',
  ';',
  'undefined',
  '=?/?=',
  'a/b/c',
  'ü/ü',
])('a body is kept as it came, whatever it is called: %j', async (type) => {
  expect(await send({ 'content-type': type })).toEqual({ status: 200, body: '{"a":1}' });
});

it('a body is taken uncompressed, however that is spelt', async () => {
  for (const encoding of ['identity', 'Identity', ' IDENTITY ', ''])
    expect((await send({ 'content-encoding': encoding })).status, encoding).toBe(200);
  for (const encoding of ['gzip', 'GZIP', 'identity, gzip'])
    expect((await send({ 'content-encoding': encoding })).status, encoding).toBe(415);
});
