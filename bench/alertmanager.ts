import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../src/db/embedded-server.ts';
import { stopChild, tied } from './child.ts';

const readyWithinMs = 15_000;

/** A real Alertmanager, alone and with a receiver that tells nobody: it keeps alerts in memory. */
export async function startAlertmanager(
  binary: string,
  folder: string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const config = path.join(folder, 'alertmanager.yml');
  await writeFile(config, 'route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n');
  const port = await findFreePort();
  const child = tied(
    spawn(
      binary,
      [
        `--config.file=${config}`,
        `--storage.path=${path.join(folder, 'alertmanager')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--cluster.listen-address=',
        '--log.level=error',
      ],
      { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
    ),
  );
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => reject(new Error(`${binary} cannot be run`, { cause: error })));
    child.once('exit', (code) => reject(new Error(`${binary} ended with ${code}`)));
  });
  // Ending it is not a failure later on.
  failed.catch(() => undefined);
  const url = `http://127.0.0.1:${port}`;
  await Promise.race([failed, ready(url)]);
  return { url, stop: () => stopChild(child) };
}

async function ready(url: string): Promise<void> {
  const until = performance.now() + readyWithinMs;
  while (performance.now() < until) {
    const answer = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1_000) }).catch(() => null);
    if (answer?.ok === true) return;
    await sleep(50);
  }
  throw new Error(`Alertmanager is not ready after ${readyWithinMs} ms`);
}
