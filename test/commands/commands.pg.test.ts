import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grafanaAlert, grafanaWebhook } from '../fixtures/grafana.ts';
import { gomon, serve } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let cwd: string;
let database: TestDatabase;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'gomon-commands-'));
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  await rm(cwd, { recursive: true, force: true });
});

async function file(name: string, content: string): Promise<string> {
  const where = path.join(cwd, name);
  await writeFile(where, content);
  return where;
}

describe('gomon config', () => {
  it('checks a good file and prints the effective settings with secrets masked', async () => {
    const good = await file('good.yaml', 'slack:\n  channels:\n    critical: "#war-room"\n');
    const [explicit, nothing] = await Promise.all([
      gomon(['config', 'check', good], {
        cwd,
        env: { SLACK_BOT_TOKEN: 'xoxb-very-secret', GOMON_PORT: '9000' },
      }),
      gomon(['config', 'check'], { cwd }),
    ]);
    expect(explicit).toMatchObject({ code: 0, stderr: '' });
    expect(explicit.stdout).toContain('#war-room');
    expect(explicit.stdout).toContain('9000');
    expect(explicit.stdout).not.toContain('very-secret');
    expect(explicit.stdout).toContain('***');
    // No setting is required to start.
    expect(nothing.code).toBe(0);
  });

  it('names path, what was found and what is allowed, and exits with 1', async () => {
    const wrong = await file(
      'wrong.yaml',
      'server:\n  port: 99999\nslack:\n  chanels: {}\n  botToken: xoxb-in-the-clear\n',
    );
    const [checked, missing, served] = await Promise.all([
      gomon(['config', 'check', wrong], { cwd }),
      gomon(['config', 'check', path.join(cwd, 'nowhere.yaml')], { cwd }),
      gomon(['serve', '--config', wrong], { cwd, env: { DATABASE_URL: database.url } }),
    ]);
    for (const result of [checked, served]) {
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/server\.port/);
      expect(result.stderr).toContain('99999');
      expect(result.stderr).toContain('65535');
      expect(result.stderr).toMatch(/slack\.chanels/);
      expect(result.stderr).toContain('channels');
      expect(result.stderr).not.toContain('xoxb-in-the-clear');
    }
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('nowhere.yaml');
    // For those who read the log, not the terminal.
    expect(served.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(served.stdout)).toMatchObject({
      level: 'error',
      msg: 'the service does not start',
      err: { message: expect.stringContaining('server.port') },
    });
    expect(served.stdout).not.toContain('xoxb-in-the-clear');
  });

  it('refuses a card template with which the service would not start', async () => {
    await file('wrong-card.yaml', "text: '{{ titel }}'\nblocks: []\n");
    await file('good-card.yaml', "text: '{{ title }}'\nblocks: []\n");
    const wrong = await file('wrong-template.yaml', 'slack: { templateFile: wrong-card.yaml }\n');
    const good = await file('good-template.yaml', 'slack: { templateFile: good-card.yaml }\n');
    const [refused, taken] = await Promise.all([
      gomon(['config', 'check', wrong], { cwd }),
      gomon(['config', 'check', good], { cwd }),
    ]);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/slack\.templateFile .*wrong-card\.yaml[^]*titel/);
    expect(taken).toMatchObject({ code: 0, stderr: '' });
  });

  it('prints the JSON Schema for editors', async () => {
    const { code, stdout } = await gomon(['config', 'schema'], { cwd });
    expect(code).toBe(0);
    const schema = JSON.parse(stdout) as { $schema: string; properties: Record<string, unknown> };
    expect(schema.$schema).toContain('json-schema.org');
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(['server', 'slack', 'incidents', 'sources']),
    );
  });
});

describe('gomon slack manifest', () => {
  it('prints the app manifest for the address, and refuses what is none', async () => {
    const [good, bad, none] = await Promise.all([
      gomon(['slack', 'manifest', '--url', 'https://gomon.example.com'], { cwd }),
      gomon(['slack', 'manifest', '--url', 'gomon'], { cwd }),
      gomon(['slack', 'manifest'], { cwd }),
    ]);
    expect(good.code).toBe(0);
    const manifest = JSON.parse(good.stdout) as { display_information: { name: string }; settings: unknown };
    expect(manifest.display_information.name.length).toBeLessThanOrEqual(35);
    for (const door of ['interactions', 'commands', 'events'])
      expect(good.stdout).toContain(`https://gomon.example.com/api/v1/slack/webhooks/${door}`);
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('"gomon"') });
    expect(none.code).not.toBe(0);
  });
});

describe('gomon beside a running service', () => {
  it('migrates, makes, lists and revokes tokens, and sends payloads of every kind', async () => {
    const env = { DATABASE_URL: database.url };
    const migrated = await gomon(['migrate'], { cwd, env });
    expect(migrated).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') });
    const service = await serve({ cwd, env: { ...env, GOMON_ADMIN_TOKEN: 'admin-for-tests' } });
    try {
      expect(service.output.stderr).not.toContain('Admin API token');
      const made = await gomon(['token', 'create', '--name', 'ci', '--role', 'source'], { cwd, env });
      expect(made).toMatchObject({ code: 0, stderr: '' });
      const token = made.stdout.trim();
      expect(token).toMatch(/^\S{30,}$/);
      const [again, badRole, listed] = await Promise.all([
        gomon(['token', 'create', '--name', 'ci', '--role', 'viewer'], { cwd, env }),
        gomon(['token', 'create', '--name', 'boss', '--role', 'boss'], { cwd, env }),
        gomon(['token', 'list'], { cwd, env }),
      ]);
      expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('"ci"') });
      expect(badRole.code).not.toBe(0);
      expect(badRole.stderr).toContain('responder');
      expect(listed.stdout).toContain('ci');
      expect(listed.stdout).toContain('source');
      expect(listed.stdout).not.toContain(token);

      const payloads = {
        'alert.json': { title: 'Sent by hand', severity: 'P3' },
        'grafana.json': grafanaWebhook([grafanaAlert({ severity: 'warning' })]),
        'prometheus.json': [{ labels: { alertname: 'SentUp' } }],
      };
      const sent = await Promise.all(
        Object.entries(payloads).map(async ([name, payload]) =>
          gomon(['send', await file(name, JSON.stringify(payload)), '--url', service.url, '--token', token], {
            cwd,
          }),
        ),
      );
      for (const result of sent) expect(result).toMatchObject({ code: 0, stderr: '' });
      const [piped, wrongToken, notJson] = await Promise.all([
        gomon(['send', '-', '--url', service.url], {
          cwd,
          env: { GOMON_ADMIN_TOKEN: 'admin-for-tests' },
          input: '{"title":"Piped in"}',
        }),
        gomon(['send', path.join(cwd, 'alert.json'), '--url', service.url, '--token', 'wrong'], { cwd }),
        gomon(['send', await file('bad.json', '{'), '--url', service.url, '--token', token], { cwd }),
      ]);
      expect(piped.code).toBe(0);
      expect(wrongToken).toMatchObject({ code: 1, stderr: expect.stringContaining('401') });
      expect(notJson).toMatchObject({ code: 1, stderr: expect.stringContaining('not JSON') });

      const list = await fetch(`${service.url}/api/v1/alerts`, {
        headers: { authorization: 'Bearer admin-for-tests' },
      });
      const { items } = (await list.json()) as { items: { title: string; source: string }[] };
      expect(items.map((one) => one.source).toSorted()).toEqual(['alertmanager', 'api', 'api', 'grafana']);

      expect(await gomon(['token', 'revoke', 'ci'], { cwd, env })).toMatchObject({ code: 0 });
      expect(await gomon(['token', 'revoke', 'ci'], { cwd, env })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('"ci"'),
      });
    } finally {
      expect(await service.stop()).toBe(0);
    }
  }, 60_000);

  it('says what is there when asked for help or for nonsense', async () => {
    const [help, nonsense] = await Promise.all([gomon(['--help'], { cwd }), gomon(['sevre'], { cwd })]);
    expect(help.code).toBe(0);
    for (const name of ['serve', 'migrate', 'config', 'token', 'slack', 'send'])
      expect(help.stdout).toContain(name);
    expect(nonsense.code).not.toBe(0);
    expect(nonsense.stderr).toContain('serve');
  });
});
