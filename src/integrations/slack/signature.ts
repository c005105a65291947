import { createHmac, timingSafeEqual } from 'node:crypto';

export type SignedRequest = {
  /** Lower-case names, as Node delivers them. */
  headers: Record<string, string | string[] | undefined>;
  /** The exact bytes received. */
  rawBody: Buffer;
  /** Signing secrets; several while one replaces another. */
  secrets: readonly string[];
  nowMs: number;
};

/** `reason` is for the log: it names neither a secret nor the signature that would have been right. */
export type SignatureVerdict = { ok: true } | { ok: false; reason: string };

/** A request older, or further in the future, may be a recorded one. */
const maxAgeS = 300;

/**
 * Checks that Slack sent a request
 * (https://docs.slack.dev/authentication/verifying-requests-from-slack):
 * `v0=` and the HMAC-SHA256 of `v0:{timestamp}:{body}`.
 */
export function verifySlackSignature({ headers, rawBody, secrets, nowMs }: SignedRequest): SignatureVerdict {
  const usable = secrets.filter((secret) => secret !== '');
  if (usable.length === 0) return refuse('no signing secret is set');
  const signature = headers['x-slack-signature'];
  const timestamp = headers['x-slack-request-timestamp'];
  if (typeof signature !== 'string') return refuse('the header X-Slack-Signature is missing');
  if (typeof timestamp !== 'string') return refuse('the header X-Slack-Request-Timestamp is missing');
  if (!/^\d{1,12}$/.test(timestamp))
    return refuse('X-Slack-Request-Timestamp is not a whole number of seconds');
  const ageS = nowMs / 1_000 - Number(timestamp);
  if (Math.abs(ageS) > maxAgeS) {
    return refuse(
      `the request is ${Math.abs(Math.round(ageS))} s ${ageS > 0 ? 'old' : 'in the future'}; at most ${maxAgeS} s are allowed`,
    );
  }
  if (!/^v0=[0-9a-f]{64}$/.test(signature))
    return refuse('X-Slack-Signature is not of the form v0=<64 hex digits>');
  const given = Buffer.from(signature.slice(3), 'hex');
  // Every secret is tried, so that the time taken does not tell which one matched.
  const matches = usable.filter((secret) => timingSafeEqual(expected(secret, timestamp, rawBody), given));
  return matches.length > 0 ? { ok: true } : refuse('the signature does not match');
}

/** The signature header's value for a body: what Slack sends, and what a sandbox has to. */
export function slackSignature(secret: string, timestamp: string, rawBody: Buffer): string {
  return `v0=${expected(secret, timestamp, rawBody).toString('hex')}`;
}

function expected(secret: string, timestamp: string, rawBody: Buffer): Buffer {
  return createHmac('sha256', secret).update(`v0:${timestamp}:`).update(rawBody).digest();
}

function refuse(reason: string): SignatureVerdict {
  return { ok: false, reason };
}
