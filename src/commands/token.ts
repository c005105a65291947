import { type Command, Option } from 'commander';
import { reservedPrefix } from '../alerts/canary-alert.ts';
import { createToken, listTokens, revokeToken, type Role, roles } from '../api/token-store.ts';
import { configuration } from './configuration.ts';
import { withDatabase } from './database.ts';

export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('API tokens; works beside a running service');
  token
    .command('create')
    .description('make a token; it is shown once and kept as a hash')
    .requiredOption('--name <name>', 'who or what uses it')
    .addOption(new Option('--role <role>', 'what it may do').choices(roles).makeOptionMandatory())
    .option('--tenant <tenant>', 'keeps the alerts of this sender apart from equal ones of others', '')
    .option('-c, --config <file>', 'settings file')
    .action(async (options: { name: string; role: Role; tenant: string; config?: string }) => {
      if ([options.name, options.tenant].some((text) => text.startsWith(reservedPrefix)))
        throw new Error(
          `names and tenants that begin with "${reservedPrefix}" are the service's own; take another one`,
        );
      const made = await withDatabase(await configuration(options.config), (db) =>
        createToken(db, options, new Date()),
      );
      if (made === null) {
        throw new Error(
          `there is a token named "${options.name}" already (also a revoked one keeps its name); take another name`,
        );
      }
      console.log(made);
    });
  token
    .command('list')
    .description('list tokens; the tokens themselves are not kept')
    .option('-c, --config <file>', 'settings file')
    .action(async (options: { config?: string }) => {
      const tokens = await withDatabase(await configuration(options.config), listTokens);
      const rows = tokens.map((one) => ({
        name: one.name,
        role: one.role,
        tenant: one.tenant,
        created: one.createdAt.toISOString(),
        revoked: one.revokedAt?.toISOString() ?? '',
      }));
      if (rows.length === 0) console.log('no tokens');
      else console.table(rows);
    });
  token
    .command('revoke')
    .description('revoke a token; takes effect within 5 s')
    .argument('<name>', 'its name')
    .option('-c, --config <file>', 'settings file')
    .action(async (name: string, options: { config?: string }) => {
      const revoked = await withDatabase(await configuration(options.config), (db) =>
        revokeToken(db, name, new Date()),
      );
      if (!revoked) throw new Error(`there is no token "${name}" in use; gomon token list shows them`);
      console.log(`revoked ${name}`);
    });
}
