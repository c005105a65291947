import { afterEach, describe, expect, it, vi } from 'vitest';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts';
import { startWorld, type World } from '../support/world.ts';

let proxy: DatabaseProxy;
let world: World | null = null;
const call: World['call'] = (...request) => here().call(...request);
const rows: World['rows'] = (text, values) => here().rows(text, values);

async function start(options: Parameters<typeof startWorld>[0] = {}): Promise<World> {
  world = await startWorld({
    opsgenieStatusAsks: 0,
    databaseThrough: async (url) => {
      proxy = await startDatabaseProxy(url);
      return proxy.url;
    },
    ...options,
  });
  return world;
}

afterEach(async () => {
  await proxy.mend();
  await world?.stop();
  world = null;
  await proxy.close();
});

const grafana = {
  receiver: 'r',
  status: 'firing',
  alerts: [{ status: 'firing', labels: { alertname: 'A' } }],
};

function here(): World {
  if (world === null) throw new Error('no world yet');
  return world;
}

/** One of every kind of route that needs the database. */
const routes: [string, string, unknown?][] = [
  ['POST', '/api/v1/alerts', { title: 'Disk full', severity: 'P1' }],
  ['POST', '/api/v1/webhooks/grafana', grafana],
  ['POST', '/api/v1/webhooks/alertmanager', { version: '4', ...grafana }],
  ['POST', '/api/v2/alerts', [{ labels: { alertname: 'A' } }]],
  ['GET', '/api/v1/alerts'],
  ['GET', '/api/v1/alerts/01993f00-0000-7000-8000-000000000001'],
  ['PUT', '/api/v1/alerts/01993f00-0000-7000-8000-000000000001/acknowledge'],
  ['GET', '/api/v1/incidents'],
  ['POST', '/api/v1/incidents', { alertId: '01993f00-0000-7000-8000-000000000001' }],
  ['GET', '/api/v1/deliveries/01993f00-0000-7000-8000-000000000001'],
];

const isReady = async (): Promise<boolean> => (await world?.call('GET', '/readyz'))?.status === 200;
const until = (look: () => Promise<boolean>, timeout = 15_000): Promise<unknown> =>
  vi.waitFor(async () => expect(await look()).toBe(true), { timeout, interval: 20 });

describe('while the database is away', () => {
  it.each(['refuses', 'hangs'] as const)(
    'and %s, every route says so at once, and all goes on afterwards',
    async (how) => {
      await start();
      expect((await call('POST', '/api/v1/alerts', { title: 'Before', severity: 'P1' })).status).toBe(201);
      await world?.drain();
      if (how === 'refuses') await proxy.refuse();
      else proxy.hang();

      // The first to notice may have to wait for an answer that does not come.
      const first = performance.now();
      const answers = await Promise.all(routes.map(([method, path, body]) => call(method, path, body)));
      expect(performance.now() - first).toBeLessThan(8_000);
      for (const [index, { status, headers, body }] of answers.entries()) {
        expect(status, routes[index]?.join(' ')).toBe(503);
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
        expect(body).toMatchObject({ status: 503, detail: expect.stringContaining('database') });
      }
      await until(async () => !(await isReady()));
      const known = performance.now();
      for (const [method, path, body] of routes) expect((await call(method, path, body)).status).toBe(503);
      expect((performance.now() - known) / routes.length).toBeLessThan(500);
      expect((await call('GET', '/healthz')).status).toBe(200);
      expect((await call('GET', '/metrics')).status).toBe(200);
      expect((await call('GET', '/readyz')).body).toMatchObject({
        state: 'database-away',
        dependencies: { database: { state: 'failing' }, slack: { state: 'ok' } },
      });

      await proxy.mend();
      await until(isReady);
      expect((await call('POST', '/api/v1/alerts', { title: 'After', severity: 'P1' })).status).toBe(201);
      await world?.drain();
      expect(world?.slack.messages('#alert-critical')).toHaveLength(2);
      expect(world?.opsgenie.alerts()).toHaveLength(2);
      const lines = (world?.log() ?? '').split('\n');
      expect(lines.filter((line) => line.includes('"msg":"the database is away"'))).toHaveLength(1);
      expect(lines.filter((line) => line.includes('"msg":"the database is back"'))).toHaveLength(1);
    },
    60_000,
  );

  it('a commit whose answer was lost is 503, and its repeat counts once', async () => {
    await start();
    const alert = { title: 'Disk full', severity: 'P1', dedupKey: 'disk' };
    proxy.loseCommitAfter('INSERT INTO alerts_active');
    expect((await call('POST', '/api/v1/alerts', alert)).status).toBe(503);
    await until(isReady);
    expect((await call('POST', '/api/v1/alerts', alert)).body.results).toMatchObject([
      { outcome: 'updated' },
    ]);
    await world?.drain();
    expect(await rows('SELECT title FROM alerts_active')).toHaveLength(1);
    expect(world?.slack.messages('#alert-critical')).toHaveLength(1);
    expect(world?.opsgenie.alerts()).toHaveLength(1);
  });

  it('says that connections are all in use, and not that the database is away', async () => {
    const { databaseUrl } = await start({
      settings: { database: { poolSize: 2 } },
      roles: ['api'],
    });
    const { default: pg } = await import('pg');
    const holder = new pg.Client({ connectionString: databaseUrl });
    await holder.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE alerts_active');
      const stuck = [1, 2].map(() => call('GET', '/api/v1/alerts'));
      await vi.waitFor(async () =>
        expect(
          await rows(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          ),
        ).toHaveLength(2),
      );
      const refused = await call('GET', '/api/v1/incidents');
      expect(refused).toMatchObject({ status: 503, body: { detail: expect.stringContaining('busy') } });
      expect(await isReady()).toBe(true);
      await holder.query('ROLLBACK');
      for (const answer of await Promise.all(stuck)) expect(answer.status).toBe(200);
    } finally {
      await holder.end();
    }
  });

  it('a failover leaves it to be read only: 503, and it goes on with the new primary', async () => {
    await start();
    const name = new URL(proxy.url).pathname.slice(1);
    await rows(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    // Those who are connected notice at their next session, as after a failover.
    await rows(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gomon%'`,
    );
    await until(async () => !(await isReady()));
    expect((await call('GET', '/readyz')).body.dependencies.database.detail).toContain('takes no writes');
    const refused = await call('POST', '/api/v1/alerts', { title: 'Disk full' });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    await rows(
      `SET default_transaction_read_only = off; ALTER DATABASE ${name} RESET default_transaction_read_only`,
    );
    await until(isReady);
    expect((await call('POST', '/api/v1/alerts', { title: 'Disk full' })).status).toBe(201);
  });
});

describe('at start', () => {
  it('waits for its database with its doors open, and for nobody else', async () => {
    const starting = startWorld({
      opsgenieStatusAsks: 0,
      env: { GOMON_PORT: '0' },
      databaseThrough: async (url) => {
        proxy = await startDatabaseProxy(url);
        await proxy.refuse();
        return proxy.url;
      },
      onLog: (line) => {
        if (line.includes('waiting for the database')) waiting.resolve(JSON.parse(line) as { url: string });
      },
    });
    const waiting = Promise.withResolvers<{ url: string }>();
    const { url } = await waiting.promise;
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({
      state: 'starting',
      dependencies: { database: { state: 'failing', detail: 'no connection (ECONNREFUSED)' } },
    });
    const refused = await fetch(`${url}/api/v1/alerts`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-admin-token' },
      body: '{"title":"Early"}',
    });
    expect(refused.status).toBe(503);
    await proxy.mend();
    world = await starting;
    expect(world.log().match(/waiting for the database/g)).toHaveLength(1);
    expect((await world.call('POST', '/api/v1/alerts', { title: 'Later', severity: 'P1' })).status).toBe(201);
    await world.drain();
    expect(world.slack.messages('#alert-critical')).toHaveLength(1);
  });

  it('gives up after its patience, and says for whom it waited', async () => {
    const started = startWorld({
      settings: { database: { startPatienceSeconds: 0 } },
      databaseThrough: async (url) => {
        proxy = await startDatabaseProxy(url);
        await proxy.refuse();
        return proxy.url;
      },
    });
    await expect(started).rejects.toThrow(/the database did not come up within 0 s: .*ECONNREFUSED/);
  });
});
