import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import type { Cluster } from './embedded-cluster.ts';
import { runProgram } from './embedded-program.ts';

const maxLogBytes = 10 * 1024 * 1024;

/** What a running server says of itself in `postmaster.pid`. */
export type RunningServer = { pid: number; port: number };

/**
 * The server of this cluster, if one runs; also one that is still starting. A
 * `postmaster.pid` whose process is gone is left to PostgreSQL, which replaces it;
 * one whose number meanwhile belongs to another process is taken away, because
 * PostgreSQL would wait for that process for ever.
 * Format: https://www.postgresql.org/docs/18/storage-file-layout.html
 */
export async function findRunning(cluster: Cluster): Promise<RunningServer | null> {
  const file = path.join(cluster.dataFolder, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const lines = text.split('\n');
  const pid = Math.abs(Number(lines[0]));
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid === 0 || !isAlive(pid)) return null;
  if (await isServerOf(pid, cluster.dataFolder))
    return Number.isInteger(port) && port > 0 ? { pid, port } : null;
  await removeExactly(file, text);
  return null;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** True when the process was started for this data folder; also when that cannot be found out. */
async function isServerOf(pid: number, dataFolder: string): Promise<boolean> {
  if (process.platform === 'linux') {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' || error.code === 'ESRCH' ? '' : null,
    );
    return commandLine === null || commandLine.split('\0').includes(dataFolder);
  }
  if (process.platform === 'win32') return true;
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
    timeout: 5_000,
  }).catch(() => ({ stdout: '' }));
  return stdout.includes(dataFolder);
}

/** Removes the file if it still says this; another process may just have replaced it. */
async function removeExactly(file: string, text: string): Promise<void> {
  const aside = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(file, aside);
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, file);
    await rm(aside, { force: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  }
}

export type LaunchResult =
  | { started: true }
  /** `transient`: the port was taken meanwhile, or another process (or the last moments of a killed server) has the folder. */
  | { started: false; transient: boolean; detail: string };

/** Starts the server through pg_ctl, which daemonises it and waits until it accepts connections. */
export async function launch(
  cluster: Cluster,
  options: { port: number; durable: boolean; timeoutMs: number },
): Promise<LaunchResult> {
  const logStart = await limitLog(cluster.logFile);
  const settings = Object.entries(serverSettings(options)).map(([name, value]) => `-c ${name}=${value}`);
  const outcome = await runProgram(
    cluster.binaries.pgCtl,
    [
      'start',
      '--wait',
      `--timeout=${Math.ceil(options.timeoutMs / 1_000)}`,
      `--pgdata=${cluster.dataFolder}`,
      `--log=${cluster.logFile}`,
      `--options=${settings.join(' ')}`,
    ],
    { user: cluster.user, cwd: path.dirname(cluster.dataFolder), timeoutMs: options.timeoutMs + 5_000 },
  );
  if (outcome.code === 0) return { started: true };
  const log = await readLogFrom(cluster.logFile, logStart);
  const transient =
    /pre-existing shared memory|lock file "postmaster\.pid"|could not bind|could not create any TCP/i.test(
      log,
    );
  return { started: false, transient, detail: log || outcome.output.trim() };
}

/** Stops the server: open transactions are rolled back, sessions ended. Already stopped is fine. */
export async function shutDown(cluster: Cluster, mode: 'fast' | 'immediate'): Promise<void> {
  const stop = async (how: string): Promise<number | null> => {
    const outcome = await runProgram(
      cluster.binaries.pgCtl,
      ['stop', '--wait', '--timeout=30', `--mode=${how}`, `--pgdata=${cluster.dataFolder}`],
      { user: cluster.user, cwd: path.dirname(cluster.dataFolder), timeoutMs: 40_000 },
    );
    return outcome.code;
  };
  if ((await stop(mode)) === 0 || (await findRunning(cluster)) === null) return;
  // Without a checkpoint; the next start recovers from the log, nothing committed is lost.
  if ((await stop('immediate')) === 0 || (await findRunning(cluster)) === null) return;
  throw new Error(`the embedded PostgreSQL in ${cluster.dataFolder} does not stop`);
}

/** Given at every start, so that an old data folder gets what this version wants. Values without blanks or quotes: pg_ctl hands them to a shell. */
function serverSettings(options: { port: number; durable: boolean }): Record<string, string | number> {
  return {
    port: options.port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // Several processes may share it, with some 25 each.
    max_connections: 200,
    shared_buffers: '256MB',
    // Compressing whole pages costs more time than writing them: these builds have pglz only.
    wal_compression: 'off',
    max_wal_size: '1GB',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    // Starts, stops and crashes; a statement that fails is the caller's to log.
    log_min_messages: 'log',
    log_checkpoints: 'off',
    ...(options.durable ? {} : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
  };
}

/** Starts the log anew when it has grown; answers where the next line will be written. */
async function limitLog(file: string): Promise<number> {
  const size = (await stat(file).catch(() => null))?.size ?? 0;
  if (size <= maxLogBytes) return size;
  await truncate(file);
  return 0;
}

async function readLogFrom(file: string, start: number): Promise<string> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return '';
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4_000), 0, 4_000, start);
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await handle.close();
  }
}

/** A port that was free a moment ago: whoever uses it must be ready to lose it. */
export async function findFreePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no TCP address'));
        else resolve(address.port);
      });
    });
  });
}
