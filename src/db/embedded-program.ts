import { spawn } from 'node:child_process';
import type { ServerUser } from './embedded-user.ts';

const maxOutputChars = 64 * 1024;

/**
 * Runs one of PostgreSQL's programs to its end. It gets a session of its own, so
 * that Ctrl-C in our terminal does not hit it, and an empty environment: no
 * PGDATA, PGPORT or LC_ALL of ours changes what it does.
 */
export async function runProgram(
  program: string,
  args: string[],
  options: { user: ServerUser; cwd: string; timeoutMs: number },
): Promise<{ code: number | null; output: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...options.user,
      cwd: options.cwd,
      detached: process.platform !== 'win32',
      // Windows programs do not start without SystemRoot: there they inherit ours.
      ...(process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' } }),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      windowsHide: true,
    });
    let output = '';
    const collect = (chunk: string): void => {
      output = (output + chunk).slice(-maxOutputChars);
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.once('error', (error) =>
      reject(new Error(`${program} could not be run: ${error.message}`, { cause: error })),
    );
    // "exit", not "close": the server that pg_ctl leaves behind may hold the pipes.
    child.once('exit', (code) => {
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ code, output });
      });
    });
  });
}
