import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpsgenieSandbox, startOpsgenieSandbox } from './server.ts';

let sandbox: OpsgenieSandbox;
beforeEach(async () => {
  sandbox = await startOpsgenieSandbox();
});
afterEach(() => sandbox.stop());

type Json = { [key: string]: unknown; data?: Record<string, unknown>; requestId?: string };

async function call(
  method: string,
  path: string,
  body?: unknown,
  key = sandbox.apiKey,
): Promise<{ status: number; headers: Headers; body: Json }> {
  const response = await fetch(sandbox.url + path, {
    method,
    headers: { authorization: `GenieKey ${key}` },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
}

async function open(alias = 'a', message = 'first'): Promise<string> {
  await call('POST', '/v2/alerts', { message, alias });
  return sandbox.alerts().at(-1)?.id ?? '';
}

describe('requests', () => {
  it('are accepted first, pending twice, then done', async () => {
    const accepted = await call('POST', '/v2/alerts', { message: 'x', alias: 'a' });
    expect(accepted).toMatchObject({ status: 202, body: { result: 'Request will be processed' } });
    const path = `/v2/alerts/requests/${accepted.body.requestId}`;
    for (let ask = 0; ask < 2; ask += 1) {
      const pending = await call('GET', path);
      expect(pending.status).toBe(404);
      expect(pending.headers.get('x-opsgenie-errortype')).toBe('RequestNotProcessed');
    }
    expect(await call('GET', path)).toMatchObject({
      status: 200,
      body: { data: { isSuccess: true, alertId: sandbox.alerts()[0]?.id, alias: 'a' } },
    });
  });

  it('to nothing fail in their status, not in their answer', async () => {
    const accepted = await call('POST', '/v2/alerts/nothing/close?identifierType=alias', {});
    expect(accepted.status).toBe(202);
    const path = `/v2/alerts/requests/${accepted.body.requestId}`;
    await call('GET', path);
    await call('GET', path);
    expect(await call('GET', path)).toMatchObject({
      status: 200,
      body: { data: { isSuccess: false, alertId: '', status: 'Alert does not exist' } },
    });
  });

  it('need the key', async () => {
    expect((await call('GET', '/v2/alerts', undefined, 'wrong')).status).toBe(401);
    expect((await fetch(`${sandbox.url}/v2/alerts`)).status).toBe(401);
  });

  it('are refused when malformed, unprocessable or misdirected', async () => {
    expect((await call('POST', '/v2/alerts', '{')).status).toBe(400);
    const bad = await call('POST', '/v2/alerts', {
      message: 'x'.repeat(131),
      tags: ['y'.repeat(51)],
      details: { a: 1 },
      priority: 'P0',
      responders: [{ type: 'user', name: 'ada' }],
    });
    expect(bad.status).toBe(422);
    expect(Object.keys(bad.body['errors'] as object).toSorted()).toEqual([
      'details',
      'message',
      'priority',
      'responders',
      'tags',
    ]);
    expect(await call('POST', '/v2/alerts', { message: '' })).toMatchObject({
      status: 422,
      body: { errors: { message: 'message can not be empty.' } },
    });
    const id = await open();
    expect((await call('POST', `/v2/alerts/${id}/priority`, { priority: 'P1' })).status).toBe(405);
    expect((await call('PUT', '/v1/incidents/x/priority', { priority: 'P1' })).status).toBe(405);
    expect(
      await call('POST', '/v1/incidents/create', {
        message: 'x',
        responders: [{ type: 'schedule', name: 's' }],
      }),
    ).toMatchObject({ status: 422 });
  });

  it('count a character as one, however many units it has', async () => {
    expect((await call('POST', '/v2/alerts', { message: '😀'.repeat(130) })).status).toBe(202);
  });
});

describe('alerts', () => {
  it('are one per open alias: a second create counts up and changes nothing else', async () => {
    await open('a', 'first');
    await open('a', 'second');
    expect(sandbox.alerts()).toMatchObject([{ message: 'first', count: 2 }]);
  });

  it('open anew under an alias that is closed, which then finds only the open one', async () => {
    const first = await open();
    sandbox.person.close(first, 'ada@example.com');
    expect((await call('GET', '/v2/alerts/a?identifierType=alias')).status).toBe(404);
    const second = await open();
    expect(second).not.toBe(first);
    expect((await call('GET', '/v2/alerts/a?identifierType=alias')).body.data?.['id']).toBe(second);
    expect((await call('GET', `/v2/alerts/${first}?identifierType=id`)).body.data?.['status']).toBe('closed');
  });

  it('are searched by an index that lags', async () => {
    await open();
    const list = async () =>
      (await call('GET', `/v2/alerts?query=${encodeURIComponent('alias: "a"')}`)).body.data;
    expect(await list()).toHaveLength(0);
    expect(await list()).toHaveLength(1);
    expect((await call('GET', '/v2/alerts?limit=101')).status).toBe(422);
    expect((await call('GET', '/v2/alerts?query=colour:red')).status).toBe(422);
  });
});

describe('heartbeats', () => {
  it('answer PONG for any name', async () => {
    expect((await call('GET', '/v2/heartbeats/nobody/ping')).status).toBe(202);
    expect((await call('GET', '/v2/heartbeats/nobody')).status).toBe(404);
    expect(
      (
        await call('POST', '/v2/heartbeats', {
          name: 'gomon',
          interval: 1,
          intervalUnit: 'minutes',
          enabled: true,
        })
      ).status,
    ).toBe(201);
    await call('PUT', '/v2/heartbeats/gomon/ping');
    expect(sandbox.heartbeats()).toMatchObject([{ name: 'gomon', lastPingAtMs: expect.any(Number) }]);
  });
});

describe('faults', () => {
  it('meet the calls they are for, in order, as often as asked', async () => {
    sandbox.fault({ method: 'POST', path: '/v2/alerts', effect: 'rate-limit', periodInSec: 3 });
    sandbox.fault({ method: 'POST', path: '/v2/alerts', effect: 'rate-limit' });
    sandbox.fault({ method: 'POST', effect: 'status', status: 500, applied: true });
    expect((await call('GET', '/v2/alerts')).status).toBe(200);
    const [first, second] = [
      await call('POST', '/v2/alerts', { message: 'x' }),
      await call('POST', '/v2/alerts', { message: 'x' }),
    ];
    expect([first.status, first.headers.get('x-ratelimit-period-in-sec')]).toEqual([429, '3']);
    expect([second.status, second.headers.get('x-ratelimit-period-in-sec')]).toEqual([429, null]);
    expect(sandbox.alerts()).toHaveLength(0);
    expect((await call('POST', '/v2/alerts', { message: 'x' })).status).toBe(500);
    expect(sandbox.alerts()).toHaveLength(1);
    expect((await call('POST', '/v2/alerts', { message: 'y' })).status).toBe(202);
    expect(sandbox.calls().map(({ fault }) => fault)).toEqual([
      null,
      'rate-limit',
      'rate-limit',
      'status',
      null,
    ]);
  });

  it('can break the connection or leave it hanging', async () => {
    sandbox.fault({ effect: 'reset' });
    await expect(call('GET', '/v2/alerts')).rejects.toThrow('fetch failed');
    sandbox.fault({ effect: 'hang' });
    const stop = new AbortController();
    const hanging = fetch(`${sandbox.url}/v2/alerts`, { signal: stop.signal });
    await sandbox.waitFor((account) => account.calls().some(({ fault }) => fault === 'hang'));
    stop.abort();
    await expect(hanging).rejects.toThrow('aborted');
  });
});

describe('webhooks', () => {
  async function receiver() {
    const received: { headers: Record<string, unknown>; body: string }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.end('{}');
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    return { received, url, stop: () => new Promise((done) => server.close(done)) };
  }

  it('carry the configured header and the vendor’s shape', async () => {
    const to = await receiver();
    sandbox.deliverTo(to.url, { 'x-secret': 's' });
    await call('POST', '/v2/alerts', {
      message: 'm',
      alias: 'a',
      details: { long: 'x'.repeat(1500) },
      responders: [{ type: 'team', name: 'Payments' }],
      user: 'gomon',
    });
    await sandbox.drain();
    sandbox.person.addNote('a', 'looking "here"', 'ada@example.com');
    await sandbox.drain();
    await to.stop();
    expect(to.received.map(({ headers }) => headers['x-secret'])).toEqual(['s', 's']);
    const [create, note] = to.received.map(({ body }) => body);
    expect(create).toMatch(/"updatedAt":\d{19},/);
    expect(JSON.parse(create ?? '')).toMatchObject({
      action: 'Create',
      alert: {
        alias: 'a',
        team: 'Payments',
        username: 'gomon',
        priority: 'P3',
        details: { long: 'x'.repeat(1000) },
      },
      source: { name: '', type: 'API' },
    });
    expect(JSON.parse(note ?? '')).toMatchObject({
      action: 'AddNote',
      alert: { note: 'looking "here"', username: 'ada@example.com', oldPriority: 'P3' },
      source: { type: 'web' },
    });
    expect(sandbox.deliveries().map(({ status }) => status)).toEqual([200, 200]);
  });

  it('tell of an incident only by the alerts that page for it', async () => {
    const to = await receiver();
    sandbox.deliverTo(to.url, {});
    await call('POST', '/v1/incidents/create', {
      message: 'm',
      tags: ['t'],
      responders: [{ type: 'team', name: 'Payments' }],
    });
    const [incident] = sandbox.incidents();
    sandbox.person.resolve(incident?.id ?? '', 'ada@example.com');
    sandbox.person.escalate(incident?.responderAlertIds[0] ?? '', 'Night', 'ada@example.com');
    await sandbox.drain();
    await to.stop();
    const bodies = to.received.map(({ body }) => JSON.parse(body) as Json);
    expect(new Set(bodies.map(({ action }) => action))).toEqual(new Set(['Create', 'Escalate']));
    expect(bodies).toHaveLength(2);
    expect(bodies.find(({ action }) => action === 'Create')).toMatchObject({
      alert: {
        username: 'System',
        tags: [],
        details: { 'incident-id': incident?.id, 'incident-alert-type': 'Owner' },
      },
      source: { type: 'incident' },
    });
    expect(bodies.find(({ action }) => action === 'Escalate')).toMatchObject({
      alert: { alertId: incident?.responderAlertIds[0] },
    });
  });

  it('are lost when nobody takes them', async () => {
    const to = await receiver();
    await to.stop();
    sandbox.deliverTo(to.url, {});
    await open();
    await sandbox.drain();
    expect(sandbox.deliveries()).toMatchObject([{ action: 'Create', status: null }]);
  });
});

describe('the page', () => {
  it('escapes what it shows', async () => {
    await call('POST', '/v2/alerts', {
      message: '<script>alert(1)</script>',
      details: { '<b>': '"><img src=x>' },
    });
    const html = await (await fetch(sandbox.url)).text();
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<img');
  });

  it('acknowledges by a click, and only by one of its own', async () => {
    const id = await open();
    const click = (headers: Record<string, string>) =>
      fetch(`${sandbox.url}/act`, {
        method: 'POST',
        headers,
        redirect: 'manual',
        body: new URLSearchParams({ id, action: 'acknowledge' }),
      });
    expect((await click({ origin: 'http://elsewhere.example' })).status).toBe(403);
    expect(sandbox.alerts()).toMatchObject([{ acknowledged: false }]);
    expect((await click({ origin: sandbox.url })).status).toBe(303);
    expect((await click({})).status).toBe(303);
    expect(sandbox.alerts()).toMatchObject([{ acknowledged: true, owner: 'you@example.com' }]);
  });

  it('is where the links lead', async () => {
    const id = await open('a', 'look here');
    await open('b', 'not here');
    const html = await (await fetch(`${sandbox.url}/alert/detail/${id}/details`)).text();
    expect(html).toContain('look here');
    expect(html).not.toContain('not here');
    expect((await fetch(`${sandbox.url}/elsewhere`)).status).toBe(404);
  });
});

describe('waitFor', () => {
  it('wakes up on a change', async () => {
    const waiting = sandbox.waitFor((account) => account.alerts().find(({ status }) => status === 'closed'));
    const id = await open();
    sandbox.person.close(id, 'ada@example.com');
    expect((await waiting).id).toBe(id);
  });

  it('gives up', async () => {
    await expect(sandbox.waitFor(() => null, 5)).rejects.toThrow('within 5 ms');
  });
});
