import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from './support/postgres.ts';

const text = await readFile(new URL('../docs/schema.md', import.meta.url), 'utf8');

/** Columns by table: headings name the tables, first cells the columns. */
function described(): Map<string, string[]> {
  const sections = text.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const table = /^`([^`]+)`/.exec(section)?.[1] ?? '';
      const cells = [...section.matchAll(/^\| (`[^|]+) \|/gm)].map((match) => match[1] ?? '');
      const columns = cells.flatMap((cell) =>
        [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
      );
      return [table, columns.toSorted()];
    }),
  );
}

describe('docs/schema.md', () => {
  let database: TestDatabase;
  const actual = new Map<string, string[]>();

  beforeAll(async () => {
    database = await createTestDatabase();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    // Without the partitions, which come and go.
    const { rows } = await client.query<{ table: string; columns: string[] }>(`
      SELECT c.relname AS "table", array_agg(a.attname::text) AS columns
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      GROUP BY c.relname`);
    await client.end();
    for (const { table, columns } of rows) actual.set(table, columns.toSorted());
  });

  afterAll(() => database.drop());

  it('names every table, and none that does not exist', () => {
    expect([...described().keys()].toSorted()).toEqual([...actual.keys()].toSorted());
  });

  it('names every column of each table once, and none that does not exist', () => {
    expect(Object.fromEntries(described())).toEqual(Object.fromEntries(actual));
  });
});
