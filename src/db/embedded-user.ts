import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The system user that runs the server; null: the user we are ourselves. */
export type ServerUser = { uid: number; gid: number } | null;

const userName = 'postgres';

/**
 * PostgreSQL refuses to run as root. As root we hand it to the system user
 * `postgres`, and create that user where there is none.
 */
export async function findServerUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return null;
  const existing = await lookUp();
  if (existing !== null) return existing;
  try {
    await run(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', userName],
      {
        timeout: 10_000,
      },
    );
  } catch (error) {
    // Somebody else may have created it in the same moment.
    const created = await lookUp();
    if (created !== null) return created;
    throw new Error(
      `PostgreSQL does not run as root, and the system user "${userName}" could not be created. ` +
        'Run gomon as a normal user, create that user yourself, or set DATABASE_URL to an existing PostgreSQL.',
      { cause: error },
    );
  }
  const created = await lookUp();
  if (created === null) throw new Error(`the system user "${userName}" was created but cannot be found`);
  return created;
}

async function lookUp(): Promise<ServerUser> {
  try {
    const [uid, gid] = await Promise.all([
      run('id', ['-u', userName], { timeout: 5_000 }),
      run('id', ['-g', userName], { timeout: 5_000 }),
    ]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null;
  }
}

/**
 * The first folder on the way to `target` that this user may not pass through;
 * null when all is well. The kernel is asked, as that user, so that access lists count too.
 * @param target an absolute path; only the part of it that exists is looked at
 */
export async function findBarrier(target: string, user: ServerUser): Promise<string | null> {
  if (user === null) return null;
  const folders: string[] = [];
  for (let folder = await nearestExisting(target); ; folder = path.dirname(folder)) {
    folders.unshift(folder);
    if (folder === path.dirname(folder)) break;
  }
  const script = 'for folder in "$@"; do [ -x "$folder" ] || { printf %s "$folder"; exit 0; }; done';
  const { stdout } = await run('/bin/sh', ['-c', script, 'sh', ...folders], {
    ...user,
    cwd: '/',
    timeout: 5_000,
  });
  return stdout === '' ? null : stdout;
}

async function nearestExisting(target: string): Promise<string> {
  try {
    return await realpath(target);
  } catch {
    const parent = path.dirname(target);
    return parent === target ? target : await nearestExisting(parent);
  }
}

/** Creates the folder and what is missing above it so that the server's user can pass, and nobody else can list. */
export async function createPassable(folder: string, user: ServerUser): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: user === null ? 0o700 : 0o711 });
  if (first === undefined || user === null) return;
  // The umask may have taken the search bit away again.
  for (let made = folder; made.startsWith(first); made = path.dirname(made)) await chmod(made, 0o711);
}

/**
 * A fresh folder for throw-away data that the embedded server can use also when
 * we run as root: `mkdtemp` alone makes 0700. The caller removes it.
 */
export async function createReachableTempDir(prefix: string): Promise<string> {
  const user = await findServerUser();
  for (const base of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    if (!(await isFolder(base)) || (await findBarrier(base, user)) !== null) continue;
    const folder = await mkdtemp(path.join(await realpath(base), prefix));
    if (user !== null) await chmod(folder, 0o711);
    return folder;
  }
  throw new Error(
    `no temporary folder is reachable for the system user "${userName}"; set TMPDIR to one that is`,
  );
}

async function isFolder(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => null))?.isDirectory() ?? false;
}
