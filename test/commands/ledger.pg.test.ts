import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReachableTempDir } from '../../src/db/embedded-user.ts';
import { gomon, serve, type Served } from '../support/command-line.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let folder: string;
let cwd: string;
let database: TestDatabase;
let service: Served;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await createReachableTempDir('gomon-ledger-');
  cwd = path.join(folder, 'work');
  await mkdir(cwd);
  database = await createTestDatabase();
  env = { DATABASE_URL: database.url, GOMON_ADMIN_TOKEN: 'admin-for-tests' };
  service = await serve({ cwd, env });
});
afterAll(async () => {
  await service.stop();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const check = (...args: string[]) => gomon(['ledger', 'check', ...args], { cwd, env });
async function query(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(text);
  await client.end();
}

describe('gomon ledger check', () => {
  it('prints the sums beside a running service, and exits with 0 while they hold', async () => {
    for (const title of ['One', 'Two']) {
      const answer = await fetch(`${service.url}/api/v1/alerts`, {
        method: 'POST',
        headers: { authorization: 'Bearer admin-for-tests', 'content-type': 'application/json' },
        body: JSON.stringify({ title }),
      });
      expect(answer.status).toBe(201);
    }
    const [table, json] = await Promise.all([check(), check('--json')]);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toMatch(/^accepted +2$/m);
    expect(table.stdout).toContain('the sum holds');
    expect(json.code).toBe(0);
    expect(JSON.parse(json.stdout)).toMatchObject({
      holds: true,
      accepted: 2,
      entries: { created: 2, createdByAudit: 2 },
    });
  });

  it('exits with 1 and names the alert when one was lost', async () => {
    // Slack is not configured: what was worked on was noted as told to nobody.
    await expect
      .poll(async () => JSON.parse((await check('--json')).stdout) as unknown, { timeout: 20_000 })
      .toMatchObject({ suppressedBy: { 'no-notifier': 2 } });
    await query(
      `DELETE FROM untold_episodes WHERE alert_id = (SELECT id FROM alerts_active WHERE title = 'Two')`,
    );
    const { code, stdout } = await check();
    expect(code).toBe(1);
    expect(stdout).toContain('THE SUM DOES NOT HOLD');
    expect(stdout).toMatch(/unaccounted: alert [0-9a-f-]{36}$/m);
    expect((await check('--json')).code).toBe(1);
    // Of another time nothing is lost.
    expect(await check('--from', '2020-01-01', '--to', '2020-01-02T00:00:00Z')).toMatchObject({ code: 0 });
  });

  it('says what is wrong with a time', async () => {
    const [nonsense, backwards, long] = await Promise.all([
      check('--from', 'yesterday'),
      check('--from', '2026-01-02', '--to', '2026-01-01'),
      check('--from', '2020-01-01'),
    ]);
    expect(nonsense).toMatchObject({ stderr: expect.stringContaining('"yesterday" is not a time') });
    expect(nonsense.code).not.toBe(0);
    expect(backwards).toMatchObject({ code: 1, stderr: expect.stringContaining('before to') });
    expect(long).toMatchObject({ code: 1, stderr: expect.stringContaining('at most 31') });
  });

  it('reserves the names of our own', async () => {
    const made = await gomon(
      ['token', 'create', '--name', 'x', '--role', 'source', '--tenant', 'gomon:canary'],
      {
        cwd,
        env,
      },
    );
    expect(made).toMatchObject({ code: 1, stderr: expect.stringContaining('gomon:') });
  });

  it('works on the embedded database beside a running service, too', async () => {
    const dataDir = path.join(folder, 'data');
    const embedded = await serve({
      cwd,
      env: { GOMON_DATA_DIR: dataDir, GOMON_ADMIN_TOKEN: 'admin-for-tests' },
    });
    try {
      const { code, stdout } = await gomon(['ledger', 'check'], { cwd, env: { GOMON_DATA_DIR: dataDir } });
      expect(stdout).toContain('the sum holds');
      expect(code).toBe(0);
    } finally {
      expect(await embedded.stop()).toBe(0);
    }
  });
}, 120_000);
