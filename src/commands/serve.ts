import { type Command, InvalidArgumentError } from 'commander';
import { type AppRole, roles, startApp } from '../app.ts';
import { createLog } from '../observability/log.ts';
import { secretTexts } from '../config/secrets.ts';
import { configuration } from './configuration.ts';

/** Longer than this and whoever stops us kills us anyway. */
const stopWithinMs = 10_000;

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the service')
    .option('-c, --config <file>', 'settings file (default: GOMON_CONFIG, else ./gomon.yaml if it is there)')
    .option('--roles <list>', `what this process does, of: ${roles.join(', ')}`, parseRoles, [...roles])
    .action(async (options: { config?: string; roles: AppRole[] }) => {
      const config = await configuration(options.config);
      const log = createLog({ ...config.settings.log, secrets: secretTexts(config) });
      for (const notice of config.notices) log.warn({ notice }, 'a setting looks like a slip');
      const app = await startApp({
        config,
        roles: options.roles,
        log,
        // Not a log line: logs are kept and shipped, this is shown once.
        onFirstToken: (token) => console.error(`Admin API token, shown only this once: ${token}`),
      });
      stopOnSignal(
        () => app.stop(),
        (message) => log.info(message),
      );
    });
}

function parseRoles(text: string): AppRole[] {
  return text.split(',').map((part) => {
    const role = roles.find((known) => known === part.trim());
    if (role === undefined)
      throw new InvalidArgumentError(`"${part}" is not a role; known are ${roles.join(', ')}.`);
    return role;
  });
}

function stopOnSignal(stop: () => Promise<void>, say: (message: string) => void): void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) return;
    stopping = true;
    say('stopping');
    setTimeout(() => process.exit(1), stopWithinMs).unref();
    void stop().then(() => {
      say('stopped');
      process.exit(0);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
