import net from 'node:net';
import tls from 'node:tls';
import type { CertificateFacts } from '../../health-checks/health-check.ts';
import { ForbiddenAddressError, isForbiddenHost } from '../../lib/forbidden-address.ts';
import { guardedConnect } from '../../lib/outgoing.ts';
import { certificateOf } from './certificate.ts';

export type Target = {
  host: string;
  port: number;
  tls: boolean;
  verifyCertificate: boolean;
  allowLinkLocal: boolean;
};

export class UntrustedCertificateError extends Error {
  override readonly name = 'UntrustedCertificateError';
  readonly certificate: CertificateFacts | null;

  constructor(reason: string, certificate: CertificateFacts | null) {
    super(reason);
    this.certificate = certificate;
  }
}

/**
 * Opens a connection of its own, so that it is really looked at, and answers the
 * certificate the other side showed. One that is not to be trusted is an error that
 * carries it: it may be the one that has expired.
 */
export function connect(
  target: Target,
  signal: AbortSignal,
): Promise<{ socket: net.Socket; certificate: CertificateFacts | null }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof connect>>>();
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  if (!target.allowLinkLocal && isForbiddenHost(target.host))
    return Promise.reject(new ForbiddenAddressError());
  const options = {
    host: target.host,
    port: target.port,
    ...(target.allowLinkLocal ? {} : guardedConnect),
  };
  const socket = target.tls
    ? tls.connect({
        ...options,
        // Whether it is to be trusted is judged below, where the certificate is known.
        rejectUnauthorized: false,
        // No name is sent for an address (RFC 6066), and the address itself is checked.
        ...(net.isIP(target.host) === 0 ? { servername: target.host } : {}),
      })
    : net.connect(options);
  const giveUp = (): void => {
    socket.destroy();
    reject(signal.reason as Error);
  };
  signal.addEventListener('abort', giveUp, { once: true });
  socket.once('error', reject);
  socket.once(target.tls ? 'secureConnect' : 'connect', () => {
    signal.removeEventListener('abort', giveUp);
    // It may break before its new owner listens.
    socket.on('error', () => undefined);
    const certificate = socket instanceof tls.TLSSocket ? certificateOf(socket) : null;
    if (socket instanceof tls.TLSSocket && target.verifyCertificate && !socket.authorized) {
      // Node says a code here, whatever its types say.
      const reason: unknown = socket.authorizationError;
      socket.destroy();
      return reject(new UntrustedCertificateError(String(reason).slice(0, 100), certificate));
    }
    resolve({ socket, certificate });
  });
  return promise;
}
