import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { Agent, type Dispatcher, ProxyAgent, Socks5ProxyAgent } from 'undici';

/** How the API server is reached; a change of any of it needs new connections. */
export type Route = {
  tls: Pick<
    RequestOptions,
    'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'servername' | 'rejectUnauthorized'
  >;
  proxyUrl: string | null;
};

export type Purpose = 'watch' | 'call';

/** A dispatcher as it was when a request took it. */
export type Taken = { dispatcher: Dispatcher; purpose: Purpose };

/**
 * The shared connections: one dispatcher for watches and one for calls, so that a
 * dead connection of one kind does not take the other with it. client-node makes a
 * new Agent for every request instead, so that nothing is ever shared. Over HTTP/2,
 * which a kube-apiserver speaks, each is one TCP connection.
 */
export class Dispatchers {
  readonly #current = new Map<Purpose, { dispatcher: Dispatcher; fingerprint: string }>();
  readonly #retired = new Set<Dispatcher>();
  #isClosed = false;

  take(purpose: Purpose, route: Route): Taken {
    const fingerprint = fingerprintOf(route);
    const held = this.#current.get(purpose);
    if (held?.fingerprint === fingerprint) return { dispatcher: held.dispatcher, purpose };
    if (held !== undefined) this.#retire(held.dispatcher);
    const dispatcher = makeDispatcher(route);
    if (this.#isClosed) void dispatcher.destroy();
    else this.#current.set(purpose, { dispatcher, fingerprint });
    return { dispatcher, purpose };
  }

  /** What a request went over fell silent: the next one goes over a new connection. What else runs over the old one goes on. */
  suspect(taken: Taken): void {
    const held = this.#current.get(taken.purpose);
    if (held?.dispatcher !== taken.dispatcher) return;
    this.#current.delete(taken.purpose);
    this.#retire(taken.dispatcher);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...[...this.#current.values()].map(({ dispatcher }) => dispatcher), ...this.#retired];
    this.#current.clear();
    this.#retired.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy().catch(() => undefined)));
  }

  #retire(dispatcher: Dispatcher): void {
    this.#retired.add(dispatcher);
    // Closes when its last stream ends: a watch lives for six minutes at most.
    void dispatcher
      .close()
      .catch(() => undefined)
      .finally(() => this.#retired.delete(dispatcher));
  }
}

function makeDispatcher({ tls, proxyUrl }: Route): Dispatcher {
  // As client-go has it: below the idle timeouts of load balancers, which begin at 60 s.
  const connect = { ...tls, keepAlive: true, keepAliveInitialDelay: 30_000, timeout: 10_000 };
  if (proxyUrl === null) return new Agent({ connect });
  if (proxyUrl.startsWith('socks')) return new Socks5ProxyAgent(proxyUrl, { requestTls: connect });
  return new ProxyAgent({ uri: proxyUrl, requestTls: connect });
}

const fingerprints = new WeakMap<Route, string>();

/** One route serves many requests; CAs can be long. */
function fingerprintOf(route: Route): string {
  const known = fingerprints.get(route);
  if (known !== undefined) return known;
  const fingerprint = createHash('sha256').update(JSON.stringify(route)).digest('hex');
  fingerprints.set(route, fingerprint);
  return fingerprint;
}
