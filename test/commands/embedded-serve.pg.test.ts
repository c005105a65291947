import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type OpsgenieSandbox, startOpsgenieSandbox } from '../../sandbox/opsgenie/server.ts';
import { type SlackSandbox, startSlackSandbox } from '../../sandbox/slack/server.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { createReachableTempDir } from '../../src/db/embedded-user.ts';
import { type Environment, gomon, type Served, serve } from '../support/command-line.ts';

/** `gomon serve` on the PostgreSQL that comes with it, killed and started again. */
let folder: string;
let cwd: string;
let slack: SlackSandbox;
let opsgenie: OpsgenieSandbox;
let env: Environment;
let running: Served | null = null;

beforeEach(async () => {
  folder = await createReachableTempDir('gomon-serve-');
  cwd = path.join(folder, 'work');
  await mkdir(cwd);
  slack = await startSlackSandbox({ botToken: 'xoxb-test', signingSecret: 'secret', limits: 'off' });
  opsgenie = await startOpsgenieSandbox({ apiKey: 'key', pendingStatusAsks: 0 });
  env = {
    GOMON_DATA_DIR: path.join(folder, 'data'),
    SLACK_BOT_TOKEN: 'xoxb-test',
    SLACK_SIGNING_SECRET: 'secret',
    SLACK_API_URL: slack.apiUrl,
    OPSGENIE_API_KEY: 'key',
    OPSGENIE_API_URL: opsgenie.url,
  };
});

afterEach(async () => {
  await running?.stop();
  running = null;
  await Promise.all([slack.close(), opsgenie.stop()]);
  await rm(folder, { recursive: true, force: true });
});

/** Rows straight from the embedded database, as a command beside the service. */
async function sql(text: string): Promise<Record<string, unknown>[]> {
  const database = await startEmbedded({ dataDir: env['GOMON_DATA_DIR'] ?? '' });
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
    await database.stop();
  }
}

async function call(method: string, where: string, token: string, body?: unknown) {
  const response = await fetch(`${running?.url ?? ''}${where}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const printed = (served: Served): string | undefined =>
  /shown only this once: (\S+)/.exec(served.output.stderr)?.[1];

it('prints the first admin token once, survives kill -9, and does what was in flight exactly once', async () => {
  running = await serve({ cwd, env });
  const token = printed(running) ?? '';
  expect(token).toMatch(/^gomon_/);
  expect(running.output.stdout).not.toContain(token);
  expect((await call('GET', '/api/v1/alerts', token)).status).toBe(200);

  // Tokens can be made beside it.
  const made = await gomon(['token', 'create', '--name', 'beside', '--role', 'source'], { cwd, env });
  expect(made).toMatchObject({ code: 0 });
  const sender = made.stdout.trim();
  expect(
    (await call('POST', '/api/v1/alerts', sender, { title: 'Told before', severity: 'P3' })).status,
  ).toBe(201);
  await slack.waitFor(() => slack.messages('#k8s-healthchecks').length === 1);

  // Both vendors took what they were told, and the service is killed before it hears so.
  slack.fault({ method: 'chat.postMessage', kind: 'timeout-after-applying' });
  opsgenie.fault({ method: 'POST', path: '/v2/alerts', effect: 'hang', applied: true });
  expect((await call('POST', '/api/v1/alerts', sender, { title: 'In flight', severity: 'P1' })).status).toBe(
    201,
  );
  await slack.waitFor(() => slack.messages('#alert-critical').length === 1);
  await opsgenie.waitFor(() => opsgenie.alerts().length === 1);
  await running.kill();

  // A minute goes by.
  await sql(`
    UPDATE notifications SET claimed_at = claimed_at - interval '1 minute', due_at = due_at - interval '1 minute';
    UPDATE incidents SET sync_claimed_at = sync_claimed_at - interval '1 minute';
    UPDATE graphile_worker._private_jobs
    SET locked_at = locked_at - interval '1 minute', run_at = run_at - interval '1 minute'`);

  running = await serve({ cwd, env });
  expect(printed(running)).toBeUndefined();
  const list = await call('GET', '/api/v1/alerts', token);
  expect(list.body['items']).toMatchObject([{ title: 'In flight' }, { title: 'Told before' }]);
  await expect
    .poll(async () => (await call('GET', '/api/v1/incidents', token)).body['items'], { timeout: 10_000 })
    .toMatchObject([{ externalId: opsgenie.alerts()[0]?.id }]);
  const waiting = `SELECT 1 FROM notifications WHERE state <> 'sent' UNION ALL SELECT 1 FROM graphile_worker._private_jobs`;
  await expect.poll(async () => (await sql(waiting)).length, { timeout: 20_000, interval: 200 }).toBe(0);
  expect(slack.messages('#alert-critical')).toHaveLength(1);
  expect(slack.messages('#k8s-healthchecks')).toHaveLength(1);
  expect(slack.calls('chat.postMessage').filter((one) => one.applied)).toHaveLength(2);
  expect(opsgenie.alerts()).toMatchObject([{ count: 1 }]);
  expect(JSON.stringify(slack.messages('#alert-critical')[0]?.blocks)).toContain('alert_resolve');

  // What was posted before the kill still ends as resolved.
  expect(
    (await call('POST', '/api/v1/alerts', sender, { title: 'In flight', status: 'resolved' })).status,
  ).toBe(200);
  await slack.waitFor(() => /resolved/i.test(slack.messages('#alert-critical')[0]?.text ?? ''));
  await opsgenie.waitFor(() => opsgenie.alerts()[0]?.status === 'closed');
  expect(slack.messages('#alert-critical')).toHaveLength(1);
  expect(await running.stop()).toBe(0);
  running = null;
}, 90_000);
