import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { effectiveSettings } from '../config/effective.ts';
import { loadConfig } from '../config/load.ts';
import { checkReport } from '../config/problem.ts';
import { settingsJsonSchema } from '../config/settings-schema.ts';
import { createCardRenderer } from '../integrations/slack/card-renderer.ts';

export function addConfigCommands(program: Command): void {
  const config = program.command('config').description('check and describe the settings');
  config
    .command('check')
    .argument('[file]', 'settings file (default: GOMON_CONFIG, else ./gomon.yaml if it is there)')
    .description('validate, and print the effective settings with secrets masked')
    .action(async (file: string | undefined) => {
      const loaded = await loadConfig({ argvConfigPath: file });
      if (!loaded.ok) {
        console.error(checkReport(loaded.problems));
        process.exitCode = 1;
        return;
      }
      const { templateFile } = loaded.config.settings.slack;
      const wrong = templateFile === null ? null : whatIsWrong(await readFile(templateFile, 'utf8'));
      if (wrong !== null) {
        console.error(`slack.templateFile (${templateFile}): ${wrong}`);
        process.exitCode = 1;
        return;
      }
      for (const notice of loaded.config.notices) console.error(`note: ${notice}`);
      console.log(effectiveSettings(loaded.config));
    });
  config
    .command('schema')
    .description('print the JSON Schema of the settings, for editors')
    .action(() => console.log(JSON.stringify(settingsJsonSchema(), null, 2)));
}

/** As the service finds it when it starts; null for a good template. */
function whatIsWrong(template: string): string | null {
  try {
    createCardRenderer({ template });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
