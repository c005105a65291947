import { readdir, readFile } from 'node:fs/promises';
import { runMigrations } from 'graphile-worker';
import pg from 'pg';
import { locks } from './locks.ts';

const migrationsFolder = new URL('./migrations/', import.meta.url);

export type MigrationReport = { applied: string[]; serverVersion: string };

/** PostgreSQL 14: the oldest server that is still supported upstream and has what we use. */
const oldestServer = 140_000;

/**
 * Brings the database to the present schema: ours, forward only, each file in a
 * transaction of its own, and the job queue's. Several replicas may call it at
 * once; an advisory lock lets one work while the others wait.
 */
export async function migrate(databaseUrl: string): Promise<MigrationReport> {
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
    await client.query('SELECT pg_advisory_lock($1)', [locks.migrate]);
    const applied = await applyPending(client);
    await runMigrations({ connectionString: databaseUrl });
    return { applied, serverVersion: server.text };
  } finally {
    // Ending the session releases the lock.
    await client.end();
  }
}

async function applyPending(client: pg.Client): Promise<string[]> {
  await client.query(
    'CREATE TABLE IF NOT EXISTS gomon_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const done = await client.query<{ name: string }>('SELECT name FROM gomon_migrations');
  const known = new Set(done.rows.map((row) => row.name));
  const files = (await readdir(migrationsFolder)).filter((name) => name.endsWith('.sql')).toSorted();
  const unknown = [...known].filter((name) => !files.includes(name));
  if (unknown.length > 0) {
    throw new Error(
      `this database was migrated by a newer version (it has ${unknown.join(', ')}); run that version, or restore a backup`,
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
  return applied;
}
