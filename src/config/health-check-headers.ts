import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CheckSettings } from './health-check-settings.ts';
import type { Problem } from './problem.ts';

/** Headers by check, with the secrets their references lead to. Read once, at the start. */
export type HealthCheckHeaders = Record<string, Record<string, string>>;

/** Headers whose values let somebody in: never in the clear. */
export function isSecretHeader(name: string): boolean {
  return /auth|cookie|token|secret|password|key|signature|credential/i.test(name);
}

const longestValue = 8_192;

/** Reads what `file:PATH` and `env:NAME` in headers of health checks lead to; a problem never repeats what was found. */
export async function readHealthCheckHeaders(
  checks: readonly CheckSettings[],
  from: {
    env: Record<string, string | undefined>;
    /** What a relative path counts from. */
    folder: string;
    locate: (place: (string | number)[]) => string | undefined;
  },
): Promise<{ headers: HealthCheckHeaders; problems: Problem[] }> {
  const headers: HealthCheckHeaders = {};
  const problems: Problem[] = [];
  for (const [index, check] of checks.entries()) {
    if (check.type !== 'http') continue;
    const own: Record<string, string> = {};
    for (const [name, value] of Object.entries(check.headers)) {
      const read = await readValue(name, value, from);
      if ('value' in read) {
        own[name] = read.value;
        continue;
      }
      const where = from.locate(['healthChecks', index, 'headers', name]);
      problems.push({
        path: `healthChecks[${index}].headers.${name}`,
        ...(where !== undefined && { where }),
        found: read.found,
        allowed: 'file:PATH or env:NAME of one line; what is no secret also as it is',
        remedy: 'correct it, or remove the header',
      });
    }
    headers[check.name] = own;
  }
  return { headers, problems };
}

async function readValue(
  name: string,
  text: string,
  from: { env: Record<string, string | undefined>; folder: string },
): Promise<{ value: string } | { found: string }> {
  const isReference = /^(file|env):/.test(text);
  if (!isReference && isSecretHeader(name)) return { found: '*** in the clear' };
  const read = isReference ? await follow(text, from) : { value: text };
  if ('value' in read && (read.value.length > longestValue || !/^[\t\x20-\x7e\x80-\xff]*$/.test(read.value)))
    return { found: '*** with characters that no header may have, or too long' };
  return read;
}

async function follow(
  reference: string,
  from: { env: Record<string, string | undefined>; folder: string },
): Promise<{ value: string } | { found: string }> {
  if (reference.startsWith('env:')) {
    const name = reference.slice('env:'.length);
    const value = from.env[name]?.trim();
    return value ? { value } : { found: `the environment variable ${name} is not set` };
  }
  const file = reference.startsWith('file://')
    ? fileURLToPath(reference)
    : path.resolve(from.folder, reference.slice('file:'.length));
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== 'string')
    return { found: `the file ${file} cannot be read (${text.code ?? text.message})` };
  return text.trim() === '' ? { found: `the file ${file} is empty` } : { value: text.trim() };
}
