import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Comparison, table } from './figures.ts';
import { measureLatency } from './notification-latency.ts';
import { measureSinglePosts } from './single-posts.ts';
import { openStage } from './stage.ts';
import { measureWebhooks } from './webhooks.ts';

/**
 * `npm run bench [-- a b c] [--profile]`: durable alerts per second (a), requests
 * per second (b), time to Slack (c). Each figure is taken in turns with its
 * reference on the same machine in the same minutes, because a number alone says
 * more about the machine than about us.
 */

const results = fileURLToPath(new URL('./results/', import.meta.url));
const parts = ['a', 'b', 'c'];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { profile: { type: 'boolean', default: false } },
});
const unknown = positionals.filter((part) => !parts.includes(part));
if (unknown.length > 0) {
  console.error(`bench: there is no part ${unknown.join(', ')}; there are ${parts.join(', ')}.`);
  process.exit(2);
}
const chosen = positionals.length === 0 ? parts : positionals;
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
  const measurements: Record<string, () => Promise<Comparison[]>> = {
    a: () => measureWebhooks(stage, profileFolder),
    b: () => measureSinglePosts(stage, process.env['ALERTMANAGER_BIN'] || null, profileFolder),
    c: () => measureLatency(stage, profileFolder),
  };
  for (const part of parts) {
    if (!chosen.includes(part)) continue;
    const measured = (await measurements[part]?.()) ?? [];
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
