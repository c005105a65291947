import { type Command, InvalidArgumentError } from 'commander';
import { readAccounts } from '../history/account-queries.ts';
import { type Accounts, spanOf, suppressionRules } from '../history/accounts.ts';
import { configuration } from './configuration.ts';
import { withDatabase } from './database.ts';

type Options = { from?: Date; to?: Date; json?: true; config?: string };

export function addLedgerCommands(program: Command): void {
  const ledger = program
    .command('ledger')
    .description('the accounts of what was accepted; works beside a running service');
  ledger
    .command('check')
    .description('print the sums of a time; exit code 1 when they do not hold')
    .option('--from <time>', 'ISO 8601 (default: 24 hours before --to)', parseTime)
    .option('--to <time>', 'ISO 8601 (default: now)', parseTime)
    .option('--json', 'as GET /api/v1/ledger answers')
    .option('-c, --config <file>', 'settings file')
    .action(async (options: Options) => {
      const now = new Date();
      const span = spanOf(options, now);
      if (!span.ok) throw new Error(span.reason);
      const config = await configuration(options.config);
      const deliveriesKeptDays = config.settings.deliveries.retentionDays;
      const accounts = await withDatabase(config, (db) =>
        readAccounts(db, span, { deliveriesKeptDays, now }),
      );
      console.log(options.json ? JSON.stringify(accounts, null, 2) : accountsTable(accounts));
      if (!accounts.holds) process.exitCode = 1;
    });
}

function parseTime(text: string): Date {
  const time = new Date(text);
  // What JavaScript takes for a time is more than ISO 8601.
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:?\d\d)?)?$/i.test(text))
    throw new InvalidArgumentError(`"${text}" is not a time such as 2026-11-20T08:15:30Z.`);
  return time;
}

/** For people: one line a number, its parts below it, and the verdict last. */
export function accountsTable(accounts: Accounts): string {
  const lines: [name: string, count: number, note?: string][] = [
    ['accepted', accounts.accepted],
    ['= delivered', accounts.delivered],
    ['+ suppressed', accounts.suppressed],
    ...parts(accounts.suppressedBy, suppressionRules),
    ['+ pending', accounts.pending],
    ...parts(accounts.pendingBy),
    ['+ failed', accounts.failed],
    ...parts(accounts.failedBy),
    ['  unaccounted', accounts.unaccounted],
    ['canary (apart)', accounts.canary],
  ];
  const { entries } = accounts;
  lines.push(
    ['requests', entries.requests],
    ['  refused', entries.refused],
    ['entries', entries.received],
    ['  created', entries.created, auditNote(entries)],
    ['  updated', entries.updated],
    ['  resolved', entries.resolved],
    ['  ignored', entries.ignored],
    ['  rejected', entries.rejected],
  );
  const width = Math.max(...lines.map(([name]) => name.length));
  const table = lines.map(([name, count, note]) =>
    `${name.padEnd(width)}  ${String(count).padStart(10)}  ${note ?? ''}`.trimEnd(),
  );
  return [
    `${accounts.from.toISOString()} to ${accounts.to.toISOString()}`,
    ...table,
    accounts.holds ? 'the sum holds' : 'THE SUM DOES NOT HOLD',
    ...accounts.unaccountedAlertIds.map((id) => `  unaccounted: alert ${id}`),
  ].join('\n');
}

function parts(
  by: Record<string, number>,
  notes: Record<string, string> = {},
): [name: string, count: number, note?: string][] {
  return Object.entries(by).map(([name, count]) => [`    ${name}`, count, notes[name] ?? '']);
}

function auditNote({ created, createdByAudit }: Accounts['entries']): string {
  if (createdByAudit === null) return '(requests of that time are not kept any more: not compared)';
  return createdByAudit === created ? '' : `(but ${createdByAudit} by the audit log)`;
}
