import { stringify } from 'yaml';
import type { Config } from './load.ts';
import { withoutSecrets } from './masked.ts';
import { maskDatabaseUrl, type SecretName, secretNames, secretPlaces, type Secrets } from './secrets.ts';
import { publicUrlOf } from './settings.ts';

/** The settings in force as YAML for people: defaults filled in, secrets as *** where they are set. */
export function effectiveSettings(config: Config): string {
  const { settings, secrets, origin } = config;
  const shown = withoutSecrets({
    ...settings,
    server: { ...settings.server, publicUrl: publicUrlOf(settings.server) },
  }) as Record<string, unknown>;
  for (const name of secretNames) {
    const steps = secretPlaces[name].path.split('.');
    const last = steps.pop() ?? '';
    let parent = shown;
    for (const step of steps) parent = parent[step] as Record<string, unknown>;
    parent[last] = masked(name, secrets);
  }
  const from = [
    `# file: ${origin.file ?? 'none'}`,
    `# environment: ${origin.variables.length === 0 ? 'nothing' : origin.variables.join(', ')}`,
  ];
  return `${from.join('\n')}\n${stringify(shown, { lineWidth: 0 })}`;
}

function masked(name: SecretName, secrets: Secrets): string | null {
  const value = secrets[name];
  if (value === null || value.length === 0) return null;
  if (typeof value !== 'string') return value.length === 1 ? '***' : `*** (${value.length})`;
  return name === 'databaseUrl' ? maskDatabaseUrl(value) : '***';
}
