import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Comparison, table } from './figures.ts';
import { parts } from './parts.ts';
import { openStage } from './stage.ts';

/**
 * `npm run bench [-- a b c …] [--minutes N] [--profile]`: the parts that are named,
 * or all. Each figure is taken in turns with its reference on the same machine in
 * the same minutes, or beside what is aimed at, because a number alone says more
 * about the machine than about us.
 */

const results = fileURLToPath(new URL('./results/', import.meta.url));

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    profile: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
});
const listed = parts.map(({ letter, title }) => `  ${letter}  ${title}`).join('\n');
if (values.help) {
  console.log(`npm run bench [-- LETTER …] [--minutes N] [--profile]\n${listed}`);
  process.exit(0);
}
const unknown = positionals.filter((letter) => parts.every((part) => part.letter !== letter));
const soakMinutes = Number(values.minutes);
if (unknown.length > 0 || !(soakMinutes > 0)) {
  console.error(
    unknown.length > 0
      ? `bench: there is no part ${unknown.join(', ')}; there are\n${listed}`
      : `bench: --minutes ${values.minutes} is no number above 0.`,
  );
  process.exit(2);
}
const chosen = parts.filter(({ letter }) => positionals.length === 0 || positionals.includes(letter));
const startedAt = new Date();
const name = startedAt.toISOString().replaceAll(/[-:]|\.\d+/g, '');
const profileFolder = values.profile ? path.join(results, name) : null;

const loadBefore = loadavg()[0] ?? 0;
const opening = openStage();
const giveUp = (): void => {
  // What is under way loses its database; that must not keep us from clearing up.
  process.on('uncaughtException', () => undefined);
  void opening.then((opened) => opened.close()).finally(() => process.exit(130));
};
process.once('SIGINT', giveUp);
process.once('SIGTERM', giveUp);
const stage = await opening;
const comparisons: Comparison[] = [];
try {
  await mkdir(results, { recursive: true });
  const machine = {
    cpus: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    postgres: stage.postgres,
    commitMs: stage.commitMs,
    loadBefore,
  };
  console.log(
    `${machine.cpus} × ${machine.model}, ${machine.memoryGb} GB, Node ${machine.node}, PostgreSQL ${machine.postgres['server_version']} (fsync on)`,
  );
  console.log(
    `One small commit: ${stage.commitMs.p50.toFixed(2)} ms in the median, ${stage.commitMs.p99.toFixed(2)} ms at p99. Generator, service and PostgreSQL share the cores.\n`,
  );
  if (loadBefore > cpus().length / 2)
    console.log(`Something else is running (load ${loadBefore.toFixed(1)}): the figures may be low.\n`);
  const alertmanagerBinary = process.env['ALERTMANAGER_BIN'] || null;
  for (const part of chosen) {
    const measured = await part.measure({ stage, profileFolder, alertmanagerBinary, soakMinutes });
    comparisons.push(...measured);
    console.log(`${table(measured)}\n`);
  }

  const file = path.join(results, `${name}.json`);
  await writeFile(file, `${JSON.stringify({ startedAt, machine, comparisons }, null, 2)}\n`);
  console.log(`Written to ${path.relative(process.cwd(), file)}`);
  if (profileFolder !== null) console.log(`CPU profiles in ${path.relative(process.cwd(), profileFolder)}`);
} finally {
  await stage.close();
}
