import pg from 'pg';
import { endSession } from './sockets.ts';

/**
 * Hears NOTIFY on a connection of its own and connects again when it breaks. A
 * notification is only a hint to look sooner: whoever listens also looks by
 * itself, so one that is lost costs time, not work.
 */
export class Listener {
  readonly #url: string;
  readonly #handlers: Record<string, (payload: string) => void>;
  readonly #onError: (error: Error) => void;
  #client: pg.Client | null = null;
  #stopped = false;
  #retry: NodeJS.Timeout | null = null;

  constructor(options: {
    url: string;
    /** By channel; the payload is empty also when something may have been missed. */
    handlers: Record<string, (payload: string) => void>;
    onError: (error: Error) => void;
  }) {
    this.#url = options.url;
    this.#handlers = options.handlers;
    this.#onError = options.onError;
  }

  async start(): Promise<void> {
    await this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#client !== null) await endSession(this.#client);
  }

  async #connect(): Promise<void> {
    if (this.#stopped) return;
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'gomon listen',
      connectionTimeoutMillis: 3_000,
      keepAlive: true,
    });
    const again = (error?: Error): void => {
      if (this.#client !== client) return;
      this.#client = null;
      if (error !== undefined && !this.#stopped) this.#onError(error);
      this.#reconnectSoon();
    };
    client.on('error', again);
    client.on('end', () => again());
    client.on('notification', (message) => this.#handlers[message.channel]?.(message.payload ?? ''));
    this.#client = client;
    try {
      await client.connect();
      for (const channel of Object.keys(this.#handlers))
        await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
      // What was said while nobody listened.
      for (const handler of Object.values(this.#handlers)) handler('');
    } catch (error) {
      again(error as Error);
      await client.end().catch(() => undefined);
    }
  }

  #reconnectSoon(): void {
    if (this.#stopped) return;
    this.#retry = setTimeout(() => {
      void this.#connect();
    }, 1_000);
  }
}
