import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createToken } from '../../src/api/token-store.ts';
import { openPool } from '../../src/db/pool.ts';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts';
import { startWorld, type World } from '../support/world.ts';

let proxy: DatabaseProxy;
let world: World;
let dir: string;

async function start(options: Parameters<typeof startWorld>[0] = {}): Promise<void> {
  world = await startWorld({
    opsgenieStatusAsks: 0,
    databaseThrough: async (url) => {
      proxy = await startDatabaseProxy(url);
      return proxy.url;
    },
    ...options,
    settings: {
      slack: {
        pace: {
          burstPerChannel: 20,
          postsPerSecondPerChannel: 100,
          editBurst: 1_000,
          editsPerMinute: 60_000,
        },
      },
      spool: { dir },
      ...options.settings,
    },
  });
}

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'gomon-spool-'));
});
afterEach(async () => {
  await proxy.mend();
  await world.stop();
  await proxy.close();
  await rm(dir, { recursive: true, force: true });
});

type Alert = { title: string; severity?: string; status?: string; startsAt?: string };
const send = (alert: Alert, headers?: Record<string, string>) =>
  world.call('POST', '/api/v1/alerts', { dedupKey: alert.title, ...alert }, headers);
const createSenderToken = async (): Promise<string> => {
  const opened = openPool({ url: world.databaseUrl, size: 1, purpose: 'test' });
  try {
    return (await createToken(opened.db, { name: 'sender', role: 'source', tenant: '' }, new Date())) ?? '';
  } finally {
    await opened.close();
  }
};
const cards = () => world.slack.messages('#alert-critical');
const spooledFiles = async (): Promise<string[]> =>
  (await readdir(dir)).filter((name) => name.endsWith('.json'));
const snapshot = 'open-alerts.snapshot';
const left = async (): Promise<string[]> => (await readdir(dir)).filter((name) => name !== snapshot);
const state = async (): Promise<string> => (await world.call('GET', '/readyz')).body.state;
const away = async (): Promise<void> => {
  await proxy.refuse();
  await vi.waitFor(async () => expect(await state()).toBe('database-away'), { timeout: 10_000 });
};
const back = async (): Promise<void> => {
  await proxy.mend();
  await vi.waitFor(async () => expect(await state()).toBe('ready'), { timeout: 20_000 });
  await world.drain();
};

describe('while the database is away, with a spool', () => {
  it('a P0 is durable, told once, and merged without a second card or incident', async () => {
    await start();
    await proxy.refuse();
    // Also the first one, by which it is found out.
    const taken = await send({ title: 'Cluster down', severity: 'P0' });
    expect(taken).toMatchObject({
      status: 202,
      body: { spooled: true, received: 1, deliveryId: expect.any(String) },
    });
    const [file = ''] = await spooledFiles();
    expect((await stat(path.join(dir, file))).mode & 0o777).toBe(0o600);
    await world.slack.waitFor(() => cards().length === 1);
    expect(cards()[0]?.text).toContain('Cluster down');
    // Its repeat is kept, and told to nobody; a P3 is its sender's to repeat.
    expect((await send({ title: 'Cluster down', severity: 'P0' })).status).toBe(202);
    const refused = await send({ title: 'Disk filling', severity: 'P3' });
    expect(refused).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('only P0 and P1') },
    });
    expect(refused.headers.get('retry-after')).not.toBeNull();
    expect(await spooledFiles()).toHaveLength(2);

    await back();
    expect(await spooledFiles()).toEqual([]);
    expect(await left()).toEqual([]);
    expect(cards()).toHaveLength(1);
    expect(world.slack.calls('chat.postMessage')).toHaveLength(1);
    // What was posted without the database now leads to the alert, with its buttons and incident.
    const alert = await world.alert('q=Cluster');
    expect(JSON.stringify(cards()[0]?.blocks)).toContain(alert.id);
    expect(alert).toMatchObject({ severity: 'P0', status: 'firing', occurrences: 2 });
    expect(world.opsgenie.alerts()).toHaveLength(1);
    expect(await world.rows('SELECT id FROM deliveries WHERE id = $1', [taken.body.deliveryId])).toHaveLength(
      1,
    );
    await send({ title: 'Cluster down', status: 'resolved' });
    await world.drain();
    expect(cards()).toMatchObject([{ text: expect.stringMatching(/resolved/i) }]);
  });

  it('knows what was told before, and what ended: no card for a repeat, the end of one for a resolve', async () => {
    await start();
    await send({ title: 'Known', severity: 'P1' });
    await world.drain();
    await away();
    expect((await send({ title: 'Known', severity: 'P1' })).status).toBe(202);
    expect((await send({ title: 'Short', severity: 'P1' })).status).toBe(202);
    await world.slack.waitFor(() => cards().length === 2);
    // Neither says how grave it was.
    expect((await send({ title: 'Known', status: 'resolved' })).status).toBe(202);
    expect((await send({ title: 'Short', status: 'resolved' })).status).toBe(202);
    expect((await send({ title: 'Nobody knows', status: 'resolved' })).status).toBe(503);
    await back();
    expect(cards()).toHaveLength(2);
    for (const card of cards()) expect(card.text).toMatch(/resolved/i);
    const rows = await world.rows('SELECT title, status, occurrences FROM alerts_active ORDER BY title');
    expect(rows).toEqual([
      { title: 'Known', status: 'resolved', occurrences: 2 },
      { title: 'Short', status: 'resolved', occurrences: 1 },
    ]);
    expect(world.opsgenie.alerts().filter((one) => one.status !== 'closed')).toEqual([]);
  });

  it('a whole request with one P1 is kept, in every form, and the key of a repeat is honoured', async () => {
    await start();
    await away();
    const labels = (alertname: string, severity: string) => ({
      status: 'firing',
      labels: { alertname, severity },
    });
    const mixed = {
      version: '4',
      receiver: 'r',
      status: 'firing',
      alerts: [labels('A', 'critical'), labels('B', 'info')],
    };
    expect(await world.call('POST', '/api/v1/webhooks/alertmanager', mixed)).toMatchObject({
      status: 202,
      body: { received: 2 },
    });
    expect((await world.call('POST', '/api/v2/alerts', [labels('C', 'critical')])).status).toBe(202);
    const key = { 'idempotency-key': 'k-1' };
    const first = await send({ title: 'Keyed', severity: 'P1' }, key);
    const again = await send({ title: 'Keyed', severity: 'P1' }, key);
    expect(again.body).toEqual(first.body);
    expect((await send({ title: 'Other', severity: 'P1' }, key)).status).toBe(422);
    await world.slack.waitFor(() => cards().length === 3);
    await back();
    expect((await send({ title: 'Keyed', severity: 'P1' }, key)).body.results).toMatchObject([
      { outcome: 'created' },
    ]);
    expect(await world.rows('SELECT occurrences FROM alerts_active')).toHaveLength(4);
    expect(await world.rows(`SELECT 1 FROM alerts_active WHERE occurrences > 1`)).toEqual([]);
    expect(cards()).toHaveLength(3);
    expect(world.slack.messages('#k8s-healthchecks')).toHaveLength(1);
  });

  it('a post whose answer was lost is looked for by the ledger, and not repeated', async () => {
    await start();
    await away();
    world.slack.fault({ method: 'chat.postMessage', kind: 'timeout-after-applying' });
    expect((await send({ title: 'Cluster down', severity: 'P0' })).status).toBe(202);
    await world.slack.waitFor(() => cards().length === 1);
    await back();
    expect(cards()).toHaveLength(1);
    expect(JSON.stringify(cards()[0]?.blocks)).toContain('alert_resolve');
    expect(await world.rows('SELECT state FROM notifications')).toEqual([{ state: 'sent' }]);
  });

  it('a storm gets its first messages, one line for the rest, and all cards afterwards', async () => {
    await start({
      settings: {
        slack: {
          pace: {
            burstPerChannel: 20,
            postsPerSecondPerChannel: 0.01,
            editBurst: 1_000,
            editsPerMinute: 60_000,
          },
        },
      },
    });
    await away();
    const storm = Array.from({ length: 50 }, (_, n) => ({
      title: `Pod ${n}`,
      severity: 'P1',
      dedupKey: `pod-${n}`,
    }));
    expect((await world.call('POST', '/api/v1/alerts', storm)).body).toMatchObject({
      spooled: true,
      received: 50,
    });
    await world.slack.waitFor(() => cards().some((card) => card.text.includes('30 or more further')));
    expect(cards()).toHaveLength(21);
    await proxy.mend();
    await vi.waitFor(async () => expect(await state()).toBe('ready'), { timeout: 20_000 });
    await world.app.tick();
    await world.slack.waitFor(() => cards().some((card) => card.text.includes('The database is back')));
    expect(cards().filter((card) => card.text.includes('or more further'))).toEqual([]);
    expect(await world.rows('SELECT 1 FROM notifications')).toHaveLength(50);
    // The ledger's own burst is still there: no alert has two cards.
    const told = cards().flatMap((card) => /Pod \d+/.exec(card.text)?.[0] ?? []);
    expect(new Set(told).size).toBe(told.length);
  });

  it('survives a stop in the middle, a file that is broken, and one that was stored already', async () => {
    await start();
    await away();
    const taken = await send({ title: 'Cluster down', severity: 'P0' });
    await world.slack.waitFor(() => cards().length === 1);
    const [file = ''] = await spooledFiles();
    const [text, journal] = await Promise.all(
      [file, file.replace('.json', '.posts')].map((name) => readFile(path.join(dir, name), 'utf8')),
    );
    await writeFile(path.join(dir, '00000000-broken.json'), (text ?? '').slice(0, -10));
    await back();
    expect(await left()).toEqual(['00000000-broken.json.bad']);
    // As a crash between the commit and the removal of the file leaves it.
    await writeFile(path.join(dir, file), text ?? '');
    await writeFile(path.join(dir, file.replace('.json', '.posts')), journal ?? '');
    await world.restart();
    await world.drain();
    expect(await spooledFiles()).toEqual([]);
    expect(cards()).toHaveLength(1);
    expect(await world.rows('SELECT occurrences FROM alerts_active')).toEqual([{ occurrences: 1 }]);
    expect(await world.rows('SELECT 1 FROM deliveries WHERE id = $1', [taken.body.deliveryId])).toHaveLength(
      1,
    );
    expect(world.opsgenie.alerts()).toHaveLength(1);
  });

  it('a database that hangs is no busy one: every P1 is taken before its sender gives up', async () => {
    await start({ settings: { spool: { dir }, database: { poolSize: 5 } } });
    const token = await createSenderToken();
    const asSender = { authorization: `Bearer ${token}` };
    expect((await send({ title: 'Before', severity: 'P1' }, asSender)).status).toBe(201);
    await world.drain();
    proxy.hang();
    const begun = performance.now();
    // More than there are connections, of every kind: with and without a key, a token that has to be looked up.
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        send(
          { title: `Hanging ${n}`, severity: 'P1' },
          { ...(n % 2 === 0 ? asSender : {}), ...(n > 1 ? { 'idempotency-key': `h-${n}` } : {}) },
        ),
      ),
    );
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 202));
    expect(performance.now() - begun).toBeLessThan(5_500);
    await world.slack.waitFor(() => cards().length === 13);
    await back();
    expect(cards()).toHaveLength(13);
    expect(await world.rows('SELECT 1 FROM alerts_active')).toHaveLength(13);
  }, 60_000);

  it('starts in an outage with what cannot be read set aside, and tells of the rest', async () => {
    await start();
    await away();
    expect((await send({ title: 'Cluster down', severity: 'P0' })).status).toBe(202);
    await world.slack.waitFor(() => cards().length === 1);
    const [file = ''] = await spooledFiles();
    await mkdir(path.join(dir, '00000000-0000-7000-8000-000000000000.json'));
    // As if nobody had been told of it yet.
    await rm(path.join(dir, file.replace('.json', '.posts')));
    const restarted = world.restart();
    await world.slack.waitFor(() => cards().length === 2);
    expect(await readdir(dir)).toContain('00000000-0000-7000-8000-000000000000.json.bad');
    expect(world.log()).toContain('it was set aside');
    await proxy.mend();
    await restarted;
    await world.drain();
    expect(await spooledFiles()).toEqual([]);
    expect(await world.rows('SELECT 1 FROM alerts_active')).toHaveLength(1);
  }, 60_000);

  describe('that was there before the outage, and a restart in the middle of it', () => {
    const known = () => cards().filter((card) => card.text.includes('Known'));
    /** Known has its card, and its repeat is spooled; Other is spooled, and nobody was told of it. */
    const restartInOutage = async (then: () => Promise<void>): Promise<void> => {
      await start();
      await send({ title: 'Known', severity: 'P1' });
      await world.drain();
      await vi.waitFor(
        async () => expect(await readFile(path.join(dir, snapshot), 'utf8')).toContain('Known'),
        { timeout: 10_000 },
      );
      await away();
      expect((await send({ title: 'Known', severity: 'P1' })).status).toBe(202);
      expect((await send({ title: 'Other', severity: 'P1' })).status).toBe(202);
      await world.slack.waitFor(() => cards().length === 2);
      for (const name of await readdir(dir)) if (name.endsWith('.posts')) await rm(path.join(dir, name));
      await then();
      const restarted = world.restart();
      await world.slack.waitFor(() => cards().filter((card) => card.text.includes('Other')).length === 2);
      await world.slack.waitFor(() => known().length > 0);
      await proxy.mend();
      await restarted;
      await world.drain();
    };

    it('does not make its repeat news', async () => {
      await restartInOutage(() => Promise.resolve());
      expect(known()).toHaveLength(1);
      expect(world.slack.calls('chat.postMessage')).toHaveLength(3);
      expect(await world.rows(`SELECT occurrences FROM alerts_active WHERE title = 'Known'`)).toEqual([
        { occurrences: 2 },
      ]);
    }, 60_000);

    it('leaves one card also where that was not known: the other message says that it is none', async () => {
      await restartInOutage(() => rm(path.join(dir, snapshot)));
      const retired = cards().filter((card) => card.text.includes('has a message of its own'));
      expect(known()).toHaveLength(1);
      expect(retired).toMatchObject([{ blocks: [] }]);
      expect(world.slack.calls('chat.postMessage')).toHaveLength(4);
      await send({ title: 'Known', status: 'resolved' });
      await world.drain();
      expect(known()).toMatchObject([{ text: expect.stringMatching(/resolved/i) }]);
      expect(cards().filter((card) => card.text.includes('has a message of its own'))).toHaveLength(1);
      const accounts = await world.call('GET', '/api/v1/ledger');
      expect(accounts.body).toMatchObject({ holds: true, failed: 0 });
    }, 60_000);
  });

  it('that cannot be used at all is no reason not to start', async () => {
    await writeFile(path.join(dir, 'file'), '');
    await start({ settings: { spool: { dir: path.join(dir, 'file') } } });
    expect((await world.call('GET', '/readyz')).body).toMatchObject({
      state: 'ready',
      dependencies: {
        spool: { state: 'failing', detail: expect.stringContaining('spool.dir cannot be used (EEXIST)') },
      },
    });
    expect(world.log()).toContain('spool.dir cannot be used');
    await away();
    expect((await send({ title: 'One', severity: 'P1' })).status).toBe(503);
  });

  it('is bounded', async () => {
    await start({ settings: { spool: { dir, maxRequests: 1 } } });
    await away();
    expect((await send({ title: 'One', severity: 'P1' })).status).toBe(202);
    expect(await send({ title: 'Two', severity: 'P1' })).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('full') },
    });
  });
});
