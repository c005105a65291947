import fastify from 'fastify';
import { expect, it } from 'vitest';
import { sendProblem } from './problem.ts';

/** A server whose every answer is this failure of the database. */
async function answer(method: 'GET' | 'POST', code: string): Promise<{ status: number; detail: string }> {
  const app = fastify();
  app.setErrorHandler((error: Error, request, reply) => sendProblem(error, request, reply));
  app.route({
    method,
    url: '/',
    handler: () => Promise.reject(Object.assign(new Error('date/time field value out of range'), { code })),
  });
  const { statusCode, body } = await app.inject({ method, url: '/' });
  return { status: statusCode, detail: (JSON.parse(body) as { detail: string }).detail };
}

it('a time that PostgreSQL does not know is the mistake of who asked for it, and ours where it is stored', async () => {
  for (const code of ['22007', '22008']) {
    expect(await answer('GET', code)).toEqual({ status: 400, detail: expect.stringContaining('time') });
    expect((await answer('POST', code)).status).toBe(500);
  }
  expect((await answer('GET', '22P05')).status).toBe(500);
});
