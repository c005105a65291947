import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { effectiveSettings } from './effective.ts';
import { loadConfig } from './load.ts';
import { nearest } from '../lib/nearest.ts';
import { checkReport } from './problem.ts';
import { secretNames, secretPlaces, type Secrets, secretTexts } from './secrets.ts';
import { publicUrlOf, Settings } from './settings.ts';
import { settingsJsonSchema } from './settings-schema.ts';
import { sourceRulesOf } from './source-settings.ts';

function emptySecrets(): { secrets: Secrets } {
  return {
    secrets: Object.fromEntries(
      secretNames.map((name) => [name, secretPlaces[name].many ? [] : null]),
    ) as unknown as Secrets,
  };
}

describe('effectiveSettings', () => {
  it('shows what is in force and no secret', async () => {
    const env = {
      DATABASE_URL: 'postgresql://gomon:hidden1@db:5432/gomon?password=hidden2',
      SLACK_BOT_TOKEN: 'hidden3',
      GRAFANA_WEBHOOK_SECRET: 'hidden4,hidden5',
      GOMON_HOST: '0.0.0.0',
    };
    const loaded = await loadConfig({ env, cwd: '/nowhere' });
    if (!loaded.ok) throw new Error(checkReport(loaded.problems));
    const text = effectiveSettings(loaded.config);
    expect(text).not.toContain('hidden');
    expect(text).toContain(
      '# environment: DATABASE_URL, GOMON_HOST, GRAFANA_WEBHOOK_SECRET, SLACK_BOT_TOKEN\n',
    );
    expect(parse(text)).toMatchObject({
      server: { host: '0.0.0.0', publicUrl: 'http://localhost:8080', adminToken: null },
      database: { url: 'postgresql://gomon:***@db:5432/gomon?password=***', dataDir: '/nowhere/data' },
      slack: { botToken: '***', appToken: null },
      sources: { grafana: { webhookSecret: '*** (2)' } },
    });
  });
});

describe('the heartbeat', () => {
  it('keeps its address to itself', async () => {
    const loaded = await loadConfig({ env: { OPSGENIE_API_KEY: 'key-of-ours' }, cwd: '/nowhere' });
    if (!loaded.ok) throw new Error(checkReport(loaded.problems));
    const { config } = loaded;
    config.settings.heartbeat.url = 'https://hc-ping.example/secret-uuid?x=secret';
    expect(parse(effectiveSettings(config))).toMatchObject({
      heartbeat: { url: 'https://hc-ping.example/***', opsgenie: null },
    });
    expect(secretTexts(config)).toEqual(['key-of-ours', 'https://hc-ping.example/secret-uuid?x=secret']);
  });

  it('knows the password of the database, too', () => {
    const { secrets: none } = emptySecrets();
    const texts = secretTexts({
      secrets: { ...none, databaseUrl: 'postgresql://a:pass%2Fword@db/x' },
      settings: { heartbeat: { url: null } },
    });
    expect(texts).toEqual(['pass/word']);
  });
});

describe('health checks', () => {
  it('are shown without what may let somebody in', async () => {
    const loaded = await loadConfig({ env: {}, cwd: '/nowhere' });
    if (!loaded.ok) throw new Error(checkReport(loaded.problems));
    const { config } = loaded;
    config.settings.healthChecks = Settings.parse({
      healthChecks: [
        { name: 'a', type: 'http', url: 'http://h/x?token=abcsecret' },
        {
          name: 'b',
          type: 'http',
          url: 'http://h/y#abcsecret',
          headers: { 'x-token': 'env:T', accept: '*/*' },
        },
        { name: 'c', type: 'http', url: 'http://h/z' },
      ],
    }).healthChecks;
    const text = effectiveSettings(config);
    expect(text).not.toContain('abcsecret');
    expect(parse(text)).toMatchObject({
      healthChecks: [
        { url: 'http://h/x?***' },
        { url: 'http://h/y?***', headers: { 'x-token': 'env:T', accept: '*/*' } },
        { url: 'http://h/z' },
      ],
    });
  });
});

describe('checkReport', () => {
  it('tells path, place, finding, what is allowed and the remedy', () => {
    const problem = {
      path: 'log.level',
      where: 'gomon.yaml:3:3',
      found: '"loud"',
      allowed: 'one of a, b',
      remedy: 'correct it',
    };
    expect(checkReport([problem])).toBe(
      'The settings have 1 problem.\n\nlog.level (gomon.yaml:3:3)\n  found:   "loud"\n  allowed: one of a, b\n  remedy:  correct it\n',
    );
  });
});

describe('settingsJsonSchema', () => {
  it('knows defaults, limits, and secrets as references only', () => {
    const { properties } = settingsJsonSchema();
    expect(properties?.['server']?.properties?.['port']).toMatchObject({ default: 8080, maximum: 65_535 });
    expect(properties?.['slack']?.properties?.['botToken']).toMatchObject({
      type: 'string',
      pattern: '^file:',
    });
    expect(properties?.['incidents']?.properties?.['autoCreate']?.default).toEqual(['P0', 'P1']);
  });
});

describe('sourceRulesOf', () => {
  const { sources } = Settings.parse({
    sources: { grafana: { severity: { words: { P1: ['Page'], P2: ['critical'] }, default: 'P2' } } },
  });

  it('moves the words of the operator and keeps the others', () => {
    const { severityWords, defaultSeverity } = sourceRulesOf(sources, 'grafana');
    expect(severityWords.P2).toContain('critical');
    expect(severityWords.P1).not.toContain('critical');
    expect(severityWords.P1).toEqual(expect.arrayContaining(['crit', 'Page']));
    expect(severityWords.P1).not.toContain('page');
    expect(defaultSeverity).toBe('P2');
  });

  it('leaves other sources alone', () => {
    expect(sourceRulesOf(sources, 'api').severityWords.P1).toContain('critical');
  });
});

describe('publicUrlOf', () => {
  const server = Settings.parse({}).server;
  it.each([
    [{}, undefined, 'http://127.0.0.1:8080'],
    [{}, 4321, 'http://127.0.0.1:4321'],
    [{ host: '::1' }, undefined, 'http://[::1]:8080'],
    [{ host: '0.0.0.0' }, undefined, 'http://localhost:8080'],
    [{ publicUrl: 'https://alerts.example.com/gomon/' }, 4321, 'https://alerts.example.com/gomon'],
  ])('%j at %s is %s', (given, port, url) => {
    expect(publicUrlOf({ ...server, ...given }, port)).toBe(url);
  });
});

describe('nearest', () => {
  it.each([
    ['prot', 'port'],
    ['pool_size', 'poolSize'],
    ['datadir', 'dataDir'],
    ['completely', undefined],
  ])('%s means %s', (name, meant) => {
    expect(nearest(name, ['host', 'port', 'poolSize', 'dataDir'])).toBe(meant);
  });
});
