import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forbiddenAddress, isForbiddenHost } from './forbidden-address.ts';
import { guardedConnect, outgoingFetch } from './outgoing.ts';

describe('isForbiddenHost', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://169.254.0.1/',
    // The same address as people who hide it write it.
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://0251.0376.0251.0376/',
    'http://169.254.43518/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[fe80::1]/',
    'http://[febf::1]/',
    'http://[fd00:ec2::254]/',
    'http://100.100.100.200/',
    'http://192.0.0.192/',
  ])('%s is never called', (url) => {
    expect(isForbiddenHost(new URL(url).hostname)).toBe(true);
  });

  it.each([
    'http://127.0.0.1/',
    'http://10.0.0.8/',
    'http://[::1]/',
    'http://[fd00::8]/',
    'http://169.253.1.1/',
    'https://slack.com/api/',
    'http://169.254.169.254.example.com/',
  ])('%s may be', (url) => {
    expect(isForbiddenHost(new URL(url).hostname)).toBe(false);
  });
});

describe('outgoingFetch', () => {
  let base = '';
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    if (request.url === '/away') response.writeHead(307, { location: `${base}/there` });
    response.end('ok');
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it('calls what may be called, by address and by name', async () => {
    expect(await (await outgoingFetch(`${base}/`)).text()).toBe('ok');
    expect((await outgoingFetch(base.replace('127.0.0.1', 'localhost'))).status).toBe(200);
  });

  it('follows no redirect, whatever the caller says', async () => {
    seen.length = 0;
    await expect(outgoingFetch(`${base}/away`, { redirect: 'follow' })).rejects.toThrow('fetch failed');
    expect(seen).toEqual(['/away']);
  });

  it.each(['http://169.254.169.254/', 'http://[fe80::1]/', 'http://2852039166/'])(
    'sends nothing to %s',
    async (url) => {
      await expect(outgoingFetch(url)).rejects.toMatchObject({ cause: { code: forbiddenAddress } });
    },
  );

  it('looks at what a name resolves to', async () => {
    // An address is resolved to itself, without a name server.
    const outcome = await new Promise((resolve) =>
      guardedConnect.lookup('169.254.169.254', { all: true }, (error) => resolve(error)),
    );
    expect(outcome).toMatchObject({ code: forbiddenAddress });
    const fine = await new Promise((resolve) =>
      guardedConnect.lookup('127.0.0.1', {}, (error, address, family) => resolve([error, address, family])),
    );
    expect(fine).toEqual([null, '127.0.0.1', 4]);
  });
});
