import { createHmac, timingSafeEqual } from 'node:crypto';

const sha256Hex = /^[0-9a-f]{64}$/i;

/** HMAC-SHA256 over the parts one after another, as they are: text counts as its UTF-8 bytes. */
export function hmacSha256(secret: string, parts: readonly (string | Uint8Array)[]): Buffer {
  const hmac = createHmac('sha256', secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/**
 * Whether a hex signature (either case) was made with one of the secrets.
 * Every secret is tried and compared in constant time, so that neither the
 * time nor the answer tells which one came close.
 */
export function signedByAny(
  secrets: readonly string[],
  parts: readonly (string | Uint8Array)[],
  hex: string,
): boolean {
  if (!sha256Hex.test(hex)) return false;
  const given = Buffer.from(hex, 'hex');
  let matched = false;
  for (const secret of secrets) {
    if (timingSafeEqual(hmacSha256(secret, parts), given)) matched = true;
  }
  return matched;
}
