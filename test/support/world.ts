import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import pg from 'pg';
import { stringify } from 'yaml';
import { type OpsgenieSandbox, startOpsgenieSandbox } from '../../sandbox/opsgenie/server.ts';
import { type SlackSandbox, startSlackSandbox } from '../../sandbox/slack/server.ts';
import { type App, type AppRole, startApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { createLog } from '../../src/observability/log.ts';
import type { NewChannel, NewUser } from '../../sandbox/slack/workspace.ts';
import type { Role } from '../../src/api/token-store.ts';
import { createTestDatabase } from './postgres.ts';

/**
 * The whole service against the sandbox servers, for scenarios told through the
 * front door. Everything listens on ports of the system's choice.
 */
export type World = {
  app: App;
  slack: SlackSandbox;
  opsgenie: OpsgenieSandbox;
  clock: TestClock;
  databaseUrl: string;
  url: string;
  /** Every log line so far. */
  log: () => string;
  /** As the admin, unless headers say otherwise. A string body goes out as it is. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Rows straight from the database. */
  rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** A new token of the role, as headers for `call`. */
  tokenFor(role: Role, name?: string, tenant?: string): Promise<Record<string, string>>;
  /** The one alert that fits the query (`severity=P1&q=disk`), with its history. */
  alert(query: string): Promise<Answer['body']>;
  /** Until nothing waits to be done. */
  drain(): Promise<void>;
  /** Sets the clock ahead; whatever waits for the time looks at it now. */
  advance(ms: number): Promise<void>;
  /** Stops the service and starts it again on the same database, with the sandboxes as they are. */
  restart(): Promise<void>;
  /** Another process of the service on the same database; whoever asks for it stops it. */
  another(): Promise<App>;
  stop(): Promise<void>;
};

// oxlint-disable-next-line typescript/no-explicit-any -- answers are looked into by the tests
export type Answer = { status: number; headers: Headers; text: string; body: any };

/** Runs with the real clock, and can be set ahead. */
export class TestClock implements Clock {
  #aheadMs = 0;

  now(): Date {
    return new Date(Date.now() + this.#aheadMs);
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }
}

export const adminToken = 'test-admin-token';
export const slackSigningSecret = 'test-signing-secret';
export const opsgenieWebhookSecret = 'test-webhook-secret';

export async function startWorld(
  options: {
    /** As in gomon.yaml. */
    settings?: Record<string, unknown>;
    /** Beside those that point at the sandboxes; `undefined` takes one away. */
    env?: Record<string, string | undefined>;
    roles?: readonly AppRole[];
    /** Slack's own rate limits; off by default, so that a scenario measures only what it means to. */
    slackLimits?: 'slack' | 'off';
    slackUsers?: readonly NewUser[];
    slackScopes?: readonly string[];
    /** Beside the usual ones. */
    slackChannels?: readonly NewChannel[];
    /** Slack reaches the service over a WebSocket only, and its HTTP doors are shut. */
    socketMode?: boolean;
    /** How often Opsgenie answers that it has not worked on a request yet; every one costs a moment. */
    opsgenieStatusAsks?: number;
    /** How many searches at Opsgenie do not see a new thing yet; 1 by default. */
    opsgenieSearchLag?: number;
    /** Stands between the service and the database; answers the URL that the service gets. */
    databaseThrough?: (url: string) => Promise<string>;
    /** Told each log line as it is written. */
    onLog?: (line: string) => void;
    /** Files beside gomon.yaml, by name. */
    files?: Record<string, string>;
  } = {},
): Promise<World> {
  const database = await createTestDatabase();
  const clock = new TestClock();
  const slack = await startSlackSandbox({
    botToken: 'xoxb-test',
    signingSecret: slackSigningSecret,
    limits: options.slackLimits ?? 'off',
    // What was posted when is compared with our own clock.
    now: () => clock.now().getTime(),
    ...(options.slackUsers === undefined ? {} : { users: options.slackUsers }),
    ...(options.slackScopes === undefined ? {} : { scopes: options.slackScopes }),
    appToken: 'xapp-test',
    socketMode: options.socketMode ?? false,
  });
  for (const channel of options.slackChannels ?? []) slack.addChannel(channel);
  const opsgenie = await startOpsgenieSandbox({
    apiKey: 'test-opsgenie-key',
    ...(options.opsgenieStatusAsks === undefined ? {} : { pendingStatusAsks: options.opsgenieStatusAsks }),
    ...(options.opsgenieSearchLag === undefined ? {} : { searchLag: options.opsgenieSearchLag }),
  });
  const folder = await mkdtemp(path.join(tmpdir(), 'gomon-world-'));
  const lines: string[] = [];
  let tokenCount = 0;
  const file = path.join(folder, 'gomon.yaml');
  await writeFile(file, stringify({ slack: { pace: quick }, ...options.settings }));
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await writeFile(path.join(folder, name), content);
  }
  const env: Record<string, string | undefined> = {
    DATABASE_URL: (await options.databaseThrough?.(database.url)) ?? database.url,
    GOMON_PORT: '0',
    GOMON_ADMIN_TOKEN: adminToken,
    GOMON_KUBERNETES: 'off',
    GOMON_LOG_LEVEL: 'debug',
    SLACK_BOT_TOKEN: 'xoxb-test',
    SLACK_SIGNING_SECRET: slackSigningSecret,
    SLACK_API_URL: slack.apiUrl,
    OPSGENIE_API_KEY: opsgenie.apiKey,
    OPSGENIE_API_URL: opsgenie.url,
    OPSGENIE_WEBHOOK_SECRET: opsgenieWebhookSecret,
    ...(options.socketMode === true && { SLACK_APP_TOKEN: 'xapp-test', SLACK_SIGNING_SECRET: undefined }),
    ...options.env,
  };
  const loaded = await loadConfig({ argvConfigPath: file, env, cwd: folder });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems, null, 2));
  const { config } = loaded;
  const start = (): Promise<App> =>
    startApp({
      config,
      clock,
      log: createLog({ level: 'debug', destination: collector(lines, options.onLog) }),
      ...(options.roles === undefined ? {} : { roles: options.roles }),
    });
  const reader = new pg.Pool({ connectionString: database.url, max: 2, application_name: 'tests' });
  // Its last connections may still be closing when their database is dropped.
  reader.on('error', () => undefined);
  reader.on('connect', (client) => client.on('error', () => undefined));
  const connect = (): void => {
    world.url = world.app.url ?? '';
    slack.deliverTo(world.url);
    const secret = { 'X-GoMon-Webhook-Secret': opsgenieWebhookSecret };
    opsgenie.deliverTo(`${world.url}/api/v1/webhooks/opsgenie`, secret);
  };
  const close = async (): Promise<void> => {
    await reader.end();
    await Promise.all([slack.close(), opsgenie.stop()]);
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  };
  const app = await start().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const world: World = {
    app,
    slack,
    opsgenie,
    clock,
    databaseUrl: database.url,
    url: '',
    log: () => lines.join(''),
    async call(method, where, body, headers = {}) {
      const isText = typeof body === 'string' || Buffer.isBuffer(body);
      const response = await fetch(new URL(where, world.url), {
        method,
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: parsed(text) };
    },
    async rows(text, values) {
      const result = await reader.query(text, values);
      return result.rows;
    },
    async tokenFor(role, name = `${role}-${tokenCount++}`, tenant = '') {
      const token = `gomon_test_${name}`;
      const hash = createHash('sha256').update(token).digest();
      await reader.query(
        `INSERT INTO api_tokens (id, name, role, tenant, token_hash, created_at) VALUES (gen_random_uuid(), $1, $2, $3, $4, now())`,
        [name, role, tenant, hash],
      );
      return { authorization: `Bearer ${token}` };
    },
    async alert(query) {
      const list = await world.call('GET', `/api/v1/alerts?${query}`);
      const items: { id: string }[] = list.body.items ?? [];
      if (items.length !== 1) throw new Error(`${items.length} alerts fit ${query}: ${list.text}`);
      return (await world.call('GET', `/api/v1/alerts/${items[0]?.id ?? ''}`)).body;
    },
    drain: () => world.app.drain(),
    async advance(ms) {
      clock.advance(ms);
      await world.app.tick();
      // Jobs count by the database's clock, and whoever sends messages sleeps by the real one.
      await reader.query('UPDATE graphile_worker._private_jobs SET run_at = now() WHERE run_at > now()');
      await reader.query(
        `SELECT pg_notify('gomon_notifications', ''), pg_notify('jobs:insert', '{"count":8}')`,
      );
    },
    async restart() {
      await world.app.stop();
      world.app = await start();
      connect();
    },
    another: start,
    async stop() {
      await world.app.stop();
      await close();
    },
  };
  connect();
  return world;
}

/** Faster than Slack allows, for scenarios that are not about pace. */
const quick = {
  burstPerChannel: 1_000,
  postsPerSecondPerChannel: 100,
  editBurst: 10_000,
  editsPerMinute: 100_000,
};

function collector(lines: string[], onLog?: (line: string) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString('utf8'));
      onLog?.(chunk.toString('utf8'));
      done();
    },
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
