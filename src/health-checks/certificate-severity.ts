import type { Severity } from '../alerts/alert.ts';
import type { CertificateFacts, CertificateLimits } from './health-check.ts';

const dayMs = 86_400_000;
/** A clock that goes wrong by less makes no certificate "not yet valid". */
const skewMs = 5 * 60_000;

/**
 * Shares of the lifetime: a certificate of 90 days is renewed when 30 are left and
 * one of 6 days when 2 are, so days alone would call healthy ones expiring.
 */
const shares = { P1: 0.05, P2: 0.1, P3: 0.2 } as const;

/** How grave what is left of a certificate is, and in words; null while it is fine. */
export function certificateSeverity(
  certificate: CertificateFacts,
  limits: CertificateLimits,
  now: Date,
): { severity: Severity; detail: string } | null {
  const { validFrom, validTo, subject } = certificate;
  const leftMs = validTo.getTime() - now.getTime();
  const name = subject === '' ? 'The certificate' : `The certificate of ${subject}`;
  if (leftMs <= 0) return { severity: 'P1', detail: `${name} expired at ${validTo.toISOString()}` };
  if (validFrom.getTime() > now.getTime() + skewMs)
    return { severity: 'P3', detail: `${name} is not valid before ${validFrom.toISOString()}` };
  const lifetimeMs = validTo.getTime() - validFrom.getTime();
  for (const severity of ['P1', 'P2', 'P3'] as const) {
    if (leftMs < Math.min(limits[severity] * dayMs, shares[severity] * lifetimeMs))
      return { severity, detail: `${name} expires at ${validTo.toISOString()}` };
  }
  return null;
}
