import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Stands between the service and PostgreSQL, and fails as networks and servers do:
 * refuses, hangs, breaks, or loses the answer to a commit that took effect.
 */
export type DatabaseProxy = {
  /** The database through the proxy. */
  url: string;
  /** Nobody listens, and whoever was connected is cut off. */
  refuse(): Promise<void>;
  /** Connections stay, new ones are taken, and nobody answers: a server that was stopped or swaps. */
  hang(): void;
  /**
   * The next commit of a session that sent this text takes effect, and its connection breaks before
   * anybody hears so; all others with it.
   */
  loseCommitAfter(text: string): void;
  /** What a client sends never arrives where this text is in it; counts how often that was so. */
  swallow(text: string): { count: number };
  /** As if nothing had been. */
  mend(): Promise<void>;
  close(): Promise<void>;
};

type Pair = { client: Socket; server: Socket };

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  const pairs = new Set<Pair>();
  let hanging = false;
  let losing: string | null = null;
  let swallowing: { text: string; swallowed: { count: number } } | null = null;
  let listener: Server | null = null;
  let port = 0;

  const cutAll = (): void => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
    pairs.clear();
  };
  const accept = (client: Socket): void => {
    const server = connect(Number(target.port), target.hostname);
    const pair = { client, server };
    pairs.add(pair);
    let fits = false;
    let lost = false;
    client.on('data', (data) => {
      if (swallowing !== null && data.includes(swallowing.text)) {
        swallowing.swallowed.count += 1;
        return;
      }
      if (losing !== null) {
        const text = data.toString('latin1');
        fits ||= text.includes(losing);
        if (fits && /\bcommit\b/i.test(text)) {
          losing = null;
          lost = true;
        }
      }
      server.write(data);
    });
    server.on('data', (data) => {
      // It has answered, so the commit is there.
      if (lost) return cutAll();
      client.write(data);
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
    if (hanging) {
      client.pause();
      server.pause();
    }
  };
  const listen = async (): Promise<void> => {
    if (listener !== null) return;
    listener = createServer(accept);
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
    port = (listener.address() as AddressInfo).port;
  };
  const shut = async (): Promise<void> => {
    const closing = listener;
    listener = null;
    if (closing === null) return;
    const closed = once(closing, 'close');
    closing.close();
    cutAll();
    await closed;
  };

  await listen();
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    refuse: shut,
    hang() {
      hanging = true;
      for (const { client, server } of pairs) {
        client.pause();
        server.pause();
      }
    },
    loseCommitAfter(text) {
      losing = text;
    },
    swallow(text) {
      swallowing = { text, swallowed: { count: 0 } };
      return swallowing.swallowed;
    },
    async mend() {
      hanging = false;
      swallowing = null;
      losing = null;
      for (const { client, server } of pairs) {
        client.resume();
        server.resume();
      }
      await listen();
    },
    close: shut,
  };
}
