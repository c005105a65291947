import { Command, CommanderError } from 'commander';
import { addClusterCommands } from './cluster.ts';
import { addConfigCommands } from './config.ts';
import { addDatabaseCommands } from './database.ts';
import { addLedgerCommands } from './ledger.ts';
import { addRulesCommands } from './rules.ts';
import { addSendCommand } from './send.ts';
import { addServeCommand } from './serve.ts';
import { addSlackCommands } from './slack.ts';
import { addTokenCommands } from './token.ts';
import { version } from '../version.ts';

/** Reads arguments, and leaves the work to the rooms. */
export async function runCommandLine(): Promise<void> {
  const program = new Command('gomon')
    .description('Alerting and incident service of the GoMon monitoring platform')
    .version(version, '-V, --version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();

  addServeCommand(program);
  addDatabaseCommands(program);
  addConfigCommands(program);
  addTokenCommands(program);
  addSlackCommands(program);
  addClusterCommands(program);
  addSendCommand(program);
  addLedgerCommands(program);
  addRulesCommands(program);

  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode;
    } else {
      // While serving, what is written to the console goes into the log.
      process.stderr.write(`gomon: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}
