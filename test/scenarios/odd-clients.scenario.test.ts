import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminToken, startWorld, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({
    opsgenieStatusAsks: 0,
    settings: { slack: { pace: { burstPerChannel: 100 } } },
  });
});
afterAll(() => world.stop());

const json = { 'content-type': 'application/json' };
const grafana = (alertname: string, severity: string, labels = {}) => ({
  status: 'firing',
  labels: { alertname, severity, ...labels },
  annotations: {},
  startsAt: '2026-03-01T10:00:00Z',
  endsAt: '0001-01-01T00:00:00Z',
  fingerprint: `fp-${alertname}`,
});
const send = (alerts: unknown[]) =>
  world.call('POST', '/api/v1/webhooks/grafana', { version: '1', status: 'firing', alerts });

describe('clients of every kind', () => {
  it('may name JSON where there is no body', async () => {
    const [{ id }] = (await world.call('POST', '/api/v1/alerts', { title: 'No body' })).body.results;
    const alert = `/api/v1/alerts/${id}`;
    const acknowledged = await world.call('PUT', `${alert}/acknowledge`, '', json);
    expect(acknowledged).toMatchObject({ status: 200, body: { status: 'acknowledged' } });
    expect(await world.call('PUT', `${alert}/escalate`, '', json)).toMatchObject({ status: 200 });
    const note = await world.call('POST', `${alert}/notes`, '', json);
    expect(note).toMatchObject({ status: 400, body: { status: 400 } });
    const deleted = await world.call('DELETE', alert, '', json);
    expect(deleted).toMatchObject({ status: 200, body: { status: 'archived' } });
    const incident = await world.call('POST', '/api/v1/incidents', { alertId: id });
    expect(incident).toMatchObject({ status: 409, body: { detail: expect.stringContaining('archived') } });
  });

  it('may put a byte order mark first', async () => {
    expect(await world.call('POST', '/api/v1/alerts', '\ufeff{"title":"Marked"}', json)).toMatchObject({
      status: 201,
    });
  });

  it('may ask for a label of any name', async () => {
    const body = JSON.stringify([grafana('Named', 'info'), grafana('Other', 'info')]);
    const named = body.replace('"alertname":"Named"', '"alertname":"Named","__proto__":"x","toString":"y"');
    await world.call('POST', '/api/v1/webhooks/grafana', `{"version":"1","alerts":${named}}`, json);
    for (const filter of ['label.__proto__=x', 'label.toString=y']) {
      const { items } = (await world.call('GET', `/api/v1/alerts?${filter}`)).body;
      expect(items.map((item: { title: string }) => item.title)).toEqual(['Named']);
    }
    expect((await world.call('GET', '/api/v1/alerts?label.__proto__=z')).body.items).toEqual([]);
  });

  it('are told of their alerts in the order they sent them', async () => {
    const names = Array.from({ length: 30 }, (_, index) => `Order-${(index * 7) % 30}`);
    expect(await send(names.map((name) => grafana(name, 'emergency')))).toMatchObject({ status: 200 });
    await world.drain();
    const asked = await world.rows<{ title: string }>(
      `SELECT a.title FROM notifications n JOIN alerts_active a ON a.id = n.alert_id
       WHERE a.title LIKE 'Order-%' ORDER BY n.priority, n.created_at, n.id`,
    );
    expect(asked.map(({ title }) => title)).toEqual(names);
  });
});

describe('a service that stops', () => {
  it('finishes what it began, and refuses the rest with a problem document', async () => {
    const stopping = await startWorld({ opsgenieStatusAsks: 0 });
    try {
      const { port, hostname } = new URL(stopping.url);
      const socket = net.connect(Number(port), hostname);
      const answers: string[] = [];
      socket.setEncoding('utf8').on('data', (text: string) => answers.push(text));
      const closed = once(socket, 'close');
      const body = JSON.stringify({ title: 'Begun before' });
      const head = [
        'POST /api/v1/alerts HTTP/1.1',
        'Host: gomon',
        `Authorization: Bearer ${adminToken}`,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      ];
      socket.write(`${[...head, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`);
      await once(socket, 'data');
      const stopped = stopping.app.stop();
      while (await accepts(Number(port), hostname));
      socket.write(`${body}${head.join('\r\n')}\r\n\r\n${body}`);
      await closed;
      await stopped;
      const [, first, second] = answers.join('').split('HTTP/1.1 ').slice(1);
      expect(first).toMatch(/^201 [^]*"outcome":"created"/);
      expect(second).toMatch(/^503 [^]*retry-after: 5[^]*application\/problem\+json[^]*stopping/i);
    } finally {
      await stopping.stop();
    }
  });
});

async function accepts(port: number, host: string): Promise<boolean> {
  const socket = net.connect(port, host);
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).then((accepted) => {
    socket.destroy();
    return accepted === true;
  });
}
