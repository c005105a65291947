import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { type EmbeddedDatabase, startEmbedded } from '../../src/db/embedded.ts';
import { createReachableTempDir } from '../../src/db/embedded-user.ts';
import { migrate } from '../../src/db/migrate.ts';
import type { PostgresContext } from './postgres.ts';

type Shared = { users: number; server: Promise<TestServer> };
type TestServer = { context: PostgresContext; stop(): Promise<void> };

/** Every project that names this file runs it in the same process: they share one server. */
const holder = globalThis as typeof globalThis & { gomonTestPostgres?: Shared };

/** vitest's global setup: one PostgreSQL and one migrated template for the whole run. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const shared = (holder.gomonTestPostgres ??= { users: 0, server: start() });
  shared.users += 1;
  const server = await shared.server;
  project.provide('postgres', server.context);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    delete holder.gomonTestPostgres;
    await server.stop();
  };
}

async function start(): Promise<TestServer> {
  const given = process.env['TEST_DATABASE_URL'];
  return given === undefined || given === '' ? await startThrowAway() : await useExisting(given);
}

async function startThrowAway(): Promise<TestServer> {
  const folder = await createReachableTempDir('gomon-test-');
  // Runs also when the test run is torn down by process.exit; a finished stop leaves nothing to do.
  let database: EmbeddedDatabase | null = null;
  const abandon = (): void => {
    database?.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  try {
    database = await startEmbedded({ dataDir: folder, durable: false });
    const context = await createTemplate(database.url);
    const started = database;
    return {
      context,
      stop: async () => {
        await started.stop();
        await rm(folder, { recursive: true, force: true });
        process.removeListener('exit', abandon);
      },
    };
  } catch (error) {
    await database?.stop();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function useExisting(url: string): Promise<TestServer> {
  const context = await createTemplate(url);
  return { context, stop: () => dropAll(url, context.prefix) };
}

async function createTemplate(url: string): Promise<PostgresContext> {
  const prefix = `gomon_test_${randomBytes(4).toString('hex')}_`;
  const template = `${prefix}template`;
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${template}`);
  } finally {
    await client.end();
  }
  const templateUrl = new URL(url);
  templateUrl.pathname = `/${template}`;
  await migrate(templateUrl.href);
  return { url, prefix, template };
}

async function dropAll(url: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const found = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of found.rows)
      await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}
