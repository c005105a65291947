import { type Command, InvalidArgumentError } from 'commander';
import { type AppRole, roles, startApp } from '../app.ts';
import { handOverSignals } from '../early-signals.ts';
import { databaseTrouble } from '../db/errors.ts';
import { createLog } from '../observability/log.ts';
import { secretTexts } from '../config/secrets.ts';
import { configuration } from './configuration.ts';
import { consoleToLog } from './console-to-log.ts';

/** Longer than this and whoever stops us kills us anyway. */
const stopWithinMs = 10_000;

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the service')
    .option('-c, --config <file>', 'settings file (default: GOMON_CONFIG, else ./gomon.yaml if it is there)')
    .option('--roles <list>', `what this process does, of: ${roles.join(', ')}`, parseRoles, [...roles])
    .action(async (options: { config?: string; roles: AppRole[] }) => {
      const config = await configuration(options.config).catch((error: unknown) => {
        createLog({ level: 'error' }).error({ err: error }, 'the service does not start');
        throw error;
      });
      const log = createLog({ ...config.settings.log, secrets: secretTexts(config) });
      for (const notice of config.notices) log.warn({ notice }, 'a setting looks like a slip');
      consoleToLog(log);
      survivePassingTrouble((error) => log.error({ err: error }, 'nobody heeded that the database failed'));
      process.on('uncaughtExceptionMonitor', (error) =>
        log.error({ err: error }, 'the service ends: nobody heeded an error'),
      );
      const asked = new AbortController();
      const starting = startApp({
        config,
        roles: options.roles,
        log,
        signal: asked.signal,
        // Not a log line: logs are kept and shipped, this is shown once.
        onFirstToken: (token) => process.stderr.write(`Admin API token, shown only this once: ${token}\n`),
      });
      stopOnSignal(
        async () => {
          asked.abort();
          // A start that was given up has stopped what it had started.
          await starting.then(
            (app) => app.stop(),
            () => undefined,
          );
        },
        (message) => log.info(message),
      );
      await starting.catch((error: unknown) => {
        if (asked.signal.aborted) return;
        log.error({ err: error }, 'the service does not start');
        throw error;
      });
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

/**
 * A promise in a library that nobody waits for must not end the service because the
 * database went away: whoever needs it asks again. Anything else ends it, as Node does.
 */
function survivePassingTrouble(say: (error: unknown) => void): void {
  process.on('unhandledRejection', (error) => {
    if (databaseTrouble(error) !== 'unavailable') throw error;
    say(error);
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
  handOverSignals();
}
