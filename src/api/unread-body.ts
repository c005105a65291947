import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** What was sent too large is sent a few times too large, rarely more. */
const mostBytes = 33_554_432;
const withinMs = 10_000;

/**
 * An answer that ends the connection waits until the request has arrived, which
 * is read to nowhere. A connection closed on unread data breaks under its sender,
 * who hears "broken pipe" instead of "413" (RFC 9112 §9.6). Where there is more
 * than is worth reading, that stays so.
 */
export function readUnreadBodies(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, _payload, done) => {
    const { raw } = request;
    const ends = reply.getHeader('connection') === 'close' || !reply.raw.shouldKeepAlive;
    if (!ends || raw.complete || Number(request.headers['content-length'] ?? 0) > mostBytes) done();
    else readRest(raw, done);
  });
}

function readRest(raw: IncomingMessage, done: () => void): void {
  let left = mostBytes;
  const count = (chunk: Buffer): void => {
    left -= chunk.length;
    if (left < 0) finish();
  };
  const finish = (): void => {
    clearTimeout(timer);
    raw.off('data', count).off('end', finish).off('close', finish).pause();
    done();
  };
  const timer = setTimeout(finish, withinMs);
  raw.on('data', count).on('end', finish).on('close', finish).resume();
}
