import { createServer } from 'node:net';

/** Where the demo likes to be: the service, Slack, Opsgenie. */
export const likedPorts = { service: 8080, slack: 8081, opsgenie: 8082 } as const;

/** True when starting something failed because its port is taken. */
export function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

/** Starts a server on the port it likes, or on any free one when that is taken. */
export async function onPort<Started>(
  liked: number,
  start: (port: number) => Promise<Started>,
): Promise<Started> {
  try {
    return await start(liked);
  } catch (error) {
    if (liked === 0 || !isTaken(error)) throw error;
    return start(0);
  }
}

/** The port, or 0 (any) when somebody else listens there. */
export async function freeOrAny(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => (isTaken(error) ? resolve(0) : reject(error)));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(port)));
  });
}
