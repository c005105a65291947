import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isForbiddenHost } from '../lib/forbidden-address.ts';
import type { Problem } from './problem.ts';

/** Everything that must not be printed. Null or empty: not set, and what needs it is off. */
export type Secrets = {
  /** An API token with role admin. */
  adminToken: string | null;
  /** With its password; null: the embedded database. */
  databaseUrl: string | null;
  grafanaSecrets: string[];
  slackBotToken: string | null;
  slackSigningSecrets: string[];
  slackAppToken: string | null;
  opsgenieApiKey: string | null;
  opsgenieWebhookSecrets: string[];
  fallbackWebhookUrl: string | null;
  kubernetesToken: string | null;
};

export type SecretName = keyof Secrets;

/** `many`: several, comma-separated, so that one can be replaced without a gap. */
export type SecretPlace = { path: string; variable: string; many: boolean; description: string };

/** Where each secret comes from: the variable, or a `file:` reference at this place of the settings file. */
export const secretPlaces: Record<SecretName, SecretPlace> = {
  adminToken: {
    path: 'server.adminToken',
    variable: 'GOMON_ADMIN_TOKEN',
    many: false,
    description: 'An admin API token; none: one is made at first start and printed once.',
  },
  databaseUrl: {
    path: 'database.url',
    variable: 'DATABASE_URL',
    many: false,
    description: 'An external PostgreSQL, 14 or newer; none: the embedded one.',
  },
  grafanaSecrets: {
    path: 'sources.grafana.webhookSecret',
    variable: 'GRAFANA_WEBHOOK_SECRET',
    many: true,
    description: 'HMAC secret of the contact point; set: a valid signature is required.',
  },
  slackBotToken: {
    path: 'slack.botToken',
    variable: 'SLACK_BOT_TOKEN',
    many: false,
    description: "The app's bot token; none: Slack is off.",
  },
  slackSigningSecrets: {
    path: 'slack.signingSecret',
    variable: 'SLACK_SIGNING_SECRET',
    many: true,
    description: 'The signing secret, with which clicks are verified.',
  },
  slackAppToken: {
    path: 'slack.appToken',
    variable: 'SLACK_APP_TOKEN',
    many: false,
    description: 'The app-level token; set: Socket Mode is on.',
  },
  opsgenieApiKey: {
    path: 'opsgenie.apiKey',
    variable: 'OPSGENIE_API_KEY',
    many: false,
    description: 'Key of an API integration; none: Opsgenie is off.',
  },
  opsgenieWebhookSecrets: {
    path: 'opsgenie.webhookSecret',
    variable: 'OPSGENIE_WEBHOOK_SECRET',
    many: true,
    description: 'Expected in the header X-GoMon-Webhook-Secret of calls from Opsgenie.',
  },
  fallbackWebhookUrl: {
    path: 'fallback.webhookUrl',
    variable: 'GOMON_FALLBACK_WEBHOOK_URL',
    many: false,
    description:
      'Where P0 and P1 are posted as JSON when Slack does not take them; a secret, because such addresses often are.',
  },
  kubernetesToken: {
    path: 'kubernetes.token',
    variable: 'GOMON_KUBERNETES_TOKEN',
    many: false,
    description: 'Bearer token for kubernetes.apiUrl.',
  },
};

export const secretNames = Object.keys(secretPlaces) as SecretName[];

/** Where a secret was found, and the text that stood there. */
export type SecretSource = {
  kind: 'variable' | 'file';
  value: unknown;
  /** What a relative `file:` reference counts from. */
  folder: string;
  where?: string;
};

/** The values of one secret; a problem never repeats what was found. */
export async function readSecret(
  place: SecretPlace,
  source: SecretSource,
): Promise<{ values: string[] } | { problem: Problem }> {
  const name = source.kind === 'variable' ? place.variable : place.path;
  const problem = (found: string, allowed: string, remedy: string): { problem: Problem } => ({
    problem: {
      path: name,
      ...(source.where !== undefined && { where: source.where }),
      found,
      allowed,
      remedy,
    },
  });
  const values: string[] = [];
  for (const entry of entriesOf(source.value, place.many)) {
    if (typeof entry !== 'string' || (source.kind === 'file' && !entry.startsWith('file:'))) {
      return problem(
        'a secret in the clear (***)',
        'a reference to a file, as in file:/run/secrets/name',
        `take it out of the file; set ${place.variable} in the environment, or put it into a file of its own and write file:PATH here`,
      );
    }
    if (!entry.startsWith('file:')) {
      values.push(entry);
      continue;
    }
    const file = fileOf(entry, source.folder);
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
    if (typeof text !== 'string') {
      return problem(
        `the file ${file} cannot be read (${text.code ?? text.message})`,
        'a file we may read',
        'correct the path, or the rights of the file',
      );
    }
    if (text.trim() === '')
      return problem(`the file ${file} is empty`, 'a file with the secret in it', 'write the secret into it');
    values.push(
      ...(place.many ? text.split(/[,\r\n]+/) : [text])
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    );
  }
  if (values.some((value) => /[\r\n\0]/.test(value))) {
    return problem('*** with a line break in it', 'one line', 'remove what does not belong to it');
  }
  if (place === secretPlaces.databaseUrl && values.some((value) => !isPostgresUrl(value))) {
    return problem(
      '*** (not a PostgreSQL address)',
      'postgresql://USER:PASSWORD@HOST:PORT/DATABASE',
      'correct it, or remove it to use the embedded database',
    );
  }
  if (place === secretPlaces.fallbackWebhookUrl && !values.every(isWebUrl)) {
    return problem(
      '*** (not an address)',
      'an address that begins with http:// or https://',
      'correct it, or remove it to do without a second path',
    );
  }
  return { values };
}

function entriesOf(value: unknown, many: boolean): unknown[] {
  if (!many) return [value];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.flatMap((entry) =>
    typeof entry === 'string'
      ? entry
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== '')
      : [entry],
  );
}

function fileOf(reference: string, folder: string): string {
  if (reference.startsWith('file://')) return fileURLToPath(reference);
  return path.resolve(folder, reference.slice('file:'.length));
}

/** With credentials of its own `fetch` would refuse it, and link-local addresses are never called. */
function isWebUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || isForbiddenHost(url.hostname)) return false;
  return ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '';
}

function isPostgresUrl(text: string): boolean {
  return URL.canParse(text) && ['postgres:', 'postgresql:'].includes(new URL(text).protocol);
}

/** Everything that must appear nowhere: the secrets, the password in the database's address, and addresses that hold one. */
export function secretTexts({
  secrets,
  settings,
}: {
  secrets: Secrets;
  settings: { heartbeat: { url: string | null } };
}): string[] {
  const password =
    secrets.databaseUrl === null ? '' : decodeURIComponent(new URL(secrets.databaseUrl).password);
  const { databaseUrl: _database, ...others } = secrets;
  return [...Object.values(others).flat(), settings.heartbeat.url, password].flatMap((text) =>
    text === null || text === '' ? [] : [text],
  );
}

/** The address without its password, for people. */
export function maskDatabaseUrl(text: string): string {
  const url = new URL(text);
  if (url.password !== '') url.password = '***';
  if (url.searchParams.has('password')) url.searchParams.set('password', '***');
  return url.href;
}
