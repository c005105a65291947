import { randomBytes } from 'node:crypto';
import {
  chown,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { type Binaries, findBinaries } from './embedded-binaries.ts';
import { runProgram } from './embedded-program.ts';
import { createPassable, findBarrier, findServerUser, type ServerUser } from './embedded-user.ts';

export const superuser = 'gomon';

/** Everything about the data on disk that does not change while we run. */
export type Cluster = {
  /** PostgreSQL's own data folder. */
  dataFolder: string;
  logFile: string;
  password: string;
  binaries: Binaries;
  user: ServerUser;
};

/**
 * Finds or creates the database cluster below `dataDir`. Safe beside other
 * processes that do the same at the same moment, and after one that was killed in
 * the middle: password and data folder appear whole, by link and rename, and
 * whoever comes second takes what the first one made.
 */
export async function prepareCluster(dataDir: string, options: { durable: boolean }): Promise<Cluster> {
  const user = await findServerUser();
  const barrier = await findBarrier(path.resolve(dataDir), user);
  if (barrier !== null) {
    throw new Error(
      `the embedded PostgreSQL runs as the system user "postgres" (it refuses to run as root), and that user cannot pass the folder ${barrier} ` +
        `on the way to ${path.resolve(dataDir)}. Either set GOMON_DATA_DIR to a folder elsewhere (for example /var/lib/gomon), ` +
        'or set DATABASE_URL to an existing PostgreSQL, or run gomon as a normal user.',
    );
  }
  await createPassable(path.resolve(dataDir), user);
  const home = await realpath(dataDir);
  const closed = await findBarrier(home, user);
  if (closed !== null)
    throw new Error(`the system user "postgres" cannot pass the folder ${closed}; allow it with chmod o+x`);

  const binaries = await findBinaries(home, user);
  const dataFolder = path.join(home, 'postgres');
  const passwordFile = path.join(home, 'postgres.password');
  const exists = await isInitialised(dataFolder);
  const password = await readPassword(passwordFile, exists);
  const cluster = { dataFolder, logFile: path.join(dataFolder, 'server.log'), password, binaries, user };
  if (!exists) await initialise(cluster, home, options);
  await removeDrafts(home);
  return cluster;
}

async function isInitialised(dataFolder: string): Promise<boolean> {
  return (await stat(path.join(dataFolder, 'PG_VERSION')).catch(() => null)) !== null;
}

async function readPassword(file: string, clusterExists: boolean): Promise<string> {
  const found = await readFile(file, 'utf8').catch(ignoreMissing);
  if (found !== null) return found.trim();
  if (clusterExists) {
    throw new Error(
      `the password of the embedded PostgreSQL is missing: ${file} belongs to the data folder beside it; restore it from the same backup`,
    );
  }
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true });
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readFile(file, 'utf8')).trim();
}

async function initialise(cluster: Cluster, home: string, options: { durable: boolean }): Promise<void> {
  const draft = path.join(home, `postgres.draft.${process.pid}.${randomBytes(4).toString('hex')}`);
  const draftData = path.join(draft, 'data');
  const passwordFile = path.join(draft, 'password');
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(passwordFile, cluster.password, { mode: 0o600 });
    if (cluster.user !== null) {
      await chown(passwordFile, cluster.user.uid, cluster.user.gid);
      await chown(draft, cluster.user.uid, cluster.user.gid);
    }
    const outcome = await runProgram(
      cluster.binaries.initdb,
      [
        `--pgdata=${draftData}`,
        `--username=${superuser}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        // The same order and case rules on every machine, whatever its C library.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(options.durable ? [] : ['--no-sync']),
      ],
      { user: cluster.user, cwd: home, timeoutMs: 120_000 },
    );
    if (outcome.code !== 0) throw new Error(`initdb failed: ${outcome.output.trim()}`);
    await rename(draftData, cluster.dataFolder);
    await syncFolder(home);
  } catch (error) {
    // Somebody else was faster (and may have swept our draft away): theirs is as good.
    if (!(await isInitialised(cluster.dataFolder))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Leftovers of an initdb that was killed, or that lost the race. */
async function removeDrafts(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (!/^postgres\.(draft|password)\./.test(name)) continue;
    await rm(path.join(home, name), { recursive: true, force: true }).catch(ignoreMissing);
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTEMPTY') return null;
  throw error;
}
