import type { DependencyName, Probe, Prober, ProbeOutcome } from '../../health-checks/health-check.ts';
import { connect, UntrustedCertificateError } from './connect.ts';
import { probeDns } from './dns-probe.ts';
import { failed, failureOf, passed } from './failure.ts';
import { probeHttp } from './http-probe.ts';

/** What the service knows of a vendor by itself. */
export type DependencyKnowledge = {
  /** Null while it is not configured. */
  url: string | null;
  /** Why calls to it are held back now; null while they go through. */
  trouble: () => string | null;
};

export type ProberOptions = {
  /** One statement that reads nothing. */
  pingDatabase: () => Promise<void>;
  dependencies: Record<DependencyName, DependencyKnowledge>;
};

/** Looks at what is outside. Whatever happens there becomes an outcome within `timeoutMs`. */
export function createProber(options: ProberOptions): Prober {
  return {
    async probe(probe, timeoutMs, signal) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const within = AbortSignal.any([signal, timeout]);
      // What cannot be given up (a lookup of the system) is at least not waited for.
      const { promise: ended, reject: end } = Promise.withResolvers<never>();
      const onEnd = (): void => end(within.reason as Error);
      within.addEventListener('abort', onEnd, { once: true });
      try {
        return await Promise.race([look(probe, timeoutMs, within, options), ended]);
      } catch (error) {
        if (error instanceof UntrustedCertificateError)
          return failed(`Its certificate is not to be trusted (${error.message})`, error.certificate);
        return failureOf(error, timeout.aborted ? { afterMs: timeoutMs } : null);
      } finally {
        within.removeEventListener('abort', onEnd);
      }
    },
  };
}

async function look(
  probe: Probe,
  timeoutMs: number,
  signal: AbortSignal,
  options: ProberOptions,
): Promise<ProbeOutcome> {
  switch (probe.type) {
    case 'http':
      return probeHttp(probe, signal);
    case 'tcp': {
      const { socket, certificate } = await connect(probe, signal);
      socket.destroy();
      return passed('It takes connections', certificate);
    }
    case 'dns':
      return probeDns(probe, timeoutMs, signal);
    case 'database':
      await options.pingDatabase();
      return passed('It answers');
    case 'dependency':
      return lookAtDependency(options.dependencies[probe.dependency], signal);
    default:
      return probe satisfies never;
  }
}

/** By our own calls first; whether it can be reached at all says only a connection. */
async function lookAtDependency(known: DependencyKnowledge, signal: AbortSignal): Promise<ProbeOutcome> {
  if (known.url === null) return passed('It is not configured');
  const trouble = known.trouble();
  if (trouble !== null) return failed(`Calls to it are held back: ${trouble}`);
  const url = new URL(known.url);
  const secure = url.protocol === 'https:';
  const { socket } = await connect(
    {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(url.port) || (secure ? 443 : 80),
      tls: secure,
      verifyCertificate: true,
      allowLinkLocal: true,
    },
    signal,
  );
  socket.destroy();
  return passed('It can be reached');
}
