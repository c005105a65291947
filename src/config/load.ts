import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { type Environment, readVariable, settingVariables, variableValue } from './env.ts';
import { toProblems } from './issues.ts';
import { type HealthCheckHeaders, readHealthCheckHeaders } from './health-check-headers.ts';
import { nearest } from '../lib/nearest.ts';
import type { Problem } from './problem.ts';
import { readSecret, type SecretName, secretNames, secretPlaces, type Secrets } from './secrets.ts';
import { readSettingsFile, type SettingsFile } from './settings-file.ts';
import { pathSettings, Settings } from './settings.ts';

export type Config = {
  settings: Settings;
  secrets: Secrets;
  /** Headers of health checks with their secrets. */
  healthCheckHeaders: HealthCheckHeaders;
  /** Where the settings came from; names only. */
  origin: { file: string | null; variables: string[] };
  /** Not wrong, but worth saying: a variable that looks like a slip. */
  notices: string[];
};

export type LoadedConfig = { ok: true; config: Config } | { ok: false; problems: Problem[] };

type Mapping = Record<string, unknown>;

/**
 * Reads everything that sets something: the file (`--config`, else GOMON_CONFIG,
 * else gomon.yaml if it is there), then the environment, which wins. All problems
 * come back together. Paths in the result are absolute.
 */
export async function loadConfig(given: {
  argvConfigPath?: string | undefined;
  /** By default those of the process. */
  env?: Environment;
  cwd?: string;
}): Promise<LoadedConfig> {
  const from = { env: process.env, cwd: process.cwd(), ...given };
  const found = await findFile(from);
  const file = found === null ? null : await readSettingsFile(found);
  if (file !== null && 'problems' in file) return { ok: false, problems: file.problems };

  const input = structuredClone(file?.content ?? {});
  const secretsRead = await takeSecrets(input, file, from);
  dropNulls(input, []);
  const variables = new Map<string, string>();
  for (const [variable, place] of Object.entries(settingVariables)) {
    const text = readVariable(from.env, variable);
    if (text === undefined) continue;
    variables.set(place, variable);
    setAt(input, place, variableValue(variable, text));
  }

  const parsed = Settings.safeParse(input);
  const problems = [...secretsRead.problems];
  if (!parsed.success) {
    problems.push(
      ...toProblems(parsed.error.issues, input, {
        name: (place) => variables.get(place.join('.')),
        locate: (place) => (variables.has(place.join('.')) ? undefined : file?.locate(place)),
      }),
    );
  }
  if (!parsed.success || problems.length > 0) return { ok: false, problems };

  resolvePaths(parsed.data, file, variables, from.cwd);
  const unreadable = await checkTemplate(parsed.data, file);
  if (unreadable !== null) return { ok: false, problems: [unreadable] };
  const checkHeaders = await readHealthCheckHeaders(parsed.data.healthChecks, {
    env: from.env,
    folder: file?.folder ?? from.cwd,
    locate: (place) => file?.locate(place),
  });
  if (checkHeaders.problems.length > 0) return { ok: false, problems: checkHeaders.problems };
  return {
    ok: true,
    config: {
      settings: parsed.data,
      secrets: secretsRead.secrets,
      healthCheckHeaders: checkHeaders.headers,
      origin: {
        file: file?.file ?? null,
        variables: [...variables.values(), ...secretsRead.variables].toSorted(),
      },
      notices: noticeSlips(from.env),
    },
  };
}

async function findFile(from: {
  argvConfigPath?: string | undefined;
  env: Environment;
  cwd: string;
}): Promise<string | null> {
  const named = from.argvConfigPath ?? readVariable(from.env, 'GOMON_CONFIG');
  if (named !== undefined) return path.resolve(from.cwd, named);
  const usual = path.resolve(from.cwd, 'gomon.yaml');
  return await access(usual, constants.F_OK).then(
    () => usual,
    () => null,
  );
}

/** Reads the secrets and takes their references out of the settings. */
async function takeSecrets(
  input: Mapping,
  file: SettingsFile | null,
  from: { env: Environment; cwd: string },
): Promise<{ secrets: Secrets; problems: Problem[]; variables: string[] }> {
  const problems: Problem[] = [];
  const variables: string[] = [];
  const values: Partial<Record<SecretName, string[]>> = {};
  for (const name of secretNames) {
    const place = secretPlaces[name];
    const inFile = takeAt(input, place.path);
    const inEnvironment = readVariable(from.env, place.variable);
    // Also one that the environment overrides must not stand in the file in the clear.
    const sources = [
      ...(inFile === undefined || inFile === null || file === null
        ? []
        : [
            {
              kind: 'file' as const,
              value: inFile,
              folder: file.folder,
              where: file.locate(place.path.split('.')),
            },
          ]),
      ...(inEnvironment === undefined
        ? []
        : [{ kind: 'variable' as const, value: inEnvironment, folder: from.cwd, where: undefined }]),
    ];
    for (const { where, ...source } of sources) {
      const read = await readSecret(place, { ...source, ...(where !== undefined && { where }) });
      if ('problem' in read) problems.push(read.problem);
      else values[name] = read.values;
    }
    if (inEnvironment !== undefined) variables.push(place.variable);
  }
  const one = (name: SecretName): string | null => values[name]?.[0] ?? null;
  const many = (name: SecretName): string[] => values[name] ?? [];
  const secrets: Secrets = {
    adminToken: one('adminToken'),
    databaseUrl: one('databaseUrl'),
    grafanaSecrets: many('grafanaSecrets'),
    slackBotToken: one('slackBotToken'),
    slackSigningSecrets: many('slackSigningSecrets'),
    slackAppToken: one('slackAppToken'),
    opsgenieApiKey: one('opsgenieApiKey'),
    opsgenieWebhookSecrets: many('opsgenieWebhookSecrets'),
    fallbackWebhookUrl: one('fallbackWebhookUrl'),
    kubernetesToken: one('kubernetesToken'),
  };
  return { secrets, problems, variables };
}

/**
 * A name with nothing after it sets nothing. But a channel with nothing after it is
 * one whose # was read as a comment: that one stays, to be complained about.
 */
function dropNulls(mapping: Mapping, place: string[]): void {
  for (const [name, value] of Object.entries(mapping)) {
    if (value === null && !(place[0] === 'slack' && place[1] === 'channels')) delete mapping[name];
    else if (isMapping(value)) dropNulls(value, [...place, name]);
  }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function setAt(mapping: Mapping, place: string, value: unknown): void {
  const steps = place.split('.');
  const last = steps.pop() ?? '';
  let parent = mapping;
  for (const step of steps) {
    const next = parent[step];
    if (isMapping(next)) {
      parent = next;
    } else if (next === undefined) {
      const made: Mapping = {};
      parent[step] = made;
      parent = made;
    } else {
      // Something else stands there: the schema will say so.
      return;
    }
  }
  parent[last] = value;
}

function takeAt(mapping: Mapping, place: string): unknown {
  const steps = place.split('.');
  const last = steps.pop() ?? '';
  let parent: unknown = mapping;
  for (const step of steps) parent = isMapping(parent) ? parent[step] : undefined;
  if (!isMapping(parent)) return undefined;
  const value = parent[last];
  delete parent[last];
  return value;
}

function resolvePaths(
  settings: Settings,
  file: SettingsFile | null,
  variables: Map<string, string>,
  cwd: string,
): void {
  for (const place of pathSettings) {
    const [room, name] = place.split('.') as [string, string];
    const holder = settings[room as keyof Settings] as unknown as Record<string, unknown>;
    const value = holder[name];
    // KUBECONFIG may name several files.
    if (typeof value !== 'string' || (place === 'kubernetes.kubeconfig' && value.includes(path.delimiter)))
      continue;
    const given = file?.content[room];
    const isFromFile = !variables.has(place) && isMapping(given) && typeof given[name] === 'string';
    holder[name] = path.resolve(isFromFile && file !== null ? file.folder : cwd, value);
  }
}

async function checkTemplate(settings: Settings, file: SettingsFile | null): Promise<Problem | null> {
  const { templateFile } = settings.slack;
  if (templateFile === null) return null;
  const code = await access(templateFile, constants.R_OK).then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  );
  if (code === null) return null;
  const where = file?.locate(['slack', 'templateFile']);
  return {
    path: 'slack.templateFile',
    ...(where !== undefined && { where }),
    found: `${templateFile} cannot be read (${code})`,
    allowed: 'a file we may read; a relative path counts from the settings file',
    remedy: 'correct it, or leave it out for the built-in template',
  };
}

/** GOMON_PROT is nobody's setting; one nearly called like ours deserves a word. */
function noticeSlips(env: Environment): string[] {
  const known = [
    'GOMON_CONFIG',
    ...Object.keys(settingVariables),
    ...secretNames.map((name) => secretPlaces[name].variable),
  ];
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith('GOMON_') || known.includes(name)) return [];
    const meant = nearest(name, known);
    return meant === undefined
      ? []
      : [`the environment variable ${name} sets nothing; did you mean ${meant}?`];
  });
}
