import type { ClusterView } from '../../cluster/cluster-view.ts';
import { readChain } from '../../cluster/detectors/certificates.ts';
import { fields, list, text } from '../../cluster/fields.ts';
import type { CertificateFacts } from '../../cluster/scene.ts';
import type { KubernetesConnection } from './connection.ts';
import { readTlsCertificate } from './secret-free-reads.ts';
import { pause } from './times.ts';

/** Ingresses are looked at so often; a Secret is read when it is new or has changed, and after `rereadMs`. */
const lookMs = 5_000;
const rereadMs = 600_000;
const mostSecrets = 500;
const concurrency = 4;

type Named = { namespace: string; name: string };
type Known = { version: string | null; readAtMs: number; facts: CertificateFacts | null };

/**
 * Certificates of the Secrets that Ingresses name. Each is read by its name, which
 * is a right that can be granted for one Secret without a right to list them; where
 * it is not granted, nothing is known of that certificate. Only `tls.crt` is looked at.
 */
export class IngressCertificates {
  readonly #connection: KubernetesConnection;
  readonly #view: ClusterView;
  readonly #lookMs: number;
  readonly #known = new Map<string, Known>();
  #running: { stop: AbortController; ended: Promise<void> } | null = null;

  constructor(options: { connection: KubernetesConnection; view: ClusterView; lookMs?: number }) {
    this.#connection = options.connection;
    this.#view = options.view;
    this.#lookMs = options.lookMs ?? lookMs;
  }

  /** As last read. */
  facts(): CertificateFacts[] {
    return [...this.#known.values()].flatMap(({ facts }) => facts ?? []);
  }

  start(): void {
    if (this.#running !== null) return;
    const stop = new AbortController();
    this.#running = { stop, ended: this.#run(stop.signal) };
  }

  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Half a list of Ingresses would forget certificates.
      if (this.#view.freshness('ingresses.networking.k8s.io').state === 'streaming') await this.#look(signal);
      await pause(this.#lookMs, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const named = this.#named();
    for (const key of this.#known.keys()) if (!named.has(key)) this.#known.delete(key);
    const due = [...named].filter(([key, secret]) => this.#isDue(key, secret));
    const work = async (): Promise<void> => {
      for (let next = due.shift(); next !== undefined && !signal.aborted; next = due.shift())
        await this.#read(...next, signal);
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  #named(): Map<string, Named> {
    const named = new Map<string, Named>();
    for (const ingress of this.#view.list('ingresses.networking.k8s.io')) {
      const { namespace } = ingress.metadata;
      for (const tls of list(fields(ingress.spec)['tls'])) {
        const name = text(tls['secretName']);
        if (name === null || namespace === undefined || named.size >= mostSecrets) continue;
        named.set(`${namespace}/${name}`, { namespace, name });
      }
    }
    return named;
  }

  /** Null where the metadata of Secrets is not read either. */
  #versionOf({ namespace, name }: Named): string | null {
    return this.#view.get('secrets', namespace, name)?.metadata.resourceVersion ?? null;
  }

  #isDue(key: string, secret: Named): boolean {
    const known = this.#known.get(key);
    if (known === undefined || performance.now() - known.readAtMs > rereadMs) return true;
    return known.version !== this.#versionOf(secret);
  }

  async #read(key: string, secret: Named, signal: AbortSignal): Promise<void> {
    const version = this.#versionOf(secret);
    const read = await readTlsCertificate(this.#connection, secret, signal);
    if (signal.aborted) return;
    const readAtMs = performance.now();
    if (read.ok) {
      const chain = read.pem === null ? null : readChain(read.pem);
      const facts = chain === null || chain.length === 0 ? null : { ...secret, chain };
      this.#known.set(key, { version, readAtMs, facts });
    } else if (read.kind === 'absent' || read.kind === 'forbidden') {
      this.#known.set(key, { version, readAtMs, facts: null });
    }
    // What failed in passing is believed as it was, and asked for again with the next look.
  }
}
