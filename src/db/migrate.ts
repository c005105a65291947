import { readdir, readFile } from 'node:fs/promises';
import { runMigrations } from 'graphile-worker';
import pg from 'pg';
import { locks } from './locks.ts';

const migrationsFolder = new URL('./migrations/', import.meta.url);

export type MigrationReport = {
  applied: string[];
  /** Made by a newer version, and compatible with this one. */
  newer: string[];
  serverVersion: string;
};

/** Whoever has migrated for so long is stuck; and no lock of a table is waited for longer, since all others would queue behind. */
const lockTimeoutMs = 60_000;

/** PostgreSQL 14: the oldest server that is still supported upstream and has what we use. */
const oldestServer = 140_000;

/**
 * A migration only adds, so the version before it works on: it has to, because in a
 * rollout its replicas still run and restart. One that cannot keep to that says so
 * in its name, and the versions before it refuse to start.
 */
const breakingSuffix = '-breaking.sql';

/**
 * Brings the database to the present schema: ours, forward only, each file in a
 * transaction of its own, and the job queue's. Several replicas may call it at
 * once; an advisory lock lets one work while the others wait.
 */
export async function migrate(
  databaseUrl: string,
  options: { lockTimeoutMs?: number } = {},
): Promise<MigrationReport> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'gomon migrate',
    connectionTimeoutMillis: 10_000,
  });
  // It is idle while the job queue migrates; broken meanwhile and unheard, it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const version = await client.query<{ number: number; text: string }>(
      `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS text`,
    );
    const server = version.rows[0];
    if (server === undefined || server.number < oldestServer) {
      throw new Error(`PostgreSQL 14 or newer is needed; this server is ${server?.text ?? 'unknown'}`);
    }
    await client.query(`SET lock_timeout = ${options.lockTimeoutMs ?? lockTimeoutMs}`);
    await client.query('SELECT pg_advisory_lock($1)', [locks.migrate]).catch((error: unknown) => {
      if ((error as { code?: string }).code !== '55P03') throw error;
      throw new Error('another process has been migrating this database for too long', { cause: error });
    });
    const { applied, newer } = await applyPending(client);
    await runMigrations({ connectionString: databaseUrl });
    return { applied, newer, serverVersion: server.text };
  } finally {
    // Ending the session releases the lock.
    await client.end();
  }
}

async function applyPending(client: pg.Client): Promise<{ applied: string[]; newer: string[] }> {
  await client.query(
    'CREATE TABLE IF NOT EXISTS gomon_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const done = await client.query<{ name: string }>('SELECT name FROM gomon_migrations');
  const known = new Set(done.rows.map((row) => row.name));
  const files = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).toSorted();
  const newer = [...known].filter((name) => !files.includes(name)).toSorted();
  const breaking = newer.filter((name) => name.endsWith(breakingSuffix));
  if (breaking.length > 0) {
    throw new Error(
      `this database was migrated by a newer version with which this one cannot work (it has ${breaking.join(', ')}); run that version, or restore a backup`,
    );
  }
  const applied: string[] = [];
  for (const name of files) {
    if (known.has(name)) continue;
    const text = await readFile(new URL(name, migrationsFolder), 'utf8');
    await client.query('BEGIN');
    try {
      await client.query(text);
      await client.query('INSERT INTO gomon_migrations (name) VALUES ($1)', [name]);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw new Error(`migration ${name} failed: ${(error as Error).message}`, { cause: error });
    }
    applied.push(name);
  }
  return { applied, newer };
}
