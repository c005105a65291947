import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selfSigned } from '../support/certificate.ts';
import { startWorld, type World } from '../support/world.ts';

/** A target that is up or down, slow or quick, as the story goes, and counts who asks. */
const target = { status: 200, delayMs: 0, asked: [] as string[] };
const handler: RequestListener = (request, response) => {
  target.asked.push(`${request.method} ${request.url} ${String(request.headers['x-api-key'] ?? '-')}`);
  setTimeout(() => response.writeHead(target.status).end('fine'), target.delayMs);
};

const day = 86_400_000;
const servers: Server[] = [];
async function listen(server: Server): Promise<number> {
  await new Promise<void>((settle) => {
    server.listen(0, '127.0.0.1', settle);
  });
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

describe('health checks', () => {
  let world: World;

  beforeAll(async () => {
    const port = await listen(createServer(handler));
    const secure = await listen(
      createTlsServer(
        selfSigned({
          name: 'localhost',
          validFrom: new Date(Date.now() - 85 * day),
          validTo: new Date(Date.now() + 5 * day),
        }),
        (_request, response) => response.end('fine'),
      ),
    );
    const dead = createServer();
    const deadPort = await listen(dead);
    dead.close();
    world = await startWorld({
      env: { JAEGER_QUERY_URL: `http://127.0.0.1:${deadPort}`, SHOP_KEY: 's3cret-key' },
      settings: {
        incidents: { autoCreate: ['P0', 'P1', 'P3'] },
        healthChecks: [
          {
            name: 'shop',
            type: 'http',
            url: `http://127.0.0.1:${port}/healthz?token=s3cret-query`,
            headers: { 'X-Api-Key': 'env:SHOP_KEY' },
            severity: 'P1',
            namespace: 'shop',
            labels: { team: 'web' },
            intervalSeconds: 3_600,
            latencyMs: 500,
            latencySeverity: 'P4',
          },
          {
            name: 'door',
            type: 'http',
            url: `https://127.0.0.1:${secure}/`,
            verifyCertificate: false,
            intervalSeconds: 3_600,
          },
          {
            name: 'metadata',
            type: 'tcp',
            // Its address in another spelling.
            host: '2852039166',
            port: 80,
            severity: 'P4',
            intervalSeconds: 3_600,
          },
          { name: 'jaeger', type: 'dependency', dependency: 'jaeger', intervalSeconds: 3_600 },
          { name: 'database', type: 'database', intervalSeconds: 3_600 },
        ],
      },
    });
  });

  afterAll(async () => {
    await world.stop();
    for (const server of servers) server.close();
  });

  type Listed = {
    name: string;
    status: string;
    checkedAt: string | null;
    alertIds: string[];
    detail: string;
  };
  const checks = async (): Promise<Listed[]> =>
    ((await world.call('GET', '/api/v1/health-checks')).body as { items: Listed[] }).items;
  const statusOf = async (name: string): Promise<string | undefined> =>
    (await checks()).find((check) => check.name === name)?.status;

  async function looked(since = new Date(0)): Promise<void> {
    const fresh = async (): Promise<number> =>
      (await checks()).filter((check) => check.checkedAt !== null && new Date(check.checkedAt) >= since)
        .length;
    await expect.poll(fresh, { timeout: 15_000, interval: 20 }).toBe(5);
    await world.drain();
  }

  /** Everything is looked at once more, this much later. */
  async function later(seconds: number): Promise<void> {
    world.clock.advance(seconds * 1_000);
    const since = world.clock.now();
    await world.rows('UPDATE health_checks SET next_at = now()');
    await world.app.tick();
    await looked(since);
  }

  const posts = (channel: string): string[] => world.slack.messages(channel).map((message) => message.text);
  const about = (channel: string, word: string): string[] =>
    posts(channel).filter((text) => text.includes(word));

  it('are listed as soon as they have been looked at, each once', async () => {
    await looked();
    expect((await checks()).map(({ name, status }) => `${name} ${status}`)).toEqual([
      'database up',
      'door up',
      'jaeger failing',
      'metadata failing',
      'shop up',
    ]);
    expect(target.asked).toEqual(['GET /healthz?token=s3cret-query s3cret-key']);
    const answer = await world.call('GET', '/api/v1/health-checks?type=http&namespace=shop');
    expect(answer.body).toMatchObject({
      items: [
        {
          name: 'shop',
          severity: 'P1',
          labels: { team: 'web' },
          detail: 'It answered 200',
          recent: [{ ok: true }],
        },
      ],
      nextCursor: null,
    });
    expect(answer.text + world.log()).not.toContain('s3cret');
    const first = await world.call('GET', '/api/v1/health-checks?limit=4');
    const second = await world.call('GET', `/api/v1/health-checks?limit=4&cursor=${first.body.nextCursor}`);
    expect(second.body).toMatchObject({ items: [{ name: 'shop' }], nextCursor: null });
    expect((await world.call('GET', '/api/v1/health-checks?status=broken')).status).toBe(400);
    expect(
      (await world.call('GET', '/api/v1/health-checks', undefined, { authorization: 'no' })).status,
    ).toBe(401);
    const metrics = await (await fetch(new URL('/metrics', world.url))).text();
    expect(metrics).toContain('gomon_health_check_up{check="shop"} 1');
    expect(metrics).toContain('gomon_health_check_up{check="jaeger"} 0');
    expect(metrics).toMatch(/gomon_health_check_duration_seconds_count\{check="shop"\} 1/);
  });

  it('say that a certificate is about to expire at once', async () => {
    const alert = await world.alert('source=health-check&q=CertificateExpiring');
    expect(alert).toMatchObject({ severity: 'P2', status: 'firing', labels: { check: 'door' } });
    expect(about('#k8s-healthchecks', 'door')).toHaveLength(1);
  });

  it('reach no metadata service', async () => {
    const metadata = (await checks()).find(({ name }) => name === 'metadata');
    expect(metadata?.detail).toContain('metadata service');
  });

  it('tell nobody of a failure that does not last', async () => {
    target.status = 503;
    await later(100);
    expect(await statusOf('shop')).toBe('failing');
    target.status = 200;
    await later(20);
    expect(await statusOf('shop')).toBe('up');
    expect(posts('#alert-critical')).toEqual([]);
  });

  it('tell once of one that lasts, and open an incident', async () => {
    target.status = 503;
    await later(20);
    await later(31);
    expect(about('#alert-critical', 'shop')).toHaveLength(1);
    const alert = await world.alert('source=health-check&severity=P1');
    expect(alert).toMatchObject({
      title: 'shop fails its health check',
      namespace: 'shop',
      labels: { team: 'web', check: 'shop' },
    });
    expect(alert.description).toContain('It answered 503, not 200-299');
    expect(alert.incidentId).not.toBeNull();
    expect((await checks()).find(({ name }) => name === 'shop')?.alertIds).toEqual([alert.id]);
    await later(20);
    expect(posts('#alert-critical')).toHaveLength(1);
  });

  it('open no incident for what the service itself rests on', async () => {
    const alert = await world.alert('source=health-check&severity=P3');
    expect(alert).toMatchObject({
      title: 'jaeger fails its health check',
      status: 'firing',
      incidentId: null,
    });
    expect(about('#k8s-healthchecks', 'jaeger')).toHaveLength(1);
  });

  it('repeat nothing after a restart of ours', async () => {
    const before = [posts('#alert-critical').length, posts('#k8s-healthchecks').length];
    await world.restart();
    await later(20);
    expect([posts('#alert-critical').length, posts('#k8s-healthchecks').length]).toEqual(before);
    expect(await world.rows('SELECT id FROM incidents')).toHaveLength(1);
  });

  it('end their alert when it has been well for long enough', async () => {
    target.status = 200;
    await later(20);
    expect(await statusOf('shop')).toBe('recovering');
    expect(await world.alert('source=health-check&severity=P1')).toMatchObject({ status: 'firing' });
    await later(61);
    const alert = await world.alert('source=health-check&severity=P1');
    expect(alert).toMatchObject({ status: 'resolved' });
    expect(about('#alert-critical', 'shop')).toHaveLength(1);
    expect(about('#alert-critical', 'shop')[0]).toMatch(/resolved/i);
    expect(await world.rows('SELECT status FROM incidents')).toEqual([{ status: 'resolved' }]);
  });

  it('tell of slowness apart from failure', async () => {
    target.delayMs = 600;
    await later(20);
    await later(31);
    const alert = await world.alert('source=health-check&q=HealthCheckSlow');
    expect(alert).toMatchObject({ severity: 'P4', status: 'firing', title: 'shop answers slowly' });
    expect(await statusOf('shop')).toBe('up');
    target.delayMs = 0;
    await later(20);
    await later(61);
    expect(await world.alert('source=health-check&q=HealthCheckSlow')).toMatchObject({ status: 'resolved' });
    expect(about('#k8s-healthchecks', 'slowly')).toHaveLength(1);
  });
});
