import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants, createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { selfSigned } from './self-signed.ts';

/** One answer, the same over HTTP/1.1 and HTTP/2. */
export type Reply = {
  head(code: number, headers: Record<string, string>): void;
  write(text: string): void;
  end(text?: string): void;
  /** Breaks the stream (HTTP/2) or the connection, without an answer. */
  reset(): void;
  onClose(closed: () => void): void;
};

export type AskedHttp = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  body: string;
};

export type HttpDoor = {
  url: string;
  /** Null without TLS. */
  caPem: string | null;
  connections(): { open: number; total: number };
  /** Breaks every connection. */
  drop(): void;
  close(): Promise<void>;
};

const maxBodyBytes = 3 * 1024 * 1024;

/** Listens on loopback; with TLS it speaks HTTP/2 as an API server does. */
export async function openDoor(
  options: { tls: boolean; port: number; now: () => Date },
  answer: (asked: AskedHttp, reply: Reply) => void,
): Promise<HttpDoor> {
  const sockets = new Set<Socket>();
  let total = 0;
  const handle = async (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): Promise<void> => {
    const body = await read(request);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://sandbox');
    const { method = 'GET', headers } = request;
    answer(
      { method, path: pathname, query: searchParams, headers, body },
      replyOf(request, response, options.now),
    );
  };
  const keys = options.tls ? selfSigned(options.now()) : null;
  const server: Server =
    keys === null
      ? createServer((request, response) => void handle(request, response))
      : createSecureServer(
          { cert: keys.certPem, key: keys.keyPem, allowHTTP1: true },
          (request, response) => void handle(request, response),
        );
  server.on('connection', (socket: Socket) => {
    total += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((listening) => server.listen(options.port, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `${keys === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    caPem: keys?.certPem ?? null,
    connections: () => ({ open: sockets.size, total }),
    drop,
    close: async () => {
      const closed = new Promise<void>((done) => server.close(() => done()));
      drop();
      await closed;
    },
  };
}

function replyOf(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  now: () => Date,
): Reply {
  const write = (text: string): void => {
    if (response.destroyed || response.writableEnded) return;
    // One type says what both understand.
    (response as ServerResponse).write(text);
  };
  response.on('error', () => undefined);
  return {
    head: (code, headers) => {
      if (response.headersSent || response.destroyed) return;
      (response as ServerResponse).writeHead(code, {
        date: now().toUTCString(),
        'audit-id': 'sandbox',
        'cache-control': 'no-cache, private',
        ...headers,
      });
      // A watch without events answers at once all the same.
      if ('flushHeaders' in response) response.flushHeaders();
    },
    write,
    end: (text) => {
      if (text !== undefined) write(text);
      response.end();
    },
    reset: () => {
      if ('stream' in request) request.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      else request.socket.resetAndDestroy();
    },
    onClose: (closed) => {
      response.once('close', closed);
    },
  };
}

async function read(request: IncomingMessage | Http2ServerRequest): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
    }
  } catch {
    // Who asked is gone.
  }
  return Buffer.concat(chunks).toString('utf8');
}
