import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import pg from 'pg';

/** Resident memory of a process in MB (10^6 bytes), as the system counts it. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(status ?? '')?.[1] ?? (await residentByPs(pid));
  return (Number(kb) * 1_024) / 1e6;
}

async function residentByPs(pid: number): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)], { timeout: 10_000 });
  return stdout.trim();
}

/**
 * All processes of a PostgreSQL server together, in MB. Memory they share is
 * counted once where the system tells (Linux: PSS); elsewhere the sum is too high.
 */
export async function postgresMb(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  await client.connect();
  let pids: number[] = [];
  try {
    const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity');
    pids = rows.map(({ pid }) => pid);
  } finally {
    await client.end();
  }
  const parent = await parentOf(pids);
  if (parent !== null) pids = [parent, ...(await childrenOf(parent))];
  const sizes = await Promise.all(pids.map((pid) => sharedMb(pid).catch(() => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function sharedMb(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => null);
  const kb = /^Pss:\s+(\d+) kB/m.exec(rollup ?? '')?.[1];
  return kb === undefined ? residentMb(pid) : (Number(kb) * 1_024) / 1e6;
}

async function parentOf(pids: number[]): Promise<number | null> {
  for (const pid of pids) {
    const parent = parentIn(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''));
    if (parent !== null) return parent;
  }
  return null;
}

async function childrenOf(parent: number): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '');
        return parentIn(status) === parent ? [Number(name)] : [];
      }),
  );
  return found.flat();
}

function parentIn(status: string): number | null {
  const parent = /^PPid:\s+(\d+)/m.exec(status)?.[1];
  return parent === undefined ? null : Number(parent);
}
