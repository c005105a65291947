import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** The command line as people use it: processes of their own, with an environment of their own. */
const main = path.resolve(import.meta.dirname, '../../src/main.ts');

export type CommandResult = { code: number | null; stdout: string; stderr: string };
export type Environment = Record<string, string>;

/** Nothing of ours but what is needed to start: a setting of whoever runs the tests must not reach in. */
function environment(given: Environment): Environment {
  const { PATH = '', HOME = '', LANG = 'C.UTF-8' } = process.env;
  return { PATH, HOME, LANG, GOMON_KUBERNETES: 'off', ...given };
}

function start(args: string[], cwd: string, env: Environment): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A test run that is broken off must leave nothing running.
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  child.once('close', () => process.removeListener('exit', reap));
  return child;
}

/** Runs one command to its end. */
export async function gomon(
  args: string[],
  options: { cwd: string; env?: Environment; input?: string },
): Promise<CommandResult> {
  const child = start(args, options.cwd, options.env ?? {});
  const output = collect(child);
  child.stdin?.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}

export type Served = {
  url: string;
  output: { stdout: string; stderr: string };
  /** Rejects when it ends without having been told to, with the end of what it said. */
  crashed: Promise<never>;
  /** As an operator does it; answers the exit code. */
  stop(): Promise<number | null>;
  /** Without a chance to clean up. */
  kill(): Promise<void>;
};

/** `gomon serve`, once it says that it is ready. */
export async function serve(options: {
  cwd: string;
  env?: Environment;
  args?: string[];
  /** Part of the log line that ends the wait; it has to name the `url`. */
  untilLine?: string;
}): Promise<Served> {
  const child = start(['serve', ...(options.args ?? [])], options.cwd, { GOMON_PORT: '0', ...options.env });
  const output = collect(child);
  const ended = once(child, 'close') as Promise<[number | null]>;
  let told = false;
  const crashed = ended.then(async ([code]): Promise<never> => {
    if (told) return new Promise<never>(() => undefined);
    throw new Error(`serve ended with ${String(code)}:\n${lastOf(output.stdout)}${lastOf(output.stderr)}`);
  });
  crashed.catch(() => undefined);
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> => {
    told = true;
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await ended)[0];
  };
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const line = output.stdout
        .split('\n')
        .find((one) => one.includes(options.untilLine ?? 'gomon is ready'));
      if (line !== undefined) resolve((JSON.parse(line) as { url: string }).url);
    });
    void ended.then(([code]) =>
      reject(new Error(`serve ended with ${String(code)}:\n${output.stdout}${output.stderr}`)),
    );
  });
  return {
    url: await ready,
    output,
    crashed,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  };
}

const lastOf = (text: string): string => text.slice(-4_000);

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return output;
}
