import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server on a port of the system's choice that notes what it is asked and answers as the test says. */
export type Trap = {
  url: string;
  /** `METHOD /path`, oldest first. */
  asked: string[];
  close(): Promise<void>;
};

export async function setTrap(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void = (_, response) =>
    void response.end('{"ok":true}'),
): Promise<Trap> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked.push(`${request.method} ${request.url}`);
      answer(request, response, Buffer.concat(chunks).toString('utf8'));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
