import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Environment } from './env.ts';
import { type Config, loadConfig } from './load.ts';
import type { Problem } from './problem.ts';

let cwd: string;
let files = 0;

beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'gomon-config-'));
  await writeFile(path.join(cwd, 'token'), 'xoxb-from-a-file\n');
  await writeFile(path.join(cwd, 'secrets'), 'new\nold\n');
  await writeFile(path.join(cwd, 'nothing'), '\n');
});

afterAll(() => rm(cwd, { recursive: true, force: true }));

async function load(yaml: string | null, env: Environment = {}) {
  if (yaml === null) return await loadConfig({ env, cwd });
  files += 1;
  const file = path.join(cwd, `settings-${files}.yaml`);
  await writeFile(file, yaml);
  return await loadConfig({ argvConfigPath: file, env, cwd });
}

async function config(yaml: string | null, env: Environment = {}): Promise<Config> {
  const loaded = await load(yaml, env);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

async function problems(yaml: string | null, env: Environment = {}): Promise<Problem[]> {
  const loaded = await load(yaml, env);
  return loaded.ok ? [] : loaded.problems;
}

describe('loadConfig', () => {
  it('starts without any setting', async () => {
    const { settings, secrets, origin } = await config(null);
    expect(settings.server).toMatchObject({ host: '127.0.0.1', port: 8080, publicUrl: null });
    expect(settings.database.dataDir).toBe(path.join(cwd, 'data'));
    expect(settings.slack.channels.critical).toBe('#alert-critical');
    expect(settings.sources.alertmanager.resolveTimeoutSeconds).toBe(300);
    expect(settings.sources.grafana.resolveTimeoutSeconds).toBeNull();
    expect(settings.incidents.autoCreate).toEqual(['P0', 'P1']);
    expect(settings.intake.maxBodyBytes).toBe(10_485_760);
    expect(secrets.databaseUrl).toBeNull();
    expect(secrets.grafanaSecrets).toEqual([]);
    expect(origin).toEqual({ file: null, variables: [] });
  });

  it('finds gomon.yaml by --config, GOMON_CONFIG and in the working folder, in this order', async () => {
    const folder = await mkdtemp(path.join(cwd, 'order-'));
    const named = async (name: string, port: number): Promise<void> =>
      await writeFile(path.join(folder, name), `server: { port: ${port} }`);
    await named('gomon.yaml', 1);
    await named('by-variable.yaml', 2);
    await named('by-argument.yaml', 3);
    const port = async (argvConfigPath: string | undefined, env: Environment): Promise<unknown> => {
      const loaded = await loadConfig({ argvConfigPath, env, cwd: folder });
      return loaded.ok ? loaded.config.settings.server.port : loaded.problems;
    };
    expect(await port(undefined, {})).toBe(1);
    expect(await port(undefined, { GOMON_CONFIG: 'by-variable.yaml' })).toBe(2);
    expect(await port('by-argument.yaml', { GOMON_CONFIG: 'by-variable.yaml' })).toBe(3);
    expect(await port('missing.yaml', {})).toMatchObject([{ found: 'there is no such file' }]);
  });

  it('lets the environment win over the file, and empty variables count as not set', async () => {
    const yaml = 'server: { host: 0.0.0.0, port: 9000 }\nlog: { level: warn }\nkubernetes:\n';
    const env = {
      GOMON_PORT: '7000',
      GOMON_HOST: ' ',
      GOMON_KUBERNETES: 'off',
      GRAFANA_TIMESTAMP_HEADER: 'X-Time',
    };
    const { settings, origin } = await config(yaml, env);
    expect(settings.server).toMatchObject({ host: '0.0.0.0', port: 7000 });
    expect(settings.log.level).toBe('warn');
    expect(settings.kubernetes.mode).toBe('off');
    expect(settings.sources.grafana.timestampHeader).toBe('X-Time');
    expect(origin.variables).toEqual(['GOMON_KUBERNETES', 'GOMON_PORT', 'GRAFANA_TIMESTAMP_HEADER']);
  });

  it('is not misled by the variable that Kubernetes makes for a Service called gomon', async () => {
    const { settings } = await config(null, {
      GOMON_PORT: 'tcp://10.0.0.1:80',
      GOMON_SERVICE_HOST: '10.0.0.1',
    });
    expect(settings.server.port).toBe(8080);
  });

  it('reads a scalar where a list may stand, and flat conditions', async () => {
    const { settings } = await config(`
slack:
  routes:
    - { severity: P0, namespace: 'shop-*', labels: { tier: 1, team: [a, b] }, channel: war-room }
incidents:
  autoCreate: P0
  assignment:
    - { source: grafana, responders: [{ type: escalation, name: Everybody }] }
`);
    expect(settings.slack.routes).toEqual([
      {
        severity: ['P0'],
        namespace: ['shop-*'],
        labels: { tier: ['1'], team: ['a', 'b'] },
        channel: '#war-room',
      },
    ]);
    expect(settings.incidents.autoCreate).toEqual(['P0']);
    expect(settings.incidents.assignment[0]).toEqual({
      source: ['grafana'],
      responders: [{ type: 'escalation', name: 'Everybody' }],
    });
  });

  it('counts relative paths from the file that names them, and those of the environment from the working folder', async () => {
    const folder = await mkdtemp(path.join(cwd, 'paths-'));
    await writeFile(path.join(folder, 'gomon.yaml'), 'database: { dataDir: db }\nspool: { dir: /spool }');
    const argvConfigPath = path.join(folder, 'gomon.yaml');
    const fromFile = await loadConfig({ argvConfigPath, env: {}, cwd });
    const fromEnvironment = await loadConfig({ argvConfigPath, env: { GOMON_DATA_DIR: 'db' }, cwd });
    if (!fromFile.ok || !fromEnvironment.ok) throw new Error('not loaded');
    expect(fromFile.config.settings.database.dataDir).toBe(path.join(folder, 'db'));
    expect(fromFile.config.settings.spool.dir).toBe('/spool');
    expect(fromEnvironment.config.settings.database.dataDir).toBe(path.join(cwd, 'db'));
  });

  it('has nothing to say of a setting that is used', async () => {
    expect((await config('spool: { dir: /var/spool/gomon }')).notices).toEqual([]);
  });

  it('notices a variable that is nearly one of ours', async () => {
    const { notices } = await config(null, { GOMON_ADMIN_TOKNE: 'x', GOMON_PORT_8080_TCP_ADDR: '10.0.0.1' });
    expect(notices).toEqual([expect.stringMatching(/GOMON_ADMIN_TOKNE.*did you mean GOMON_ADMIN_TOKEN/)]);
  });
});

describe('secrets', () => {
  it('come from the environment, from files, and several where they rotate', async () => {
    const { secrets, origin } = await config('slack: { botToken: "file:token" }', {
      GRAFANA_WEBHOOK_SECRET: 'one, two,file:secrets',
      OPSGENIE_API_KEY: `file:${path.join(cwd, 'token')}`,
      DATABASE_URL: 'postgres://u:p@db/gomon',
    });
    expect(secrets).toEqual({
      adminToken: null,
      databaseUrl: 'postgres://u:p@db/gomon',
      grafanaSecrets: ['one', 'two', 'new', 'old'],
      slackBotToken: 'xoxb-from-a-file',
      slackSigningSecrets: [],
      slackAppToken: null,
      opsgenieApiKey: 'xoxb-from-a-file',
      opsgenieWebhookSecrets: [],
      fallbackWebhookUrl: null,
      kubernetesToken: null,
    });
    expect(origin.variables).toEqual(['DATABASE_URL', 'GRAFANA_WEBHOOK_SECRET', 'OPSGENIE_API_KEY']);
  });

  it('are refused in the clear in the file, also when the environment has one, and never repeated', async () => {
    const found = await problems('slack:\n  botToken: xoxb-very-secret\n', { SLACK_BOT_TOKEN: 'xoxb-other' });
    expect(found).toMatchObject([{ path: 'slack.botToken', where: expect.stringContaining('.yaml:2:3') }]);
    expect(found[0]?.remedy).toContain('SLACK_BOT_TOKEN');
    expect(JSON.stringify(found)).not.toContain('secret"');
    expect(JSON.stringify(found)).not.toContain('xoxb');
  });

  it.each([
    ['a missing file', { SLACK_BOT_TOKEN: 'file:absent' }, /absent cannot be read \(ENOENT\)/],
    ['an empty file', { SLACK_BOT_TOKEN: 'file:nothing' }, /is empty/],
    ['two lines where one belongs', { SLACK_BOT_TOKEN: 'file:secrets' }, /line break/],
    ['another database', { DATABASE_URL: 'mysql://root:hidden@db' }, /\*\*\* \(not a PostgreSQL address\)/],
    [
      'a second path to nowhere',
      { GOMON_FALLBACK_WEBHOOK_URL: 'hooks.example/hidden' },
      /\*\*\* \(not an address\)/,
    ],
    [
      'a second path with a password',
      { GOMON_FALLBACK_WEBHOOK_URL: 'https://a:hidden@hooks.example' },
      /\*\*\* \(not an address\)/,
    ],
  ])('name %s', async (_, env, found) => {
    const [problem] = await problems(null, env);
    expect(problem?.found).toMatch(found);
    expect(JSON.stringify(problem)).not.toContain('hidden');
  });
});

describe('problems', () => {
  it.each<[string, string, Partial<Record<keyof Problem, unknown>>]>([
    [
      'an unknown setting and the one that was meant',
      'server:\n  prot: 80\n',
      { path: 'server.prot', found: 'an unknown setting "prot"', remedy: 'did you mean "port"?' },
    ],
    ['an unknown room', 'slak: {}', { path: 'slak', remedy: 'did you mean "slack"?' }],
    [
      'a number out of range',
      'server: { port: 70000 }',
      { found: '70000', allowed: 'a whole number from 0 to 65535' },
    ],
    [
      'a wrong type',
      'server: { port: web }',
      { path: 'server.port', found: '"web"', allowed: /whole number/ },
    ],
    [
      'a wrong choice',
      'log: { level: wran }',
      { allowed: 'one of debug, info, warn, error', remedy: 'did you mean warn?' },
    ],
    [
      'a wrong choice in a list',
      'incidents: { autoCreate: [P0, P7] }',
      { path: 'incidents.autoCreate[1]', found: '"P7"' },
    ],
    ['a wrong address', 'jaeger: { queryUrl: jaeger:16686 }', { allowed: /http:\/\/ or https:\/\// }],
    [
      'a password in a wrong address',
      'jaeger: { queryUrl: "ftp://u:hidden@host" }',
      { found: '"ftp://***@host"' },
    ],
    [
      'a list in place of settings',
      'slack: []',
      { path: 'slack', found: '[]', allowed: /^settings \(apiUrl, channels/ },
    ],
    ['a number in place of a room', 'sources: { grafana: 5 }', { path: 'sources.grafana', found: '5' }],
    [
      'a channel lost in a comment',
      'slack:\n  channels:\n    critical: #war-room\n',
      { remedy: /quotes/, found: 'nothing' },
    ],
    [
      'a route without a channel',
      'slack: { routes: [{ severity: P0 }] }',
      { path: 'slack.routes[0].channel' },
    ],
    [
      'an unknown condition',
      "slack: { routes: [{ team: x, channel: '#x' }] }",
      { path: 'slack.routes[0].team' },
    ],
    [
      'a responder with neither name nor id',
      'incidents: { assignment: [{ responders: [{ type: team }] }] }',
      { path: 'incidents.assignment[0].responders[0]', allowed: 'a responder with either id or name' },
    ],
    [
      'a word of two severities',
      'sources: { grafana: { severity: { words: { P1: Page, P2: [page] } } } }',
      { path: 'sources.grafana.severity.words.P2', allowed: /"page" under one severity only/ },
    ],
    [
      'a proxy that is no address',
      'server: { trustedProxies: [10.0.0.0/40] }',
      { path: 'server.trustedProxies[0]' },
    ],
    [
      'an address with a password in it',
      'jaeger: { queryUrl: "http://ana:s3cret@jaeger.example.com/" }',
      {
        path: 'jaeger.queryUrl',
        found: '"http://***@jaeger.example.com/"',
        allowed: 'an address without a user name and a password in it',
      },
    ],
    [
      'an address on which clouds give out credentials',
      'opsgenie: { apiUrl: "http://169.254.169.254/latest" }',
      { path: 'opsgenie.apiUrl', allowed: 'an address that is not link-local: those are never called' },
    ],
    [
      'an address of another scheme',
      'slack: { apiUrl: "file:///etc/passwd" }',
      { path: 'slack.apiUrl', allowed: 'an address that begins with http:// or https://' },
    ],
    [
      'a canary in a channel where alerts go',
      "canary: { channel: '#alert-critical' }",
      { path: 'canary.channel', allowed: /a channel of its own/ },
    ],
    ['a canary too often', 'canary: { intervalSeconds: 1 }', { path: 'canary.intervalSeconds' }],
    [
      'a template that is not there',
      'slack: { templateFile: no.yaml }',
      { path: 'slack.templateFile', found: /ENOENT/ },
    ],
  ])('name %s', async (_, yaml, expected) => {
    const found = await problems(yaml);
    expect(found).toHaveLength(1);
    for (const [key, value] of Object.entries(expected)) {
      const actual = found[0]?.[key as keyof Problem];
      if (value instanceof RegExp) expect(actual).toMatch(value);
      else expect(actual).toBe(value);
    }
    expect(found[0]?.where).toMatch(/settings-\d+\.yaml:\d+:\d+/);
  });

  it('name the variable when the environment is wrong', async () => {
    expect(await problems('server: { port: 80 }', { GOMON_PORT: 'http' })).toEqual([
      {
        path: 'GOMON_PORT (server.port)',
        found: '"http"',
        allowed: 'a whole number from 0 to 65535',
        remedy: 'correct it, or unset GOMON_PORT for the default (8080)',
      },
    ]);
  });

  it('come all at once, with line and column', async () => {
    const found = await problems('server:\n  port: 0x\nlog:\n  level: loud\n');
    expect(found.map((problem) => problem.where?.replace(/^.*?:/, ''))).toEqual(['2:3', '4:3']);
  });

  it.each([
    ['bad form', 'server:\n  port: [1\n', /./],
    ['a name twice', 'log: {}\nlog: {}\n', /unique/],
    ['no mapping', '- a\n', /no mapping/],
    [
      'a bomb of aliases',
      `a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`,
      /alias/,
    ],
  ])('say where YAML has %s', async (_, yaml, found) => {
    const [problem] = await problems(yaml);
    expect(problem?.found).toMatch(found);
  });
});

describe('a wrong setting', () => {
  it.each([
    ['heartbeat: { url: "hc-ping.example/abcsecret" }', '"***"'],
    ['heartbeat: { url: "https://abcsecret:x@hc-ping.example/y" }', '"https://hc-ping.example/***"'],
    ['heartbeat: { url: "htps://hc-ping.example/abcsecret" }', '"***"'],
    ['heartbeat: https://hc-ping.example/abcsecret', '"https://hc-ping.example/***"'],
    ['healthChecks: [{ name: a, type: http, url: "ftp://h/x?key=abcsecret" }]', '"ftp://h/x?***"'],
    [
      'healthChecks: { type: http, url: "http://h/x?key=abcsecret", headers: { Authorization: abcsecret } }',
      '{"type":"http","url":"http://h/x?***","headers":{"Authorization":"***"}}',
    ],
  ])('is quoted without what may be a secret: %s', async (yaml, found) => {
    const wrong = await problems(yaml);
    expect(wrong.map((problem) => problem.found)).toEqual([found]);
    expect(JSON.stringify(wrong)).not.toContain('abcsecret');
  });

  it('among names that are given is told them', async () => {
    const [wrong] = await problems('kubernetes: { rules: { pod.crash-lop: { enabled: false } } }');
    expect(wrong?.allowed).toContain('pod.oom-killed');
    expect(wrong?.remedy).toBe('did you mean "pod.crash-loop"?');
  });
});
