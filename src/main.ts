#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addClusterCommands } from './commands/cluster.ts';
import { addConfigCommands } from './commands/config.ts';
import { addDatabaseCommands } from './commands/database.ts';
import { addLedgerCommands } from './commands/ledger.ts';
import { addRulesCommands } from './commands/rules.ts';
import { addSendCommand } from './commands/send.ts';
import { addServeCommand } from './commands/serve.ts';
import { addSlackCommands } from './commands/slack.ts';
import { addTokenCommands } from './commands/token.ts';
import { version } from './version.ts';

/** The command line: reads arguments, and leaves the work to the rooms. */
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
