import { access, rm } from 'node:fs/promises';
import path from 'node:path';
import { startEmbedded } from '../../src/db/embedded.ts';
import {
  createPassable,
  createReachableTempDir,
  findBarrier,
  findServerUser,
} from '../../src/db/embedded-user.ts';

/** Where the demo keeps its database and the log of the service. */
export type DataFolder = { path: string; remove(): Promise<void> };

const nothing = (): Promise<void> => Promise.resolve();

/**
 * The folder for one demo, empty. The usual one is wiped at the start, not at the
 * end, so that it can be looked into afterwards. Where it cannot be used (the
 * database's user may not pass a folder above it, somebody else made it) a
 * temporary one takes its place and is removed at the end.
 * @param usual null: always a temporary one.
 */
export async function prepareDataFolder(usual: string | null): Promise<DataFolder> {
  if (usual !== null && (await wiped(usual))) return { path: usual, remove: nothing };
  const folder = await createReachableTempDir('gomon-demo-');
  return { path: folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function wiped(folder: string): Promise<boolean> {
  const user = await findServerUser();
  if ((await findBarrier(folder, user)) !== null) return false;
  try {
    await stopLeftOver(folder);
    await rm(folder, { recursive: true, force: true });
    await createPassable(folder, user);
    return true;
  } catch {
    return false;
  }
}

/** A demo that was killed leaves its database running: found again and stopped in order. */
async function stopLeftOver(folder: string): Promise<void> {
  const left = await access(path.join(folder, 'postgres', 'postmaster.pid')).then(
    () => true,
    () => false,
  );
  if (!left) return;
  const database = await startEmbedded({ dataDir: folder });
  await database.stop();
}
