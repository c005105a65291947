import { type Config, loadConfig } from '../config/load.ts';
import { checkReport } from '../config/problem.ts';

/** The configuration for a command; prints what is wrong with it and gives up when it cannot be used. */
export async function configuration(file: string | undefined): Promise<Config> {
  const loaded = await loadConfig({ argvConfigPath: file });
  if (!loaded.ok) throw new Error(`the configuration cannot be used\n${checkReport(loaded.problems)}`);
  return loaded.config;
}
