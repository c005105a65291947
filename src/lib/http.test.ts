import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { callJson, type HttpOptions, type HttpResult, maskSecrets } from './http.ts';

const key = 'key-that-must-not-leak';
const options: HttpOptions = {
  timeoutMs: 5000,
  maxBodyBytes: 1000,
  headers: { authorization: `GenieKey ${key}` },
};
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function get(
  url: string,
  over: Partial<HttpOptions> = {},
  signal = new AbortController().signal,
): Promise<HttpResult> {
  return callJson({ method: 'GET', url }, { ...options, ...over }, signal);
}

describe('callJson', () => {
  it('sends method, headers and JSON, and answers status, headers and body', async () => {
    const url = await listen((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        response.writeHead(202, { 'x-request-id': 'r1' });
        response.end(
          JSON.stringify({
            method: request.method,
            auth: request.headers.authorization,
            type: request.headers['content-type'],
            body,
          }),
        );
      });
    });
    const result = await callJson(
      { method: 'PUT', url: `${url}/a`, json: { ä: 1 } },
      options,
      new AbortController().signal,
    );
    expect(result).toMatchObject({
      ok: true,
      status: 202,
      body: { method: 'PUT', auth: `GenieKey ${key}`, type: 'application/json', body: '{"ä":1}' },
    });
    expect(result.ok && result.headers.get('x-request-id')).toBe('r1');
  });

  it('takes an error status as an answer', async () => {
    const url = await listen((_request, response) => response.writeHead(500).end('{"message":"x"}'));
    expect(await get(url)).toMatchObject({ ok: true, status: 500, body: { message: 'x' } });
  });

  it('masks secrets in words', () => {
    expect(maskSecrets(`GenieKey ${key}, ${key}`, [key, ''])).toBe('GenieKey [secret], [secret]');
  });

  it('calls no link-local address', async () => {
    const result = await get('http://169.254.169.254/latest/meta-data/');
    expect(result).toMatchObject({ ok: false, applied: 'no', code: 'ERR_FORBIDDEN_ADDRESS' });
  });

  it('takes an empty body as null', async () => {
    const url = await listen((_request, response) => response.writeHead(204).end());
    expect(await get(url)).toMatchObject({ ok: true, status: 204, body: null });
  });

  it('says of HTML which status it came with', async () => {
    const url = await listen((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<h1>Hello</h1>'),
    );
    expect(await get(url)).toMatchObject({
      ok: false,
      kind: 'not-json',
      applied: 'maybe',
      response: { status: 200 },
      detail: expect.stringContaining('text/html'),
    });
  });

  it('stops reading beyond the limit, announced or not', async () => {
    const announced = await listen((_request, response) => response.end(`"${'x'.repeat(2000)}"`));
    const streamed = await listen((_request, response) => {
      response.write('"');
      for (let i = 0; i < 20; i += 1) response.write('x'.repeat(100));
      response.end('"');
    });
    expect(await get(announced)).toMatchObject({ ok: false, kind: 'too-large', applied: 'maybe' });
    expect(await get(streamed)).toMatchObject({ ok: false, kind: 'too-large', applied: 'maybe' });
  });

  it('refuses redirects', async () => {
    let calls = 0;
    const url = await listen((_request, response) => {
      calls += 1;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await get(url)).toMatchObject({ ok: false, kind: 'network', code: 'redirect' });
    expect(calls).toBe(1);
  });

  it('knows that a refused connection applied nothing', async () => {
    const url = await listen(() => {});
    const [server] = servers.splice(0);
    await new Promise((done) => server?.close(done));
    expect(await get(url)).toMatchObject({ ok: false, kind: 'network', applied: 'no', code: 'ECONNREFUSED' });
  });

  it('does not know what a broken connection left behind', async () => {
    const url = await listen((request) => request.socket.destroy());
    expect(await get(url)).toMatchObject({ ok: false, kind: 'network', applied: 'maybe' });
  });

  it('gives up after the timeout, also in the middle of a body', async () => {
    const silent = await listen(() => {});
    const half = await listen((_request, response) => response.write('{"a":'));
    expect(await get(silent, { timeoutMs: 30 })).toMatchObject({
      ok: false,
      kind: 'timeout',
      applied: 'maybe',
    });
    expect(await get(half, { timeoutMs: 30 })).toMatchObject({
      ok: false,
      kind: 'timeout',
      applied: 'maybe',
    });
  });

  it('stops when the caller does', async () => {
    const stop = new AbortController();
    const url = await listen(() => stop.abort());
    expect(await get(url, {}, stop.signal)).toMatchObject({ ok: false, code: 'aborted', applied: 'maybe' });
    expect(await get(url, {}, stop.signal)).toMatchObject({ ok: false, code: 'aborted', applied: 'no' });
  });

  it('keeps an unsendable header value to itself', async () => {
    const result = await get('http://127.0.0.1:9', { headers: { authorization: `GenieKey ${key}\nx` } });
    expect(result).toMatchObject({ ok: false, applied: 'no', code: 'invalid-request' });
    expect(JSON.stringify(result)).not.toContain(key);
  });

  it('keeps credentials in a URL to itself', async () => {
    const result = await get(`http://user:${key}@127.0.0.1/`);
    expect(result).toMatchObject({ ok: false, applied: 'no', code: 'invalid-request' });
    expect(JSON.stringify(result)).not.toContain(key);
  });
});
