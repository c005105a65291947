import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { CertificateFacts } from '../../health-checks/health-check.ts';

/** A chain longer than this is none. */
const longestChain = 10;

/** Of the chain that was sent the certificate that ends first: an intermediate one may end before the leaf. */
export function certificateOf(socket: TLSSocket): CertificateFacts | null {
  let first: CertificateFacts | null = null;
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  const seen = new Set<string>();
  while (certificate?.raw !== undefined && seen.size < longestChain) {
    const { fingerprint256 } = certificate;
    if (seen.has(fingerprint256)) break;
    seen.add(fingerprint256);
    const facts = factsOf(certificate.raw);
    if (facts !== null && (first === null || facts.validTo < first.validTo)) first = facts;
    certificate = certificate.issuerCertificate;
  }
  return first;
}

function factsOf(raw: Buffer): CertificateFacts | null {
  try {
    const { subject, issuer, validFromDate, validToDate } = new X509Certificate(raw);
    return {
      subject: nameOf(subject),
      issuer: nameOf(issuer),
      validFrom: validFromDate,
      validTo: validToDate,
    };
  } catch {
    return null;
  }
}

/** The common name, else the whole on one line. */
function nameOf(distinguished: string | undefined): string {
  if (distinguished === undefined) return '';
  return (/^CN=(.*)$/m.exec(distinguished)?.[1] ?? distinguished.replaceAll('\n', ', ')).slice(0, 200);
}
