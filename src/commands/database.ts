import type { Command } from 'commander';
import type { Config } from '../config/load.ts';
import { startEmbedded } from '../db/embedded.ts';
import { migrate } from '../db/migrate.ts';
import { openPool, type Db } from '../db/pool.ts';
import { configuration } from './configuration.ts';

export function addDatabaseCommands(program: Command): void {
  program
    .command('migrate')
    .description('bring the database to the present schema, and exit')
    .option('-c, --config <file>', 'settings file')
    .action(async (options: { config?: string }) => {
      await withDatabaseUrl(await configuration(options.config), async (url) => {
        const { applied, serverVersion } = await migrate(url);
        console.log(
          `PostgreSQL ${serverVersion}: ${applied.length === 0 ? 'nothing to do' : applied.join(', ')}`,
        );
      });
    });
}

/** The configured database for one command; the embedded one is used beside a running `serve`, or started for the while. */
async function withDatabaseUrl<Result>(
  config: Config,
  work: (url: string) => Promise<Result>,
): Promise<Result> {
  if (config.secrets.databaseUrl !== null) return work(config.secrets.databaseUrl);
  const embedded = await startEmbedded({ dataDir: config.settings.database.dataDir });
  try {
    return await work(embedded.url);
  } finally {
    await embedded.stop();
  }
}

export async function withDatabase<Result>(
  config: Config,
  work: (db: Db) => Promise<Result>,
): Promise<Result> {
  return withDatabaseUrl(config, async (url) => {
    await migrate(url);
    const database = openPool({ url, size: 2, purpose: 'command' });
    try {
      return await work(database.db);
    } finally {
      await database.close();
    }
  });
}
