import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { effectiveSettings } from '../../src/config/effective.ts';
import { loadConfig } from '../../src/config/load.ts';
import { checkReport } from '../../src/config/problem.ts';
import { secretNames, secretPlaces } from '../../src/config/secrets.ts';
import { gomon } from '../support/command-line.ts';
import { setTrap, type Trap } from '../support/trap.ts';
import { startWorld, type World } from '../support/world.ts';

/**
 * Every secret there is holds a mark of its own, everything that can go wrong with
 * the vendors does (they quote back whatever they were sent), and then every byte
 * that came out is searched for the marks.
 */
const marks: Record<string, string> = {
  GOMON_ADMIN_TOKEN: 'gomon_MARK-admin-0123456789abcdef',
  GRAFANA_WEBHOOK_SECRET: 'MARK-grafana-one-0123,MARK-grafana-two-4567',
  SLACK_BOT_TOKEN: 'xoxb-MARK-bot-0123456789',
  SLACK_SIGNING_SECRET: 'MARK-signing-one-0123,MARK-signing-two-4567',
  SLACK_APP_TOKEN: 'xapp-MARK-app-0123456789',
  OPSGENIE_API_KEY: 'MARK-opsgenie-key-0123-4567',
  OPSGENIE_WEBHOOK_SECRET: 'MARK-opsgenie-hook-0123-4567',
  GOMON_KUBERNETES_TOKEN: 'MARK-kubernetes-0123456789',
};
/** In the address of the webhook that stands in for Slack. */
const webhookPath = 'MARK-fallback-0123456789';
const databasePassword = 'MARK-database-0123456789';
const admin = { authorization: `Bearer ${marks['GOMON_ADMIN_TOKEN']}` };

/** What each secret looks like in other people's hands: as it is, in base64, in an address. */
const traces: string[] = [
  ...Object.values(marks).flatMap((value) => value.split(',')),
  databasePassword,
  webhookPath,
].flatMap((secret) => [
  secret,
  // In the middle of a longer text its base64 begins at one of three places.
  ...[0, 1, 2].map((offset) =>
    Buffer.from(`${'x'.repeat(offset)}${secret}`)
      .toString('base64')
      .slice(offset + 3, -4),
  ),
  encodeURIComponent(secret),
]);

function expectClean(where: string, text: string): void {
  for (const trace of traces) {
    const at = text.indexOf(trace);
    expect(at === -1 ? null : `${where}: …${text.slice(Math.max(0, at - 200), at + 60)}…`).toBeNull();
  }
}

type Mood = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** Everything a vendor was sent, as some of them give it back. */
function echoOf(request: IncomingMessage, body: string): string {
  const authorization = request.headers.authorization ?? '';
  return `${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body} ${authorization} ${authorization.split(' ')[1] ?? ''}`;
}
function answerJson(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(content));
}

const moods: Record<string, Mood> = {
  'quotes the request in a page, 500': (request, response, body) => {
    response.writeHead(500, { 'content-type': 'text/html' });
    response.end(`<pre>${echoOf(request, body)}</pre>`);
  },
  'quotes the request in JSON, 500': (request, response, body) =>
    answerJson(response, 500, { message: echoOf(request, body), error: echoOf(request, body) }),
  'quotes the key in a refusal, 401': (request, response, body) =>
    answerJson(response, 401, {
      ok: false,
      error: 'invalid_auth',
      message: echoOf(request, body),
      errors: { key: echoOf(request, body) },
    }),
  'quotes the key in a refusal, 422': (request, response, body) =>
    answerJson(response, 422, {
      message: echoOf(request, body),
      errors: { [echoOf(request, body)]: 'wrong' },
    }),
  'takes the key for an error code, 200': (request, response) => {
    const key = request.headers.authorization?.split(' ')[1] ?? '';
    answerJson(response, 200, {
      ok: false,
      error: key,
      result: key,
      requestId: key,
      response_metadata: { messages: [key] },
    });
  },
  'quotes the key in its id, 202': (request, response) => {
    const key = request.headers.authorization?.split(' ')[1] ?? '';
    answerJson(response, 202, {
      ok: true,
      result: key,
      requestId: `${key}-1`,
      data: { status: key, isSuccess: false },
      url: `ws://127.0.0.1:1/?token=${key}`,
    });
  },
  'answers with a page, 200': (request, response, body) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(echoOf(request, body));
  },
  'names the key in Retry-After, 429': (request, response) => {
    response.writeHead(429, { 'retry-after': request.headers.authorization ?? 'x' });
    response.end('{}');
  },
  'redirects with the key in the address': (request, response) => {
    const key = request.headers.authorization?.split(' ')[1] ?? '';
    response.writeHead(307, { location: `http://127.0.0.1:1/?key=${key}` });
    response.end();
  },
  'hangs up': (_request, response) => void response.destroy(),
};

describe('secrets', () => {
  let world: World;
  let vendor: Trap;
  let folder = '';
  let mood: Mood = (_request, response) => answerJson(response, 503, {});
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'gomon-secrets-'));
    vendor = await setTrap((request, response, body) => mood(request, response, body));
    world = await startWorld({
      env: {
        ...marks,
        GOMON_FALLBACK_WEBHOOK_URL: `${vendor.url}/hook/${webhookPath}`,
        SLACK_API_URL: `${vendor.url}/api/`,
        OPSGENIE_API_URL: `${vendor.url}/opsgenie`,
      },
    });
  });
  afterAll(async () => {
    await world.stop();
    await vendor.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('have a mark each', () => {
    const marked = [...Object.keys(marks), 'DATABASE_URL', 'GOMON_FALLBACK_WEBHOOK_URL'].toSorted();
    expect(secretNames.map((name) => secretPlaces[name].variable).toSorted()).toEqual(marked);
  });

  it.each(Object.keys(moods))('are not given away by a vendor that %s', async (name) => {
    mood = moods[name] ?? mood;
    const isSlack = (one: string): boolean => one.startsWith('POST /api/');
    const isProvider = (one: string): boolean => one.includes(' /opsgenie/');
    const before = vendor.asked.length;
    const title = `Alert while a vendor ${name}`;
    const answer = await world.call('POST', '/api/v1/alerts', { title, severity: 'P0' }, admin);
    expect(answer.status).toBe(201);
    await expect
      .poll(
        async () => {
          await world.advance(61_000);
          const asked = vendor.asked.slice(before);
          return asked.some(isSlack) && asked.some(isProvider);
        },
        { timeout: 15_000, interval: 50 },
      )
      .toBe(true);
    const ready = await world.call('GET', '/readyz');
    expectClean('/readyz', ready.text);
    expectClean('the log', world.log());
  });

  it('are not given away at a door where something is wrong', async () => {
    const wrong = { authorization: `Bearer ${marks['GOMON_ADMIN_TOKEN']}x` };
    const texts: string[] = [];
    const say = async (
      method: string,
      where: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ) => {
      const answer = await world.call(method, where, body, {
        'content-type': 'application/json',
        ...headers,
      });
      texts.push(`${answer.text} ${JSON.stringify([...answer.headers])}`);
    };
    for (const headers of [
      wrong,
      admin,
      { ...admin, 'x-gomon-webhook-secret': marks['OPSGENIE_WEBHOOK_SECRET'] ?? '' },
    ]) {
      for (const where of [
        '/api/v1/alerts',
        '/api/v2/alerts',
        '/api/v1/incidents',
        '/api/v1/webhooks/grafana',
        '/api/v1/webhooks/alertmanager',
        '/api/v1/webhooks/opsgenie',
        '/api/v1/slack/webhooks/interactions',
        '/api/v1/slack/webhooks/commands',
        '/api/v1/slack/webhooks/events',
        '/no/such/path',
      ])
        for (const body of ['', '{', '[]', '{"x":1}', '[{"title":1}]'])
          await say('POST', where, body, headers);
    }
    await say(
      'POST',
      '/api/v1/webhooks/alertmanager',
      { version: '4', alerts: [{}] },
      {
        ...admin,
        'x-gomon-webhook-secret': marks['OPSGENIE_WEBHOOK_SECRET'] ?? '',
        'x-api-key': marks['OPSGENIE_API_KEY'] ?? '',
        cookie: `session=${marks['SLACK_BOT_TOKEN']}`,
      },
    );
    for (const text of texts) expectClean('an answer', text);
  });

  it('are not given away when the database hangs up', async () => {
    await world.rows(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await expect
      .poll(() => world.call('GET', '/api/v1/alerts', undefined, admin).then((answer) => answer.status), {
        timeout: 10_000,
      })
      .toBe(200);
    expectClean('the log', world.log());
  });

  it('stand nowhere in what can be read, nor in a table', async () => {
    const { items } = (await world.call('GET', '/api/v1/alerts?limit=200', undefined, admin)).body;
    expect(items.length).toBeGreaterThanOrEqual(Object.keys(moods).length);
    const pages = [
      '/readyz',
      '/metrics',
      '/api/v1/alerts?limit=200',
      '/api/v1/incidents?limit=200',
      '/api/v1/openapi.json',
      ...items.map(({ id }: { id: string }) => `/api/v1/alerts/${id}`),
    ];
    const incidents = (await world.call('GET', '/api/v1/incidents?limit=200', undefined, admin)).body.items;
    pages.push(...incidents.map(({ id }: { id: string }) => `/api/v1/incidents/${id}`));
    const deliveries = await world.rows<{ id: string }>('SELECT id FROM deliveries');
    pages.push(...deliveries.map(({ id }) => `/api/v1/deliveries/${id}`));
    for (const page of pages) {
      const answer = await world.call('GET', page, undefined, admin);
      expect(answer.status, page).toBe(200);
      expectClean(page, answer.text);
    }
    const tables = await world.rows<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(tables.length).toBeGreaterThan(8);
    for (const { name } of tables) {
      const rows = await world.rows<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
      expectClean(name, rows.map(({ text }) => text).join('\n'));
    }
    expectClean('the log', world.log());
  });

  it('are masked in the settings in force and in what is wrong with them', async () => {
    const env = {
      ...marks,
      DATABASE_URL: `postgresql://gomon:${databasePassword}@127.0.0.1:1/gomon?password=${databasePassword}`,
    };
    const loaded = await loadConfig({
      env: { ...env, GOMON_FALLBACK_WEBHOOK_URL: `https://example.com/${webhookPath}` },
      cwd: folder,
    });
    if (!loaded.ok) throw new Error(checkReport(loaded.problems));
    expectClean('the settings in force', effectiveSettings(loaded.config));
    const file = path.join(folder, 'clear.yaml');
    const settings = {
      server: { adminToken: marks['GOMON_ADMIN_TOKEN'] },
      database: { url: env.DATABASE_URL },
      slack: {
        botToken: marks['SLACK_BOT_TOKEN'],
        signingSecret: [marks['SLACK_SIGNING_SECRET']],
        apptoken: marks['SLACK_APP_TOKEN'],
      },
      opsgenie: {
        apiKey: marks['OPSGENIE_API_KEY'],
        apiUrl: `https://x:${marks['OPSGENIE_API_KEY']}@api.opsgenie.com`,
      },
      sources: { grafana: { webhookSecret: marks['GRAFANA_WEBHOOK_SECRET'] } },
    };
    await writeFile(file, JSON.stringify(settings));
    const refused = await loadConfig({ argvConfigPath: file, env: {}, cwd: folder });
    if (refused.ok) throw new Error('secrets in the clear were taken');
    expectClean('the report', checkReport(refused.problems));
    const wrong = await loadConfig({
      env: {
        ...env,
        DATABASE_URL: `mysql://${databasePassword}`,
        SLACK_BOT_TOKEN: `a\n${marks['SLACK_BOT_TOKEN']}`,
      },
      cwd: folder,
    });
    if (wrong.ok) throw new Error('wrong secrets were taken');
    expectClean('the report', checkReport(wrong.problems));
  });

  it('are not printed by a command that cannot do its work', async () => {
    const env = { ...marks, DATABASE_URL: `postgresql://gomon:${databasePassword}@127.0.0.1:1/gomon` };
    const commands = [
      ['migrate'],
      ['token', 'list'],
      ['config', 'check'],
      ['send', 'missing.json'],
      ['--nonsense'],
    ];
    const outputs = await Promise.all(commands.map((args) => gomon(args, { cwd: folder, env })));
    outputs.forEach(({ stdout, stderr }, index) => {
      expect(`${stdout}${stderr}`).not.toBe('');
      expectClean(commands[index]?.join(' ') ?? '', `${stdout}${stderr}`);
    });
  });
});
