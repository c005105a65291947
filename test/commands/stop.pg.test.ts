import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type OpsgenieSandbox, startOpsgenieSandbox } from '../../sandbox/opsgenie/server.ts';
import { type SlackSandbox, startSlackSandbox } from '../../sandbox/slack/server.ts';
import { type Environment, gomon, type Served, serve } from '../support/command-line.ts';
import { type DatabaseProxy, startDatabaseProxy } from '../support/database-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

/** SIGTERM at the worst moment: everything around hangs. */
let cwd: string;
let database: TestDatabase;
let proxy: DatabaseProxy;
let slack: SlackSandbox;
let opsgenie: OpsgenieSandbox;
let env: Environment;
let running: Served | null = null;

beforeEach(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'gomon-stop-'));
  await writeFile(
    path.join(cwd, 'gomon.yaml'),
    'slack:\n  pace: { burstPerChannel: 100, postsPerSecondPerChannel: 100 }\n',
  );
  database = await createTestDatabase();
  proxy = await startDatabaseProxy(database.url);
  slack = await startSlackSandbox({ botToken: 'xoxb-test', signingSecret: 'secret', limits: 'off' });
  opsgenie = await startOpsgenieSandbox({ apiKey: 'key', pendingStatusAsks: 0 });
  env = {
    DATABASE_URL: proxy.url,
    GOMON_ADMIN_TOKEN: 'stop-admin-token',
    SLACK_BOT_TOKEN: 'xoxb-test',
    SLACK_SIGNING_SECRET: 'secret',
    SLACK_API_URL: slack.apiUrl,
    OPSGENIE_API_KEY: 'key',
    OPSGENIE_API_URL: opsgenie.url,
  };
});

afterEach(async () => {
  await running?.kill();
  running = null;
  await proxy.close();
  await Promise.all([slack.close(), opsgenie.stop()]);
  await database.drop();
  await rm(cwd, { recursive: true, force: true });
});

const call = (method: string, where: string, body?: unknown): Promise<Response> =>
  fetch(`${running?.url ?? ''}${where}`, {
    method,
    headers: { authorization: 'Bearer stop-admin-token', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const cards = () => slack.messages('#alert-critical');

/** Stops it as an operator does; answers the exit code and how long it took. */
async function stopped(): Promise<{ code: number | null; tookMs: number }> {
  const begun = performance.now();
  const code = (await running?.stop()) ?? null;
  running = null;
  return { code, tookMs: performance.now() - begun };
}

it('ends within 10 s while Slack and Opsgenie hang, says 503 meanwhile, and the next one does the rest once', async () => {
  running = await serve({ cwd, env });
  slack.fault({ method: 'chat.postMessage', kind: 'timeout-after-applying' });
  slack.fault({ method: 'chat.postMessage', kind: 'timeout-before', times: 2 });
  opsgenie.fault({ method: 'POST', path: '/v2/alerts', effect: 'hang', applied: true, times: 3 });
  for (const title of ['One', 'Two', 'Three']) {
    expect((await call('POST', '/api/v1/alerts', { title, severity: 'P1', dedupKey: title })).status).toBe(
      201,
    );
  }
  await slack.waitFor(() => slack.calls('chat.postMessage').length === 3, 10_000);
  await opsgenie.waitFor(() => opsgenie.calls().some((one) => one.fault === 'hang'), 10_000);

  const stopping = stopped();
  await vi.waitFor(async () => expect((await call('GET', '/readyz')).status).toBe(503), { interval: 10 });
  expect(await (await call('GET', '/readyz')).json()).toMatchObject({ state: 'stopping' });
  expect((await call('GET', '/healthz')).status).toBe(200);
  const refused = await call('POST', '/api/v1/alerts', { title: 'Late', severity: 'P1' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).not.toBeNull();
  const { code, tookMs } = await stopping;
  expect(code).toBe(0);
  expect(tookMs).toBeLessThan(10_000);

  slack.clearFaults();
  opsgenie.clearFaults();
  running = await serve({ cwd, env });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const waiting = `SELECT 1 FROM notifications WHERE state <> 'sent' UNION ALL SELECT 1 FROM incident_commands WHERE state <> 'confirmed'`;
    await vi.waitFor(async () => expect((await client.query(waiting)).rowCount).toBe(0), { timeout: 60_000 });
  } finally {
    await client.end();
  }
  expect(
    cards()
      .map((card) => /One|Two|Three/.exec(card.text)?.[0])
      .toSorted((a = '', b = '') => a.localeCompare(b)),
  ).toEqual(['One', 'Three', 'Two']);
  expect(opsgenie.alerts()).toHaveLength(3);
}, 120_000);

it('ends within 10 s while the database hangs', async () => {
  running = await serve({ cwd, env });
  expect((await call('POST', '/api/v1/alerts', { title: 'One', severity: 'P1' })).status).toBe(201);
  await slack.waitFor(() => cards().length === 1, 10_000);
  proxy.hang();
  const { code, tookMs } = await stopped();
  expect(code).toBe(0);
  expect(tookMs).toBeLessThan(10_000);
}, 60_000);

it('ends at once while it still waits for its database', async () => {
  await proxy.refuse();
  const starting = serve({ cwd, env: { ...env, GOMON_PORT: '0' }, untilLine: 'waiting for the database' });
  running = await starting;
  expect((await call('GET', '/healthz')).status).toBe(200);
  const { code, tookMs } = await stopped();
  expect(code).toBe(0);
  expect(tookMs).toBeLessThan(10_000);
}, 60_000);

it('writes nothing but its log while the database comes and goes, also of why it cannot start', async () => {
  running = await serve({ cwd, env: { ...env, GOMON_LOG_LEVEL: 'debug' } });
  const { output, url } = running;
  expect((await call('POST', '/api/v1/alerts', { title: 'Before', severity: 'P2' })).status).toBe(201);
  await slack.waitFor(() => slack.calls('chat.postMessage').length === 1);
  proxy.hang();
  await vi.waitFor(() => expect(output.stdout).toContain('the database is away'), { timeout: 15_000 });
  await proxy.mend();
  await vi.waitFor(() => expect(output.stdout).toContain('the database is back'), { timeout: 15_000 });
  // Its port is taken.
  const second = await gomon(['serve'], { cwd, env: { ...env, GOMON_PORT: new URL(url).port } });
  expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/^gomon: .*EADDRINUSE/) });
  expect(second.stdout.trimEnd().split('\n').at(-1)).toContain('"msg":"the service does not start"');
  expect((await stopped()).code).toBe(0);
  expect(output.stderr).toBe('');
  for (const line of `${output.stdout}${second.stdout}`.trimEnd().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(String), msg: expect.any(String) });
}, 60_000);

it('ends in order also when it is told to before it has read its modules', async () => {
  // As soon as somebody minds the signal, it is sent.
  const hasty = `const timer = setInterval(() => { if (process.listenerCount('SIGTERM') > 0) { clearInterval(timer); process.kill(process.pid, 'SIGTERM'); } }, 1)`;
  const told = await gomon(['serve'], {
    cwd,
    env: { ...env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hasty)}` },
  });
  // Nor had it begun anything that would have had to be stopped.
  expect(told).toEqual({ code: 0, stdout: '', stderr: '' });
});
