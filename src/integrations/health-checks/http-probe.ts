import { Agent, request } from 'undici';
import type { CertificateFacts, Probe, ProbeOutcome } from '../../health-checks/health-check.ts';
import { connect, UntrustedCertificateError } from './connect.ts';
import { failed, passed } from './failure.ts';

type HttpProbe = Extract<Probe, { type: 'http' }>;

/** As much of an answer as is looked through. */
const longestBody = 65_536;

/** Asks once, over a connection of its own. Rejects for what the network does. */
export async function probeHttp(probe: HttpProbe, signal: AbortSignal): Promise<ProbeOutcome> {
  const first = new URL(probe.url);
  let url = first;
  for (let followed = 0; ; followed += 1) {
    const answer = await ask(probe, url, url.origin === first.origin ? probe.headers : {}, signal);
    if ('outcome' in answer) return answer.outcome;
    const { status, location, certificate, body } = answer;
    if (location !== null && followed < probe.redirects) {
      const next = URL.parse(location, url);
      if (next === null || !['http:', 'https:'].includes(next.protocol))
        return failed(`It answered ${status} with a redirect that leads nowhere`, certificate);
      url = next;
      continue;
    }
    if (!probe.expectStatus.some(({ from, to }) => status >= from && status <= to))
      return failed(`It answered ${status}, not ${expectedText(probe)}`, certificate);
    if (probe.bodyContains !== null && !body.includes(probe.bodyContains))
      return failed(`It answered ${status}, but without the expected text`, certificate);
    return passed(`It answered ${status}`, certificate);
  }
}

type Answer = { status: number; location: string | null; certificate: CertificateFacts | null; body: string };

async function ask(
  probe: HttpProbe,
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Answer | { outcome: ProbeOutcome }> {
  const seen: { certificate: CertificateFacts | null } = { certificate: null };
  const agent = new Agent({
    allowH2: false,
    pipelining: 0,
    connect: (options, done) => {
      const secure = options.protocol === 'https:';
      const target = {
        host: options.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: Number(options.port) || (secure ? 443 : 80),
        tls: secure,
        verifyCertificate: probe.verifyCertificate,
        allowLinkLocal: probe.allowLinkLocal,
      };
      // undici wants a callback.
      // oxlint-disable promise/no-callback-in-promise
      connect(target, signal).then(
        ({ socket, certificate }) => {
          seen.certificate = certificate;
          return done(null, socket);
        },
        (error: unknown) => done(error instanceof Error ? error : new Error('no connection'), null),
      );
      // oxlint-enable promise/no-callback-in-promise
    },
  });
  try {
    const response = await request(url, {
      method: probe.method,
      headers: { 'user-agent': 'gomon health check', accept: '*/*', ...headers },
      dispatcher: agent,
      signal,
    });
    const location = response.headers['location'];
    const isRedirect =
      [301, 302, 303, 307, 308].includes(response.statusCode) && typeof location === 'string';
    return {
      status: response.statusCode,
      location: isRedirect ? location : null,
      certificate: seen.certificate,
      body: probe.bodyContains === null ? '' : await firstOf(response.body),
    };
  } catch (error) {
    if (error instanceof UntrustedCertificateError)
      return {
        outcome: failed(`Its certificate is not to be trusted (${error.message})`, error.certificate),
      };
    throw error;
  } finally {
    await agent.destroy();
  }
}

async function firstOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    // Leaving the loop ends the stream.
    if (bytes >= longestBody) break;
  }
  return Buffer.concat(chunks).subarray(0, longestBody).toString('utf8');
}

function expectedText(probe: HttpProbe): string {
  return probe.expectStatus.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}
