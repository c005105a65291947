import type { Socket } from 'node:net';
import type { Problem } from './contract/common.ts';
import { bareHeaders } from './strict-headers.ts';

/** By the code of Node's HTTP parser; the rest is no HTTP. */
const problems: Record<string, { status: number; title: string; detail: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    title: 'Request Timeout',
    detail: 'The request did not arrive in full in time. Nothing was stored; send again.',
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    title: 'Request Header Fields Too Large',
    detail: 'The headers are larger than 16 KiB.',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    title: 'Content Too Large',
    detail: 'The chunk extensions are too long.',
  },
};
const malformed = { status: 400, title: 'Bad Request', detail: 'This is not an HTTP request.' };

/** Answers what never became a request, and hangs up: there is no telling where the next one would begin. */
export function refuseBroken(error: Error & { code?: string }, socket: Socket): void {
  // Whoever hung up hears nothing any more.
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const { status, title, detail } = problems[error.code ?? ''] ?? malformed;
  const body = JSON.stringify({ type: 'about:blank', title, status, detail } satisfies Problem);
  const headers = {
    ...bareHeaders,
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...(status === 408 ? { 'retry-after': '5' } : {}),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (socket.writable) socket.write(`HTTP/1.1 ${status} ${title}\r\n${head.join('')}\r\n${body}`);
  socket.destroySoon();
}
