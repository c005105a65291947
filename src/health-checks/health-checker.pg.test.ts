import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Db, openPool } from '../db/pool.ts';
import { defaultSourceRules } from '../alerts/source-rules.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import type { HealthCheck, ProbeOutcome, Prober } from './health-check.ts';
import { HealthChecker } from './health-checker.ts';
import { checkStates, listChecks } from './health-check-queries.ts';

let database: DomainDatabase;
let nowMs = 0;
/** What the next looks find, by the host of the check; and who looked, how often. */
let found: Record<string, ProbeOutcome> = {};
let looks: string[] = [];
let hold: Promise<void> | null = null;

let broken: Db | null = null;

const up: ProbeOutcome = { ok: true, detail: 'fine', certificate: null };
const down: ProbeOutcome = { ok: false, detail: 'refused', certificate: null };

beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.reset();
  nowMs = Date.parse('2026-11-20T12:00:00Z');
  found = {};
  looks = [];
  hold = null;
  broken = null;
});

function check(name: string, over: Partial<HealthCheck> = {}): HealthCheck {
  return {
    name,
    type: 'tcp',
    target: `${name}:80`,
    severity: 'P1',
    namespace: 'shop',
    labels: { team: 'web' },
    own: false,
    intervalMs: 10_000,
    timeoutMs: 5_000,
    forMs: 30_000,
    holdDownMs: 60_000,
    latency: null,
    certificate: null,
    probe: { type: 'tcp', host: name, port: 80, tls: false, verifyCertificate: true, allowLinkLocal: false },
    ...over,
  };
}

function checker(process: string, checks: HealthCheck[]): HealthChecker {
  const prober: Prober = {
    async probe(probe) {
      const host = probe.type === 'tcp' ? probe.host : probe.type;
      looks.push(`${process} ${host}`);
      await hold;
      return found[host] ?? up;
    },
  };
  return new HealthChecker({
    get db() {
      return broken ?? database.db;
    },
    intake: database.intake,
    prober,
    checks,
    rules: defaultSourceRules,
    clock: { now: () => new Date(nowMs) },
    observe: () => undefined,
    onTrouble: (error) => {
      throw error;
    },
  });
}

/** Everything is due, and this much later. */
async function later(seconds: number): Promise<void> {
  nowMs += seconds * 1_000;
  await database.rows('UPDATE health_checks SET next_at = now()');
}

const alerts = () =>
  database.rows<{ fingerprint: string; status: string; episode: number }>(
    'SELECT fingerprint, status, episode FROM alerts_active ORDER BY fingerprint',
  );
const audit = async (): Promise<string[]> =>
  (await database.rows<{ action: string }>('SELECT action FROM alert_actions ORDER BY created_at, id')).map(
    (row) => row.action,
  );

describe('HealthChecker', () => {
  it('looks at each check once, however many processes there are', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `host-${index}`);
    const processes = ['a', 'b', 'c'].map((name) =>
      checker(
        name,
        names.map((host) => check(host)),
      ),
    );
    await Promise.all(processes.map((process) => process.runDue()));
    expect(looks.map((look) => look.replace(/^\w /, '')).toSorted()).toEqual(names.toSorted());
    // Not due again for its interval.
    await Promise.all(processes.map((process) => process.runDue()));
    expect(looks).toHaveLength(100);
  });

  it('tells once, and not again after a restart', async () => {
    found = { shop: down };
    const first = checker('a', [check('shop')]);
    await first.runDue();
    expect(await alerts()).toEqual([]);
    await later(10);
    await first.runDue();
    await later(20);
    await first.runDue();
    expect(await alerts()).toEqual([{ fingerprint: 'shop', status: 'firing', episode: 1 }]);
    await first.stop();

    const second = checker('b', [check('shop')]);
    await later(10);
    await second.runDue();
    await later(10);
    await second.runDue();
    expect(await audit()).toEqual(['create']);

    found = { shop: up };
    await later(10);
    await second.runDue();
    expect(await audit()).toEqual(['create']);
    await later(60);
    await second.runDue();
    expect(await alerts()).toEqual([{ fingerprint: 'shop', status: 'resolved', episode: 1 }]);
    expect(await audit()).toEqual(['create', 'resolve']);
  });

  it('says of the alert what the check says', async () => {
    found = { shop: down };
    await checker('a', [check('shop', { forMs: 0 })]).runDue();
    const row = await database.row<Record<string, unknown>>(
      'SELECT source, severity, title, description, namespace, labels, starts_at FROM alerts_active',
    );
    expect(row).toEqual({
      source: 'health-check',
      severity: 'P1',
      title: 'shop fails its health check',
      description: 'refused.\nTarget: shop:80',
      namespace: 'shop',
      labels: {
        team: 'web',
        alertname: 'HealthCheckFailed',
        check: 'shop',
        check_type: 'tcp',
        target: 'shop:80',
      },
      starts_at: new Date(nowMs),
    });
    const [job] = await database.takeJobs();
    expect(job).toMatchObject({ task: 'alert.changed' });
  });

  it('writes nothing of a look that another one overtook', async () => {
    found = { shop: down };
    const gate = Promise.withResolvers<void>();
    hold = gate.promise;
    const slow = checker('a', [check('shop', { forMs: 0 })]);
    const running = slow.runDue();
    await expect.poll(() => looks).toEqual(['a shop']);
    hold = null;
    found = { shop: up };
    await later(10);
    await checker('b', [check('shop', { forMs: 0 })]).runDue();
    found = { shop: down };
    gate.resolve();
    await running;
    expect(await alerts()).toEqual([]);
    expect(await checkStates(database.db)).toEqual([{ name: 'shop', up: true }]);
  });

  it('ends the alerts of a check that nobody has any more', async () => {
    found = { shop: down, blog: down };
    const before = checker('a', [check('shop', { forMs: 0 }), check('blog', { forMs: 0 })]);
    await before.runDue();
    expect(await alerts()).toHaveLength(2);
    await before.stop();

    // Another process may still have it: nothing ends yet.
    await checker('b', [check('blog', { forMs: 0 })]).runDue();
    expect((await alerts()).map(({ status }) => status)).toEqual(['firing', 'firing']);

    await database.rows(`UPDATE health_checks SET seen_at = now() - interval '2 minutes'`);
    nowMs += 120_000;
    await checker('c', [check('blog', { forMs: 0 })]).runDue();
    expect(await alerts()).toEqual([
      { fingerprint: 'blog', status: 'firing', episode: 1 },
      { fingerprint: 'shop', status: 'resolved', episode: 1 },
    ]);
    expect((await database.rows('SELECT name FROM health_checks')).map((row) => row['name'])).toEqual([
      'blog',
    ]);
  });

  it('keeps the last thirty results, newest first, and lists with pages and filters', async () => {
    const process = checker('a', [check('shop'), check('blog', { namespace: null })]);
    for (let round = 0; round < 33; round += 1) {
      found = { shop: round === 32 ? down : up };
      await process.runDue();
      await later(10);
    }
    const page = await listChecks(database.db, {}, { limit: 1, after: null });
    expect(page.items.map(({ name }) => name)).toEqual(['blog']);
    expect(page.nextCursor).not.toBeNull();
    const [shop, ...none] = (
      await listChecks(
        database.db,
        { status: ['failing'], namespace: ['shop'], type: ['tcp'] },
        { limit: 5, after: null },
      )
    ).items;
    expect(none).toEqual([]);
    expect(shop?.results).toHaveLength(30);
    expect(shop?.results[0]).toMatchObject({ ok: false, detail: 'refused' });
    expect(shop?.results[1]).toMatchObject({ ok: true });
    const rest = await listChecks(database.db, {}, { limit: 1, after: { key: 'blog', id: '' } });
    expect(rest).toMatchObject({ items: [{ name: 'shop', alertIds: [] }], nextCursor: null });
  });

  it('tells afterwards that its own database was away', async () => {
    const own = check('database', {
      type: 'database',
      own: true,
      probe: { type: 'database' },
      forMs: 60_000,
    });
    const process = checker('a', [own]);
    await process.runDue();
    const nowhere = openPool({ url: 'postgresql://gomon@127.0.0.1:9/gomon', size: 1, purpose: 'test' });
    broken = nowhere.db;
    const wentAt = new Date(nowMs + 5_000);
    for (const seconds of [5, 30, 60]) {
      nowMs += seconds * 1_000;
      await expect(process.runDue()).rejects.toThrow();
    }
    broken = null;
    await nowhere.close();
    await later(5);
    await process.runDue();
    const row = await database.row<Record<string, unknown>>(
      'SELECT status, description, starts_at FROM alerts_active',
    );
    expect(row).toEqual({
      status: 'firing',
      description: 'The database could not be reached (ECONNREFUSED).\nTarget: database:80',
      starts_at: wentAt,
    });
    await later(60);
    await process.runDue();
    expect(await alerts()).toEqual([{ fingerprint: 'database', status: 'resolved', episode: 1 }]);
    expect(await audit()).toEqual(['create', 'resolve']);
  });

  it('is looked at again when something is decided, not an interval later', async () => {
    found = { shop: down };
    await checker('a', [check('shop', { intervalMs: 600_000, forMs: 5_000 })]).runDue();
    const row = await database.row<{ wait: number }>(
      'SELECT extract(epoch FROM next_at - now())::float8 AS wait FROM health_checks',
    );
    expect(row.wait).toBeGreaterThan(0);
    expect(row.wait).toBeLessThanOrEqual(5);
  });
});
