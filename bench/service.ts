import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { stopChild, tied } from './child.ts';
import type { Vendors } from './vendors.ts';

/** The service as an operator runs it: `gomon serve` in a process of its own. */
export type Service = {
  url: string;
  /** For requests that carry alerts. */
  headers: Record<string, string>;
  pid: number;
  stop(): Promise<void>;
};

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const token = 'bench-token';
const readyWithinMs = 60_000;

export async function startService(options: {
  /** Names its files and its profile. */
  name: string;
  folder: string;
  databaseUrl: string;
  roles?: string;
  vendors?: Vendors;
  /** Watched; none by default. */
  cluster?: { token: string };
  /** As in gomon.yaml. */
  settings?: Record<string, unknown>;
  /** Write a CPU profile here at its end. */
  profileFolder?: string | null;
}): Promise<Service> {
  const config = path.join(options.folder, `${options.name}.yaml`);
  await writeFile(config, stringify(options.settings ?? {}));
  const { vendors } = options;
  const child = spawn(
    process.execPath,
    [
      ...(options.profileFolder === undefined || options.profileFolder === null
        ? []
        : [
            '--cpu-prof',
            `--cpu-prof-dir=${options.profileFolder}`,
            `--cpu-prof-name=${options.name}.cpuprofile`,
          ]),
      main,
      'serve',
      '--config',
      config,
      ...(options.roles === undefined ? [] : ['--roles', options.roles]),
    ],
    {
      cwd: options.folder,
      // Nothing of the caller's own settings: a run is the same for everybody.
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: options.databaseUrl,
        GOMON_PORT: '0',
        GOMON_ADMIN_TOKEN: token,
        ...(options.cluster === undefined
          ? { GOMON_KUBERNETES: 'off' }
          : { GOMON_KUBERNETES: 'url', GOMON_KUBERNETES_TOKEN: options.cluster.token }),
        ...(vendors === undefined
          ? {}
          : {
              SLACK_BOT_TOKEN: vendors.slackBotToken,
              SLACK_API_URL: vendors.slackApiUrl,
              OPSGENIE_API_KEY: vendors.opsgenieApiKey,
              OPSGENIE_API_URL: vendors.opsgenieUrl,
            }),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const url = await readyUrl(tied(child));
  return {
    url,
    headers: { authorization: `Bearer ${token}` },
    pid: child.pid ?? 0,
    stop: () => stopChild(child),
  };
}

/** The service says in its log where it listens; the last lines are shown when it does not come that far. */
async function readyUrl(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error('the service has no output');
  const last: string[] = [];
  return new Promise<string>((resolve, reject) => {
    const fail = (what: string): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`the service ${what}\n${last.join('\n')}`));
    };
    const timer = setTimeout(() => fail(`is not ready after ${readyWithinMs} ms`), readyWithinMs);
    const onExit = (code: number | null): void => fail(`ended with ${code}`);
    child.once('exit', onExit);
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      last.push(line);
      if (last.length > 20) last.shift();
      const url = readyLine(line);
      if (url === null) return;
      clearTimeout(timer);
      child.removeListener('exit', onExit);
      lines.close();
      // Read on and forget: a full pipe would stop the service.
      stdout.resume();
      resolve(url);
    });
  });
}

function readyLine(line: string): string | null {
  if (!line.includes('gomon is ready')) return null;
  const { url } = JSON.parse(line) as { url?: unknown };
  return typeof url === 'string' ? url : null;
}
