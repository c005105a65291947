import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EmbeddedChange, type EmbeddedDatabase, startEmbedded } from './embedded.ts';
import { createReachableTempDir } from './embedded-user.ts';

let dataDir: string;
let opened: EmbeddedDatabase[];
let children: ChildProcess[];

beforeEach(async () => {
  dataDir = await createReachableTempDir('gomon-embedded-');
  opened = [];
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map(kill));
  for (const database of opened) await database.stop();
  // A process that was killed a moment ago may still have counted as a user of the server.
  await serverPid().then(
    (pid) => process.kill(pid, 'SIGQUIT'),
    () => undefined,
  );
  await rm(dataDir, { recursive: true, force: true });
});

async function start(options: { durable?: boolean } = {}): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ dataDir, durable: false, ...options });
  opened.push(database);
  return database;
}

/** Another process of ours on the same folder; resolves once it has its database. */
async function startElsewhere(): Promise<ChildProcess> {
  const script = `
    import { startEmbedded } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)};
    const database = await startEmbedded({ dataDir: process.argv[1], durable: false });
    process.stdout.write(database.url + '\\n');
    process.stdin.on('end', () => database.stop()).resume();
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) =>
      Promise.reject(new Error(`the other process ended with ${String(code)}`)),
    ),
  ]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const pidFile = (): string => path.join(dataDir, 'postgres', 'postmaster.pid');

async function serverPid(): Promise<number> {
  return Number((await readFile(pidFile(), 'utf8')).split('\n')[0]);
}

async function isServing(url: string): Promise<boolean> {
  return await query(url, 'SELECT 1').then(
    () => true,
    () => false,
  );
}

describe('startEmbedded', () => {
  it('creates a server that speaks UTF-8, listens on loopback only and wants the password', async () => {
    const database = await start({ durable: true });
    expect(database.adopted).toBe(false);
    expect(
      await query(
        database.url,
        `SELECT current_setting('server_encoding') AS encoding, current_setting('listen_addresses') AS listens,
                current_setting('fsync') AS fsync, datlocale AS locale FROM pg_database WHERE datname = current_database()`,
      ),
    ).toEqual([{ encoding: 'UTF8', listens: '127.0.0.1', fsync: 'on', locale: 'C.UTF-8' }]);
    const wrong = new URL(database.url);
    wrong.password = 'guessed';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
    expect((await stat(path.join(dataDir, 'postgres.password'))).mode & 0o777).toBe(0o600);
    await expect(access(path.join(dataDir, 'postgres', 'server.log'))).resolves.toBeUndefined();
  });

  it('keeps the data over a stop and a start', async () => {
    const first = await start({ durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS number');
    await first.stop();
    expect(await isServing(first.url)).toBe(false);
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await query(second.url, 'SELECT number FROM kept')).toEqual([{ number: 7 }]);
  });

  it('finds the server that a killed process left behind', async () => {
    const other = await startElsewhere();
    await kill(other);
    const pid = await serverPid();
    const database = await start();
    expect(database.adopted).toBe(true);
    expect(await serverPid()).toBe(pid);
    await database.stop();
    expect(await isServing(database.url)).toBe(false);
  });

  it('starts where the server was killed too', async () => {
    const other = await startElsewhere();
    process.kill(await serverPid(), 'SIGKILL');
    await kill(other);
    const database = await start();
    expect(database.adopted).toBe(false);
    expect(await isServing(database.url)).toBe(true);
  });

  it('is not fooled by a pid file whose number now belongs to another process', async () => {
    const first = await start();
    const text = await readFile(pidFile(), 'utf8');
    await first.stop();
    await writeFile(pidFile(), text.replace(/^\d+/, String(process.pid)));
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await isServing(second.url)).toBe(true);
  });

  it('starts over after an initialisation that was killed in the middle', async () => {
    await mkdir(path.join(dataDir, 'postgres.draft.1.abcd', 'data'), { recursive: true });
    await writeFile(path.join(dataDir, 'postgres.draft.1.abcd', 'data', 'PG_VERSION'), '18\n');
    await writeFile(path.join(dataDir, 'postgres.password.1.abcd'), 'half');
    const database = await start();
    expect(await isServing(database.url)).toBe(true);
    expect((await readdir(dataDir)).toSorted()).toEqual(['postgres', 'postgres.password']);
  });

  it('lets several begin at once on an empty folder and gives all of them the same server', async () => {
    const [, ...here] = await Promise.all([startElsewhere(), start(), start()]);
    expect(new Set(here.map((database) => database.port)).size).toBe(1);
    expect(here.filter((database) => !database.adopted).length).toBeLessThanOrEqual(1);
    expect((await readdir(dataDir)).toSorted()).toEqual(['postgres', 'postgres.password']);
  });

  it('is stopped by the last one out', async () => {
    const other = await startElsewhere();
    const database = await start();
    expect(database.adopted).toBe(true);
    await database.stop();
    expect(await isServing(database.url)).toBe(true);
    other.stdin?.end();
    await once(other, 'exit');
    expect(await isServing(database.url)).toBe(false);
  });

  it('says what is wrong when it cannot start', async () => {
    const database = await start();
    await database.stop();
    const config = path.join(dataDir, 'postgres', 'postgresql.conf');
    await writeFile(config, 'no_such_setting = 1\n');
    await expect(start()).rejects.toThrow(/no_such_setting[\s\S]*DATABASE_URL/);
    await rm(path.join(dataDir, 'postgres.password'));
    await expect(start()).rejects.toThrow(/password.*postgres\.password/);
  });

  it.runIf(process.getuid?.() === 0)(
    'as root names the folder that the server cannot pass, and the ways out',
    async () => {
      const closed = path.join(dataDir, 'closed');
      await mkdir(closed);
      await chmod(closed, 0o700);
      const failure = startEmbedded({ dataDir: path.join(closed, 'below') });
      await expect(failure).rejects.toThrow(closed);
      await expect(failure).rejects.toThrow(/GOMON_DATA_DIR.*DATABASE_URL.*normal user/);
      expect(await readdir(closed)).toEqual([]);
    },
  );
});

describe('supervise', () => {
  it('restarts a server that was killed, at the same address', async () => {
    const database = await start({ durable: true });
    await query(database.url, 'CREATE TABLE kept AS SELECT 7 AS number');
    const before = database.url;
    const changes: EmbeddedChange[] = [];
    const isUp = Promise.withResolvers<void>();
    const stopSupervision = database.supervise((change) => {
      changes.push(change);
      if (change.state === 'up') isUp.resolve();
    });
    process.kill(await serverPid(), 'SIGKILL');
    await isUp.promise;
    await stopSupervision();
    expect(changes).toEqual([{ state: 'down' }, { state: 'up', url: before }]);
    expect(await query(database.url, 'SELECT number FROM kept')).toEqual([{ number: 7 }]);
  });

  it('ends with stop, which does not bring the server back', async () => {
    const database = await start();
    const changes: EmbeddedChange[] = [];
    database.supervise((change) => changes.push(change));
    await database.stop();
    expect(changes).toEqual([]);
    expect(await isServing(database.url)).toBe(false);
  });
});
