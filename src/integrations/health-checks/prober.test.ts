import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Probe } from '../../health-checks/health-check.ts';
import { selfSigned } from '../../../test/support/certificate.ts';
import { createProber } from './prober.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((settle) => {
    server.listen(0, '127.0.0.1', settle);
  });
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const serve = async (handler: RequestListener): Promise<string> =>
  `http://127.0.0.1:${await listen(createServer(handler))}`;

const day = 86_400_000;
const validTo = new Date(Math.floor(Date.now() / 1_000) * 1_000 + 5 * day);
const pair = selfSigned({
  name: 'localhost',
  addresses: ['127.0.0.1'],
  validFrom: new Date(Date.now() - 85 * day),
  validTo,
});

const prober = createProber({
  pingDatabase: async () => undefined,
  dependencies: {
    slack: { url: null, trouble: () => null },
    opsgenie: { url: 'https://opsgenie.example.com', trouble: () => '503 five times' },
    jaeger: { url: 'http://127.0.0.1:9', trouble: () => null },
  },
});
const signal = new AbortController().signal;

const look = (probe: Probe, timeoutMs = 5_000) => prober.probe(probe, timeoutMs, signal);
const http = (url: string, over: Partial<Extract<Probe, { type: 'http' }>> = {}): Probe => ({
  type: 'http',
  url,
  method: 'GET',
  headers: {},
  expectStatus: [{ from: 200, to: 299 }],
  bodyContains: null,
  redirects: 0,
  verifyCertificate: true,
  allowLinkLocal: false,
  ...over,
});
const tcp = (port: number, over: Partial<Extract<Probe, { type: 'tcp' }>> = {}): Probe => ({
  type: 'tcp',
  host: '127.0.0.1',
  port,
  tls: false,
  verifyCertificate: true,
  allowLinkLocal: false,
  ...over,
});

describe('http', () => {
  it('sends what it was told to, once', async () => {
    const seen: unknown[] = [];
    const url = await serve((request, response) => {
      seen.push([request.method, request.url, request.headers['authorization']]);
      response.end('all is well');
    });
    const probe = http(`${url}/healthz?deep=1`, { headers: { Authorization: 'Bearer s3cret' } });
    expect(await look(probe)).toEqual({ ok: true, detail: 'It answered 200', certificate: null });
    expect(seen).toEqual([['GET', '/healthz?deep=1', 'Bearer s3cret']]);
  });

  it.each([
    [500, false],
    [404, false],
    [204, true],
    [301, false],
  ])('takes %d for well: %s', async (status, ok) => {
    const url = await serve((_request, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end();
    });
    expect(await look(http(url))).toMatchObject({ ok });
  });

  it('looks for text in the first part of the answer only', async () => {
    const url = await serve((request, response) => {
      response.write(request.url === '/late' ? 'x'.repeat(70_000) : '{"status":');
      response.end('"green"}');
    });
    expect(await look(http(url, { bodyContains: '"status":"green"' }))).toMatchObject({ ok: true });
    expect(await look(http(url, { bodyContains: 'yellow' }))).toMatchObject({
      ok: false,
      detail: 'It answered 200, but without the expected text',
    });
    expect(await look(http(`${url}/late`, { bodyContains: 'green' }))).toMatchObject({ ok: false });
  });

  it('ends an answer without end', async () => {
    const url = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(timer));
    });
    expect(await look(http(url, { bodyContains: 'y' }))).toMatchObject({ ok: false });
    expect(await look(http(url))).toMatchObject({ ok: true });
  });

  it('follows redirects only when told to, and takes its secrets to nobody else', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers['authorization']);
      response.end('elsewhere');
    });
    const url = await serve((_request, response) => {
      response.writeHead(302, { location: `${other}/` }).end();
    });
    const headers = { Authorization: 'Bearer s3cret' };
    expect(await look(http(url, { headers }))).toMatchObject({ ok: false });
    expect(seen).toEqual([]);
    expect(await look(http(url, { headers, redirects: 1 }))).toMatchObject({ ok: true });
    expect(seen).toEqual([undefined]);
  });

  it('follows no redirect to a metadata service', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end();
    });
    const outcome = await look(http(url, { redirects: 5 }));
    expect(outcome).toMatchObject({ ok: false, detail: expect.stringContaining('allowLinkLocal') });
  });

  it('waits no longer than it may', async () => {
    const url = await serve(() => undefined);
    expect(await look(http(url), 100)).toMatchObject({
      ok: false,
      detail: 'There was no answer within 100 ms',
    });
  });

  it('says what the network did, without address and headers', async () => {
    const gone = await listen(createServer());
    await closers.pop()?.();
    const outcome = await look(
      http(`http://127.0.0.1:${gone}/?token=s3cret`, { headers: { Authorization: 's3cret' } }),
    );
    expect(outcome).toEqual({
      ok: false,
      detail: 'The connection was refused (ECONNREFUSED)',
      certificate: null,
    });
  });

  it('says of a certificate that it is not to be trusted, and when it ends', async () => {
    const port = await listen(createTlsServer(pair, (_request, response) => response.end('ok')));
    const facts = { subject: 'localhost', validTo };
    expect(await look(http(`https://127.0.0.1:${port}/`))).toMatchObject({
      ok: false,
      detail: 'Its certificate is not to be trusted (DEPTH_ZERO_SELF_SIGNED_CERT)',
      certificate: facts,
    });
    expect(await look(http(`https://localhost:${port}/`, { verifyCertificate: false }))).toMatchObject({
      ok: true,
      certificate: facts,
    });
  });
});

describe('tcp', () => {
  it('connects, with a handshake where it is told to', async () => {
    const plain = await listen(createServer());
    expect(await look(tcp(plain))).toMatchObject({ ok: true, certificate: null });
    const secure = await listen(createTlsServer(pair));
    expect(await look(tcp(secure, { tls: true, verifyCertificate: false }))).toMatchObject({
      ok: true,
      certificate: { validTo },
    });
    expect(await look(tcp(secure, { tls: true }))).toMatchObject({ ok: false });
    expect(await look(tcp(plain, { tls: true, host: '169.254.169.254' }))).toMatchObject({
      ok: false,
      detail: expect.stringContaining('allowLinkLocal'),
    });
  });
});

describe('dns', () => {
  /** A name server that knows one address, or says that there is no such name. */
  async function nameServer(address: string | null): Promise<string> {
    const socket: UdpSocket = createSocket('udp4');
    socket.on('message', (question, from) => {
      const answer =
        address === null
          ? Buffer.alloc(0)
          : Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
      const end = question.indexOf(0, 12) + 5;
      const header = Buffer.from(question.subarray(0, 12));
      header.writeUInt16BE(address === null ? 0x8183 : 0x8180, 2);
      header.writeUInt16BE(address === null ? 0 : 1, 6);
      header.writeUInt16BE(0, 10);
      socket.send(Buffer.concat([header, question.subarray(12, end), answer]), from.port, from.address);
    });
    await new Promise<void>((settle) => {
      socket.bind(0, '127.0.0.1', settle);
    });
    closers.push(() => socket.close());
    return `127.0.0.1:${socket.address().port}`;
  }
  const dns = (server: string, expectAnswer: string[] = []): Probe => ({
    type: 'dns',
    host: 'shop.example.com',
    recordType: 'A',
    servers: [server],
    expectAnswer,
    allowLinkLocal: false,
  });

  it('compares the answer', async () => {
    const server = await nameServer('192.0.2.7');
    expect(await look(dns(server))).toMatchObject({ ok: true, detail: 'It resolves to 192.0.2.7' });
    expect(await look(dns(server, ['192.0.2.7']))).toMatchObject({ ok: true });
    expect(await look(dns(server, ['192.0.2.8']))).toMatchObject({
      ok: false,
      detail: 'It resolves to 192.0.2.7, without 192.0.2.8',
    });
  });

  it('says that there is no such name', async () => {
    expect(await look(dns(await nameServer(null)))).toMatchObject({
      ok: false,
      detail: 'The name does not resolve (ENOTFOUND)',
    });
  });
});

describe('own dependencies', () => {
  it.each([
    ['slack', { ok: true, detail: 'It is not configured' }],
    ['opsgenie', { ok: false, detail: 'Calls to it are held back: 503 five times' }],
    ['jaeger', { ok: false, detail: 'The connection was refused (ECONNREFUSED)' }],
  ] as const)('%s', async (dependency, outcome) => {
    expect(await look({ type: 'dependency', dependency })).toMatchObject(outcome);
  });

  it('asks the database', async () => {
    expect(await look({ type: 'database' })).toMatchObject({ ok: true });
    const away = createProber({
      pingDatabase: () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })),
      dependencies: {} as never,
    });
    expect(await away.probe({ type: 'database' }, 1_000, signal)).toMatchObject({ ok: false });
  });
});
