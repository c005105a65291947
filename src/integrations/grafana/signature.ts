import type { SourceRequest, Verification } from '../../alerts/source.ts';
import { signedByAny } from '../../lib/hmac.ts';

export type GrafanaSignatureSettings = {
  /** Any of them may have signed, so that a secret can be replaced without a gap. Empty: signatures are not checked. */
  secrets: readonly string[];
  /** Grafana's default is `X-Grafana-Alerting-Signature`. */
  signatureHeader: string;
  /** Grafana has no default name for it; null when none is configured there. Only with it are replays bounded in time. */
  timestampHeader: string | null;
  timestampToleranceSeconds?: number;
};

/**
 * Checks what Grafana's webhook contact point signs: HMAC-SHA256 in hex over
 * the exact body, or over `<unix seconds>:<body>` where a timestamp header is
 * configured (grafana/alerting, http/hmac.go). Undefined without secrets.
 */
export function verifyGrafanaSignature(
  settings: GrafanaSignatureSettings,
  request: SourceRequest,
): Verification | undefined {
  const { secrets, signatureHeader, timestampHeader, timestampToleranceSeconds = 300 } = settings;
  if (secrets.length === 0) return undefined;

  const signature = header(request, signatureHeader);
  if (signature === null) {
    return refuse(
      `The header ${signatureHeader} is missing: set the same secret under "HMAC Signature" in Grafana's contact point.`,
    );
  }
  let timestamp: string | null = null;
  if (timestampHeader !== null) {
    timestamp = header(request, timestampHeader);
    if (timestamp === null) {
      return refuse(
        `The header ${timestampHeader} is missing: name it as the timestamp header in Grafana's contact point.`,
      );
    }
    if (!/^\d{1,12}$/.test(timestamp))
      return refuse(`The header ${timestampHeader} is not a time in Unix seconds.`);
  }
  const signed = timestamp === null ? [request.rawBody] : [`${timestamp}:`, request.rawBody];
  if (!signedByAny(secrets, signed, signature)) {
    return refuse(
      `The signature in ${signatureHeader} does not match the body: the secret differs, or something on the way changed the body.`,
    );
  }
  return timestamp === null
    ? { ok: true }
    : checkAge(Number(timestamp), request.receivedAt, timestampToleranceSeconds);
}

/** After the signature, so that the numbers below are those of the true sender's clock. */
function checkAge(timestampSeconds: number, receivedAt: Date, toleranceSeconds: number): Verification {
  const ageSeconds = Math.round(receivedAt.getTime() / 1_000 - timestampSeconds);
  if (Math.abs(ageSeconds) <= toleranceSeconds) return { ok: true };
  const where = ageSeconds > 0 ? `${ageSeconds} s old` : `${-ageSeconds} s in the future`;
  return refuse(
    `The signed timestamp is ${where}; at most ${toleranceSeconds} s are accepted. Compare the clocks of Grafana and this service.`,
  );
}

function header(request: SourceRequest, name: string): string | null {
  const value = request.headers[name.toLowerCase()];
  const text = Array.isArray(value) ? value[0] : value;
  return text === undefined || text.trim() === '' ? null : text.trim();
}

function refuse(reason: string): Verification {
  return { ok: false, reason };
}
