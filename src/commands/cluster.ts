import type { Command } from 'commander';
import { clusterChoiceOf } from '../config/cluster-choice.ts';
import { KubernetesConnection } from '../integrations/kubernetes/connection.ts';
import { chooseCluster } from '../integrations/kubernetes/credentials.ts';
import {
  type MissingRight,
  type PermissionReport,
  reviewPermissions,
} from '../integrations/kubernetes/permissions.ts';
import { configuration } from './configuration.ts';

/** For everything it asks, together. */
const doctorTimeoutMs = 60_000;

export function addClusterCommands(program: Command): void {
  const cluster = program.command('cluster').description('the Kubernetes cluster that is watched');
  cluster
    .command('doctor')
    .description(
      'say how the cluster is reached, which permissions are missing, and what is off without them',
    )
    .option('-c, --config <file>', 'settings file')
    .action(async (options: { config?: string }) => {
      const config = await configuration(options.config);
      const chosen = chooseCluster(clusterChoiceOf(config));
      if (chosen.is === 'off' && config.settings.kubernetes.mode === 'off') {
        console.log(`No cluster is watched: ${chosen.reason}.`);
        return;
      }
      if (chosen.is !== 'chosen') throw new Error(chosen.reason);
      const connection = new KubernetesConnection(chosen.source);
      try {
        await examine(connection, config.settings.kubernetes.namespaces);
      } finally {
        await connection.close();
      }
    });
}

async function examine(connection: KubernetesConnection, namespaces: readonly string[]): Promise<void> {
  const signal = AbortSignal.timeout(doctorTimeoutMs);
  console.log(`Cluster:     ${await connection.server()}, by ${connection.source.name}`);
  const where = namespaces.includes('*') ? [null] : namespaces;
  const report = await reviewPermissions(connection, where, new Date(), signal);
  if (report.trouble !== null) throw new Error(report.trouble.detail);
  const version = await connection.call({ path: '/version' }, signal);
  if (version.ok) console.log(`Version:     ${versionIn(version.text)}`);
  console.log(`Namespaces:  ${where.map((name) => name ?? 'all').join(', ')}`);
  const skew = Math.round(connection.skewMs / 1_000);
  if (skew !== 0)
    console.log(`Clock:       theirs is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} ours`);
  console.log(reportText(report));
  if (!report.isComplete) process.exitCode = 1;
}

function reportText({ missing, asked }: PermissionReport): string {
  if (missing.length === 0) return `Permissions: all ${asked} are granted.`;
  const part = (title: string, lines: MissingRight[]): string[] =>
    lines.length === 0 ? [] : ['', title, ...lines.map(lineText)];
  return [
    ...part(
      'Missing, and needed:',
      missing.filter(({ isNeeded }) => isNeeded),
    ),
    ...part(
      'Missing, and the rest works without:',
      missing.filter(({ isNeeded }) => !isNeeded),
    ),
  ].join('\n');
}

function lineText({ resource, verbs, namespaces, serves }: MissingRight): string {
  const where = namespaces.length === 0 ? 'in the cluster' : `in ${namespaces.join(', ')}`;
  return `  ${verbs.join(', ')} ${resource} ${where}\n      off: ${serves}`;
}

function versionIn(text: string): string {
  try {
    return String((JSON.parse(text) as { gitVersion?: unknown }).gitVersion);
  } catch {
    return 'unknown';
  }
}
