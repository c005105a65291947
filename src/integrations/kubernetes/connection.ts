import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { type Dispatcher, request } from 'undici';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { version } from '../../version.ts';
import type { ClusterSource } from './credentials.ts';
import { Dispatchers, type Purpose, type Route, type Taken } from './dispatchers.ts';
import { answerFailure, failure, type KubeFailure, networkFailure } from './failure.ts';
import { ServerClock } from './server-clock.ts';

export type KubeCall = {
  method?: 'GET' | 'POST';
  /** From the root of the API server: "/api/v1/nodes". */
  path: string;
  query?: Record<string, string | number | boolean>;
  json?: unknown;
  accept?: string;
  /** For the whole call, the body included; 10 s by default. */
  timeoutMs?: number;
  /** A longer answer is given up; 64 MiB by default. */
  maxBodyBytes?: number;
};

/** A success; `text` is what was read of the body. */
export type KubeAnswer = { ok: true; status: number; text: string };

/** An open watch. Whoever has it reads `body` to its end or destroys it. */
export type KubeStream = {
  ok: true;
  body: Dispatcher.ResponseData['body'];
  /** Nothing came over it for too long: later requests take another connection. */
  suspect(): void;
};

const defaultTimeoutMs = 10_000;
const defaultMaxBodyBytes = 64 * 1024 * 1024;
const maxErrorBytes = 64 * 1024;
/** A plugin that does not answer must not hold up everything. */
const credentialsTimeoutMs = 20_000;
/** Within it a burst of requests shares one reading of tokens and certificates. */
const credentialsFreshMs = 1_000;

type Credentials = {
  headers: Record<string, string>;
  route: Route;
  generation: number;
};

type Over = { taken: Taken | null };

/**
 * The one way to the API server. client-node makes the credentials (tokens that are
 * read again, client certificates, plugins); the requests themselves are ours, since
 * its own have no timeout, share no connection, and put headers into their errors.
 * Failures are values. A 401 reads the credentials anew, once, before it is told.
 */
export class KubernetesConnection {
  readonly source: ClusterSource;
  readonly #clock: Clock;
  readonly #dispatchers = new Dispatchers();
  readonly #serverClock = new ServerClock();
  #config: Promise<KubeConfig> | null = null;
  #generation = 0;
  #held: { credentials: Promise<Credentials | KubeFailure>; until: number } | null = null;

  constructor(source: ClusterSource, clock: Clock = systemClock) {
    this.source = source;
    this.#clock = clock;
  }

  /** Difference of the API server's clock to ours, ms; 0 below what its header can tell. */
  get skewMs(): number {
    return this.#serverClock.skewMs;
  }

  /** The server's address for people; the reason where it cannot be known. */
  async server(): Promise<string> {
    const credentials = await this.#credentials();
    if ('kind' in credentials) return credentials.detail;
    const url = new URL(await this.#address());
    return `${url.origin}${url.pathname === '/' ? '' : url.pathname}`;
  }

  /** One request with a whole answer. */
  async call(call: KubeCall, signal: AbortSignal): Promise<KubeAnswer | KubeFailure> {
    const timeout = AbortSignal.timeout(call.timeoutMs ?? defaultTimeoutMs);
    const within = AbortSignal.any([signal, timeout]);
    const over: Over = { taken: null };
    try {
      const sent = await this.#send(call, 'call', over, within);
      if (!sent.ok) return sent;
      const text = await readText(sent.response.body, call.maxBodyBytes ?? defaultMaxBodyBytes);
      if (text === null) return failure('too-large', 'too-large', 'the answer of the API server is too long');
      return { ok: true, status: sent.response.statusCode, text };
    } catch (error) {
      if (signal.aborted) return failure('aborted', 'aborted', 'given up');
      if (!timeout.aborted) return networkFailure(error);
      // It may be this connection that is dead, and not the server.
      this.#suspect(over);
      return failure(
        'timeout',
        'timeout',
        `no answer of the API server within ${call.timeoutMs ?? defaultTimeoutMs} ms`,
      );
    }
  }

  /** Opens a watch; `signal` ends it. It has `timeoutMs` until the answer begins. */
  async open(call: KubeCall & { timeoutMs: number }, signal: AbortSignal): Promise<KubeStream | KubeFailure> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), call.timeoutMs);
    const over: Over = { taken: null };
    try {
      const sent = await this.#send(call, 'watch', over, AbortSignal.any([signal, late.signal]));
      if (!sent.ok) return sent;
      // It may break before anybody reads it.
      sent.response.body.on('error', () => undefined);
      return { ok: true, body: sent.response.body, suspect: () => this.#suspect(over) };
    } catch (error) {
      if (signal.aborted) return failure('aborted', 'aborted', 'given up');
      if (!late.signal.aborted) return networkFailure(error);
      this.#suspect(over);
      return failure('timeout', 'timeout', `the API server opened no watch within ${call.timeoutMs} ms`);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#dispatchers.close();
  }

  #suspect({ taken }: Over): void {
    if (taken !== null) this.#dispatchers.suspect(taken);
  }

  /** Throws what the network throws; `over` says which connection it was sent over. */
  async #send(
    call: KubeCall,
    purpose: Purpose,
    over: Over,
    signal: AbortSignal,
  ): Promise<{ ok: true; response: Dispatcher.ResponseData } | KubeFailure> {
    for (let isRetry = false; ; isRetry = true) {
      const credentials = await this.#credentials();
      if ('kind' in credentials) return credentials;
      const taken = this.#dispatchers.take(purpose, credentials.route);
      over.taken = taken;
      const url = await this.#url(call);
      const began = this.#clock.now();
      const response = await request(url, {
        dispatcher: taken.dispatcher,
        method: call.method ?? 'GET',
        headers: {
          accept: call.accept ?? 'application/json',
          'user-agent': `gomon/${version}`,
          ...(call.json !== undefined && { 'content-type': 'application/json' }),
          ...credentials.headers,
        },
        body: call.json === undefined ? null : JSON.stringify(call.json),
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const now = this.#clock.now();
      const date = oneOf(response.headers['date']);
      if (date !== null) this.#serverClock.heard(date, began, now);
      if (response.statusCode >= 200 && response.statusCode < 300) return { ok: true, response };
      const text = (await readText(response.body, maxErrorBytes)) ?? '';
      if (response.statusCode === 401 && !isRetry && (await this.#renewed(credentials.generation))) continue;
      return answerFailure(response.statusCode, text, oneOf(response.headers['retry-after']), now);
    }
  }

  /** Reads the credentials anew; false where that does not work. Of many that ask at once the first one does it. */
  async #renewed(generation: number): Promise<boolean> {
    if (generation !== this.#generation) return true;
    this.#generation += 1;
    this.#held = null;
    const before = this.#config;
    const fresh = this.source.load();
    this.#config = fresh;
    return await fresh.then(
      () => true,
      () => {
        // The old ones may serve again; a file is often away for a moment while it is replaced.
        if (this.#config === fresh) this.#config = before;
        return false;
      },
    );
  }

  async #loadedConfig(): Promise<KubeConfig> {
    this.#config ??= this.source.load();
    const config = this.#config;
    try {
      return await config;
    } catch (error) {
      if (this.#config === config) this.#config = null;
      throw error;
    }
  }

  async #address(): Promise<string> {
    return (await this.#loadedConfig()).getCurrentCluster()?.server ?? '';
  }

  async #url(call: KubeCall): Promise<string> {
    const url = new URL((await this.#address()).replace(/\/+$/, '') + call.path);
    // Credentials in the address would end up in errors; they are not how a cluster is reached.
    url.username = '';
    url.password = '';
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, String(value));
    return url.href;
  }

  async #credentials(): Promise<Credentials | KubeFailure> {
    const now = performance.now();
    if (this.#held !== null && now < this.#held.until) return await this.#held.credentials;
    const credentials = this.#makeCredentials();
    const held = { credentials, until: Number.POSITIVE_INFINITY };
    this.#held = held;
    const made = await credentials;
    held.until = 'kind' in made ? 0 : performance.now() + credentialsFreshMs;
    return made;
  }

  /** Everything here may throw: files that cannot be read, plugins that fail. Their words may hold secrets. */
  async #makeCredentials(): Promise<Credentials | KubeFailure> {
    const generation = this.#generation;
    try {
      const config = await this.#loadedConfig();
      const options: RequestOptions = {};
      await withinTime(config.applyToHTTPSOptions(options), credentialsTimeoutMs);
      return {
        headers: headersOf(options),
        route: {
          tls: tlsOf(options),
          proxyUrl: config.getCurrentCluster()?.proxyUrl ?? null,
        },
        generation,
      };
    } catch (error) {
      return failure(
        'credentials',
        codeOf(error),
        `no credentials from ${this.source.name}: ${reasonOf(error)}`,
      );
    }
  }
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    // A token's file mostly ends in a line break, which no header may hold.
    if (value !== undefined) headers[name.toLowerCase()] = String(value).trim();
  }
  if (typeof options.auth === 'string')
    headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  return headers;
}

function tlsOf(options: RequestOptions): Route['tls'] {
  const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = options;
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(pfx !== undefined && { pfx }),
    ...(passphrase !== undefined && { passphrase }),
    ...(servername !== undefined && { servername }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  };
}

async function withinTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new CredentialsLate(timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

class CredentialsLate extends Error {
  constructor(timeoutMs: number) {
    super(`the credentials plugin did not answer within ${timeoutMs} ms`);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'credentials';
}

/** Only words of which we know what is in them: ours, and those of the file system. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it failed';
  if ('syscall' in error && 'path' in error)
    return `${String(error.path)} cannot be read or run (${codeOf(error)})`;
  if (error instanceof CredentialsLate || /kubeconfig/.test(error.message)) return error.message;
  return 'the credentials plugin or the file failed';
}

/** Null when it is longer than allowed; the rest is not read then. */
async function readText(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    // Leaving the loop destroys the stream.
    if (bytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function oneOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}
