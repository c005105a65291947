import { Resolver } from 'node:dns/promises';
import type { DnsRecordType, Probe, ProbeOutcome } from '../../health-checks/health-check.ts';
import { ForbiddenAddressError, isForbiddenHost } from '../../lib/forbidden-address.ts';
import { failed, passed } from './failure.ts';

type DnsProbe = Extract<Probe, { type: 'dns' }>;

const mostShown = 10;

/** Asks name servers, not the hosts file. Rejects for what the network does. */
export async function probeDns(
  probe: DnsProbe,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  if (!probe.allowLinkLocal && probe.servers.some(isForbiddenHost)) throw new ForbiddenAddressError();
  // Half the time for each of two tries: one lost datagram is no outage.
  const resolver = new Resolver({ timeout: Math.max(100, Math.floor(timeoutMs / 2)), tries: 2 });
  if (probe.servers.length > 0) resolver.setServers(probe.servers);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answers = await resolve(resolver, probe.host, probe.recordType);
    const missing = probe.expectAnswer.filter((expected) => !answers.includes(normal(expected)));
    const shown = answers.slice(0, mostShown).join(', ');
    if (answers.length === 0) return failed('The answer is empty');
    return missing.length === 0
      ? passed(`It resolves to ${shown}`)
      : failed(`It resolves to ${shown}, without ${missing.slice(0, mostShown).join(', ')}`);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function resolve(resolver: Resolver, host: string, type: DnsRecordType): Promise<string[]> {
  switch (type) {
    case 'A':
      return await resolver.resolve4(host);
    case 'AAAA':
      return await resolver.resolve6(host);
    case 'CNAME':
      return (await resolver.resolveCname(host)).map(normal);
    case 'NS':
      return (await resolver.resolveNs(host)).map(normal);
    case 'MX':
      return (await resolver.resolveMx(host)).map(({ exchange }) => normal(exchange));
    case 'SRV':
      return (await resolver.resolveSrv(host)).map(({ name, port }) => `${normal(name)}:${port}`);
    case 'TXT':
      return (await resolver.resolveTxt(host)).map((parts) => normal(parts.join('')));
    default:
      return type satisfies never;
  }
}

/** Names are compared without their last dot, and case does not count. */
function normal(answer: string): string {
  return answer.replace(/\.$/, '').toLowerCase();
}
