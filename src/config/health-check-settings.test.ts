import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { effectiveSettings } from './effective.ts';
import { healthCheckOf } from './health-check-settings.ts';
import { loadConfig } from './load.ts';
import { settingsJsonSchema } from './settings-schema.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gomon-checks-'));
  await writeFile(path.join(folder, 'secret'), 'Bearer from-a-file\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function load(...healthChecks: unknown[]) {
  const file = path.join(folder, 'gomon.yaml');
  await writeFile(file, stringify({ healthChecks }));
  return loadConfig({ argvConfigPath: file, env: { SHOP_KEY: 'from-the-environment' }, cwd: folder });
}

async function problems(...healthChecks: unknown[]): Promise<string[]> {
  const loaded = await load(...healthChecks);
  return loaded.ok
    ? []
    : loaded.problems.map(({ path: place, found, allowed }) => `${place}: ${found} / ${allowed}`);
}

const http = { name: 'shop', type: 'http', url: 'https://shop.example.com/healthz?key=1#x' };

describe('healthChecks', () => {
  it('fills in the defaults', async () => {
    const loaded = await load(http, { name: 'db', type: 'database' });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const [shop, db] = loaded.config.settings.healthChecks.map((check) => healthCheckOf(check, {}));
    expect(shop).toEqual({
      name: 'shop',
      type: 'http',
      target: 'https://shop.example.com/healthz',
      severity: 'P2',
      namespace: null,
      labels: {},
      own: false,
      intervalMs: 30_000,
      timeoutMs: 5_000,
      forMs: 30_000,
      holdDownMs: 60_000,
      latency: null,
      certificate: { P1: 2, P2: 7, P3: 21 },
      probe: {
        type: 'http',
        url: http.url,
        method: 'GET',
        headers: {},
        expectStatus: [{ from: 200, to: 299 }],
        bodyContains: null,
        redirects: 0,
        verifyCertificate: true,
        allowLinkLocal: false,
      },
    });
    expect(db).toMatchObject({ own: true, forMs: 60_000, severity: 'P3', certificate: null });
  });

  it('reads secrets of headers, and prints none', async () => {
    const headers = { Authorization: 'file:secret', 'X-Api-Key': 'env:SHOP_KEY', Accept: 'text/plain' };
    const loaded = await load({ ...http, headers });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    expect(loaded.config.healthCheckHeaders).toEqual({
      shop: {
        Authorization: 'Bearer from-a-file',
        'X-Api-Key': 'from-the-environment',
        Accept: 'text/plain',
      },
    });
    expect(effectiveSettings(loaded.config)).not.toContain('from-');
  });

  it.each([
    [{ Authorization: 'Bearer in-the-clear' }, 'healthChecks[0].headers.Authorization: *** in the clear'],
    [{ 'X-Auth-Token': 12_345 }, 'healthChecks[0].headers.X-Auth-Token: *** in the clear'],
    [{ 'X-Key': 'env:NOT_SET' }, 'the environment variable NOT_SET is not set'],
    [{ 'X-Key': 'file:missing' }, 'cannot be read (ENOENT)'],
    [{ 'X-Text': 'two\nlines' }, '*** with characters that no header may have'],
  ])('refuses headers %j', async (headers, expected) => {
    const found = await problems({ ...http, headers });
    expect(found).toEqual([expect.stringContaining(expected)]);
    expect(found.join()).not.toMatch(/in-the-clear|12345|two/);
  });

  it.each([
    [{ ...http, intervalSeconds: 5 }, 'intervalSeconds: 5 / a number from 10 to 86400'],
    [{ ...http, timeoutSeconds: 31 }, 'timeoutSeconds: 31 / at most intervalSeconds'],
    [
      { ...http, url: 'https://ana:pw@shop.example.com/' },
      'url: "https://***@shop.example.com/" / an address without',
    ],
    [{ ...http, url: 'file:///etc/passwd' }, 'url: "file:///etc/passwd" / an address that begins with http'],
    [{ ...http, intervalSecond: 30 }, 'an unknown setting "intervalSecond" / type, name, intervalSeconds'],
    [
      { ...http, url: 'http://169.254.169.254/' },
      'url: "http://169.254.169.254/" / an address that is neither',
    ],
    [
      { name: 'x', type: 'tcp', host: '[fe80::1]', port: 80 },
      'host: "[fe80::1]" / an address that is neither',
    ],
    [{ name: 'x', type: 'htp' }, 'type: "htp" / one of http, tcp, dns, database, dependency'],
    [{ name: 'db', type: 'database', forSeconds: 30 }, 'forSeconds: 30 / at least 60'],
    [
      { name: 's', type: 'dependency', dependency: 'slack', severity: 'P1' },
      'severity: "P1" / one of P2, P3, P4',
    ],
    [{ name: 'x', type: 'tcp', host: 'http://x', port: 80 }, 'host: "http://x"'],
  ])('refuses %j', async (given, expected) => {
    expect(await problems(given)).toEqual([expect.stringContaining(expected)]);
  });

  it('refuses two checks of one name', async () => {
    expect(await problems(http, http)).toEqual([expect.stringContaining('healthChecks[1].name')]);
  });

  it('is described setting by setting', async () => {
    const text = await readFile(new URL('../../docs/health-checks.md', import.meta.url), 'utf8');
    const variants = settingsJsonSchema().properties?.['healthChecks']?.items?.anyOf ?? [];
    expect(variants).toHaveLength(5);
    const names = new Set(variants.flatMap((variant) => Object.keys(variant.properties ?? {})));
    expect([...names].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});
