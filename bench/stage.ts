import { rm } from 'node:fs/promises';
import pg from 'pg';
import { startEmbedded } from '../src/db/embedded.ts';
import { createReachableTempDir } from '../src/db/embedded-user.ts';
import { type Spread, spreadOf } from './figures.ts';

/** Where a run takes place: a durable PostgreSQL of its own, thrown away afterwards. */
export type Stage = {
  /** For files of the run; removed with the stage. */
  folder: string;
  /** What the server says of itself: version, and that it is durable. */
  postgres: Record<string, string>;
  /** What one commit of one small row costs here, one after the other, in milliseconds. */
  commitMs: Spread;
  /** A new database: empty, or a copy of another that nobody uses. */
  createDatabase(name: string, template?: string): Promise<string>;
  close(): Promise<void>;
};

const probedCommits = 200;

export async function openStage(): Promise<Stage> {
  const folder = await createReachableTempDir('gomon-bench-');
  try {
    const database = await startEmbedded({ dataDir: folder, durable: true });
    const admin = new pg.Client({
      connectionString: database.url,
      application_name: 'gomon bench',
      connectionTimeoutMillis: 10_000,
    });
    const close = async (): Promise<void> => {
      await admin.end().catch(() => undefined);
      await database.stop();
      await rm(folder, { recursive: true, force: true });
    };
    try {
      await admin.connect();
      return {
        folder,
        postgres: await settingsOf(admin),
        commitMs: await probeCommits(admin),
        async createDatabase(name, template = 'template1') {
          await admin.query(
            `CREATE DATABASE ${admin.escapeIdentifier(name)} TEMPLATE ${admin.escapeIdentifier(template)}`,
          );
          const url = new URL(database.url);
          url.pathname = `/${name}`;
          return url.href;
        },
        close,
      };
    } catch (error) {
      await close();
      throw error;
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The figures are worth nothing on a server that does not sync: that is looked at, not assumed. */
async function settingsOf(admin: pg.Client): Promise<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const name of ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes']) {
    const { rows } = await admin.query<{ value: string }>('SELECT current_setting($1) AS value', [name]);
    settings[name] = rows[0]?.value ?? '';
  }
  if (settings['fsync'] !== 'on' || settings['synchronous_commit'] !== 'on') {
    throw new Error(`the PostgreSQL of the run is not durable: ${JSON.stringify(settings)}`);
  }
  return settings;
}

async function probeCommits(admin: pg.Client): Promise<Spread> {
  await admin.query('CREATE TABLE commit_probe (id bigserial PRIMARY KEY, at timestamptz NOT NULL)');
  const times: number[] = [];
  for (let count = 0; count < probedCommits; count += 1) {
    const startedAt = performance.now();
    await admin.query('INSERT INTO commit_probe (at) VALUES (now())');
    times.push(performance.now() - startedAt);
  }
  await admin.query('DROP TABLE commit_probe');
  return spreadOf(times);
}
