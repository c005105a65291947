import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

/** What the global setup (`postgres-server.ts`) tells the workers. */
export type PostgresContext = {
  /** A database from which others are created. */
  url: string;
  /** With which the names of all databases of this run begin. */
  prefix: string;
  /** The migrated database that the others are cloned from. */
  template: string;
};

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresContext;
  }
}

export type TestDatabase = {
  url: string;
  /** Ends whatever is still connected. */
  drop(): Promise<void>;
};

/** Creating from one template is done one at a time: PostgreSQL refuses while another session uses it. */
const creationLock = 7_306_901;

/** A database of its own for a test file or a test, migrated, empty. Only in projects with the PostgreSQL setup. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('postgres');
  const name = `${server.prefix}${randomBytes(6).toString('hex')}`;
  await withAdmin(server.url, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [creationLock]);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${server.template}`);
  });
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () =>
      withAdmin(
        server.url,
        async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
      ),
  };
}

async function withAdmin(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'gomon tests',
  });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
