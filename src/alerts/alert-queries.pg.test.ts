import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, describedSignal, takeIn } from '../../test/support/alerts.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { decodeCursor } from '../db/page.ts';
import { act } from './actions.ts';
import { severities } from './alert.ts';
import { alertOrder, type AlertFilter, type AlertSort, findByFoldKeys, listAlerts } from './alert-queries.ts';

let database: DomainDatabase;
const newest: AlertSort = { by: 'createdAt', order: 'desc' };

beforeAll(async () => {
  database = await openDomainDatabase(2);
  // Forty alerts of four seconds: many share a time, so that only the id tells them apart.
  for (let n = 0; n < 40; n += 1) {
    const signal = describedSignal({
      fingerprint: `f${n}`,
      severity: severities[n % 5] ?? 'P4',
      namespace: n % 3 === 0 ? null : `shop-${n % 3}`,
      title: n === 7 ? 'CPU at 100% of under_score \\ back' : `Basket ${n}`,
      labels: {
        alertname: `Rule${n}Pressure`,
        team: n % 2 === 0 ? 'even' : 'odd',
        '\0': 'nul',
        n: String(n),
      },
      foldKey: n < 4 ? `ds${n % 2}` : null,
    });
    await takeIn(database.intake, [signal], at(Math.floor(n / 10)), {
      source: n % 4 === 0 ? 'alertmanager' : 'grafana',
    });
  }
  const person = { userId: 'ann', door: 'api' } as const;
  await act(database.db, await idOf('f5'), { kind: 'acknowledge' }, person, at(50));
  await act(database.db, await idOf('f6'), { kind: 'assign', assignedTo: 'bob\0' }, person, at(51));
  await act(database.db, await idOf('f8'), { kind: 'resolve-and-archive' }, person, at(52));
  await act(database.db, await idOf('f9'), { kind: 'resolve' }, person, at(53));
});

afterAll(() => database.close());

async function idOf(fingerprint: string): Promise<string> {
  return (
    await database.row<{ id: string }>('SELECT id FROM alerts_active WHERE fingerprint = $1', [fingerprint])
  ).id;
}

async function found(filter: AlertFilter): Promise<string[]> {
  const page = await listAlerts(database.db, filter, newest, { limit: 200, after: null });
  return page.items
    .map((alert) => alert.fingerprint)
    .toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
}

const numbers = (fits: (n: number) => boolean): string[] =>
  Array.from({ length: 40 }, (_, n) => n)
    .filter((n) => n !== 8 && fits(n))
    .map((n) => `f${n}`);

describe('a filter', () => {
  it.each<[string, AlertFilter, string[]]>([
    ['nothing: all but the archive', {}, numbers(() => true)],
    ['severity', { severity: ['P0', 'P3'] }, numbers((n) => n % 5 === 0 || n % 5 === 3)],
    ['status', { status: ['acknowledged', 'resolved'] }, ['f5', 'f9']],
    ['source', { source: ['alertmanager'] }, numbers((n) => n % 4 === 0)],
    ['namespace', { namespace: ['shop-1'] }, numbers((n) => n % 3 === 1)],
    ['a label', { labels: { team: ['even'] } }, numbers((n) => n % 2 === 0)],
    ['any value of a label', { labels: { n: ['3', '4', 'x'] } }, ['f3', 'f4']],
    ['two labels', { labels: { n: ['3', '4'], team: ['odd'] } }, ['f3']],
    ['a label with a NUL in its name', { labels: { '\0': ['nul'] } }, numbers(() => true)],
    ['a label nobody has', { labels: { nobody: [''] } }, []],
    ['assignee', { assignedTo: ['bob\0'] }, ['f6']],
    ['role', { role: ['standalone'] }, numbers(() => true)],
    ['from, inclusive', { from: at(3) }, numbers((n) => n >= 30)],
    ['to, exclusive', { to: at(1) }, numbers((n) => n < 10)],
    [
      'all at once',
      { severity: ['P1'], labels: { team: ['odd'] }, from: at(1), to: at(2), q: 'BASKET' },
      ['f11'],
    ],
  ])('%s', async (_name, filter, expected) => {
    expect(await found(filter)).toEqual(expected);
  });

  it.each<[string, string, string[]]>([
    ['part of a word, whatever the case', 'aSkEt 12', ['f12']],
    ['the name of the rule, too', 'rule13p', ['f13']],
    ['the namespace, too', 'hop-2', numbers((n) => n % 3 === 2)],
    ['% is a character', '100%', ['f7']],
    ['% stands for nothing else', 'B%t', []],
    ['_ is a character', 'under_s', ['f7']],
    ['_ stands for nothing else', 'Baske_', []],
    [String.raw`\ is a character`, String.raw`\ back`, ['f7']],
    ['a quote', "'", []],
    ['NUL', '\0', []],
  ])('text: %s', async (_name, q, expected) => {
    expect(await found({ q })).toEqual(expected);
  });

  it('looks into the archive only when that is asked for', async () => {
    expect(await found({ status: ['archived'] })).toEqual(['f8']);
    expect(await found({ status: ['archived', 'resolved'] })).toEqual(['f8', 'f9']);
    const [archived] = (
      await listAlerts(database.db, { status: ['archived'] }, newest, { limit: 1, after: null })
    ).items;
    expect(archived).toMatchObject({ status: 'archived', archivedAt: at(52) });
  });

  it('by incident or correlation finds by id', async () => {
    const id = await idOf('f3');
    expect(await found({ correlationId: [id] })).toEqual(['f3']);
    expect(await found({ incidentId: [id] })).toEqual([]);
  });
});

describe('pages', () => {
  const sorts: AlertSort[] = (['createdAt', 'updatedAt', 'severity'] as const).flatMap((by) => [
    { by, order: 'asc' as const },
    { by, order: 'desc' as const },
  ]);
  const filters: AlertFilter[] = [
    {},
    { status: ['firing', 'acknowledged', 'escalated', 'resolved', 'archived'] },
  ];

  it.each(sorts.flatMap((sort) => filters.map((filter) => ({ sort, filter }))))(
    '$sort $filter show every row once, in order',
    async ({ sort, filter }) => {
      const whole = await listAlerts(database.db, filter, sort, { limit: 200, after: null });
      expect(whole.nextCursor).toBeNull();
      expect(whole.items).toHaveLength(filter.status === undefined ? 39 : 40);
      const keys = whole.items.map(
        (alert) => (sort.by === 'severity' ? alert.severity : alert[sort.by].toISOString()) + alert.id,
      );
      expect(keys).toEqual(sort.order === 'asc' ? keys.toSorted() : keys.toSorted().toReversed());
      for (const limit of [1, 7, 13]) {
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const after: ReturnType<typeof decodeCursor> =
            cursor === null ? null : decodeCursor(alertOrder(sort), cursor);
          const page = await listAlerts(database.db, filter, sort, { limit, after });
          expect(page.items.length).toBeGreaterThan(0);
          seen.push(...page.items.map((alert) => alert.id));
          cursor = page.nextCursor;
        } while (cursor !== null);
        expect(seen).toEqual(whole.items.map((alert) => alert.id));
      }
    },
  );

  it('the last one has no successor, also when it is full', async () => {
    const page = await listAlerts(database.db, {}, newest, { limit: 39, after: null });
    expect(page.items).toHaveLength(39);
    expect(page.nextCursor).toBeNull();
  });

  it('do not lose what lies within the same millisecond', async () => {
    const other = await openDomainDatabase(1);
    await other.store(
      Array.from({ length: 6 }, (_, n) => describedSignal({ fingerprint: `f${n}` })),
      at(0),
    );
    await other.rows(
      `UPDATE alerts_active SET created_at = created_at + substr(fingerprint, 2)::int * interval '7 microseconds'`,
    );
    const seen: string[] = [];
    let after: ReturnType<typeof decodeCursor> = null;
    for (;;) {
      const page = await listAlerts(other.db, {}, newest, { limit: 1, after });
      seen.push(...page.items.map((alert) => alert.fingerprint));
      if (page.nextCursor === null) break;
      after = decodeCursor(alertOrder(newest), page.nextCursor);
    }
    await other.close();
    expect(seen).toEqual(['f5', 'f4', 'f3', 'f2', 'f1', 'f0']);
  });
});

describe('alerts that share a message', () => {
  it('are found by source, tenant and key together, the oldest first', async () => {
    const keys = [
      { source: 'grafana', tenant: '', foldKey: 'ds1' },
      { source: 'grafana', tenant: '', foldKey: 'ds0' },
    ] as const;
    // f0 is of another source.
    expect((await findByFoldKeys(database.db, [...keys])).map((alert) => alert.fingerprint)).toEqual([
      'f1',
      'f2',
      'f3',
    ]);
    expect(await findByFoldKeys(database.db, [{ source: 'grafana', tenant: '2', foldKey: 'ds1' }])).toEqual(
      [],
    );
    expect(await findByFoldKeys(database.db, [])).toEqual([]);
  });
});

describe('with ten thousand alerts', () => {
  let large: DomainDatabase;

  beforeAll(async () => {
    large = await openDomainDatabase(1);
    // Filling takes as long as the machine is busy.
    await large.rows('SET statement_timeout = 0');
    await large.store([describedSignal({ fingerprint: 'pattern', foldKey: 'ds' })], at(0));
    await large.rows(`
      INSERT INTO alerts_active SELECT (jsonb_populate_record(a, jsonb_build_object(
        'id', gen_random_uuid(), 'correlation_id', gen_random_uuid(), 'fingerprint', 'f' || n, 'title', 'Alert ' || md5(n::text),
        'namespace', 'ns-' || n % 500, 'labels', jsonb_build_object('pod', 'pod-' || n, 'team', 't' || n % 7),
        'status', CASE WHEN n % 100 = 0 THEN 'firing' ELSE 'resolved' END, 'severity', 'P' || n % 5,
        'fold_key', CASE WHEN n % 100 = 1 THEN 'ds' || n % 1000 END,
        'created_at', a.created_at + n * interval '1 second', 'updated_at', a.created_at + n * interval '1 second'
      ))).* FROM alerts_active a, generate_series(1, 10000) AS n`);
    // As autovacuum leaves it: without the list of what GIN has not sorted in yet.
    await large.rows('VACUUM ANALYZE alerts_active');
  });

  afterAll(() => large.close());

  /** The plan PostgreSQL really used, for what the function asks. */
  async function planOf(ask: () => Promise<unknown>): Promise<string> {
    const seen: { text: string; values: unknown[] }[] = [];
    const client = await large.pool.connect();
    client.release();
    const original = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query(...args: unknown[]): unknown {
        const [text, values] = args;
        if (typeof text === 'string') seen.push({ text, values: Array.isArray(values) ? values : [] });
        return original(...args);
      },
    });
    await ask();
    Object.assign(client, { query: original });
    const last = seen.at(-1);
    if (last === undefined) throw new Error('nothing was asked');
    const plan = await large.rows<{ 'QUERY PLAN': string }>(`EXPLAIN ${last.text}`, last.values);
    return plan.map((row) => row['QUERY PLAN']).join('\n');
  }

  const list = (filter: AlertFilter) =>
    planOf(() => listAlerts(large.db, filter, newest, { limit: 50, after: null }));

  it('a list by status and severity uses their index', async () => {
    expect(await list({ status: ['firing'], severity: ['P0'] })).toContain(
      'alerts_active_status_severity_created_at_idx',
    );
  });

  it('a label uses its index', async () => {
    expect(await list({ labels: { pod: ['pod-77'] } })).toContain('alerts_active_labels_idx');
  });

  it('a namespace uses its index', async () => {
    expect(await list({ namespace: ['ns-3'], status: ['firing'] })).toMatch(
      /alerts_active_namespace_status_idx/,
    );
  });

  it('text uses the trigrams', async () => {
    expect(await list({ q: 'c4ca4238' })).toContain('alerts_active_search_idx');
  });

  it('the newest are read off their index', async () => {
    const plan = await list({});
    expect(plan).toContain('alerts_active_created_at_updated_at_idx');
    expect(plan).not.toContain('Seq Scan');
  });

  it('a shared message uses the index over its key', async () => {
    const plan = await planOf(() =>
      findByFoldKeys(large.db, [{ source: 'grafana', tenant: '', foldKey: 'ds1' }]),
    );
    expect(plan).toContain('alerts_active_fold_key_idx');
  });
});
