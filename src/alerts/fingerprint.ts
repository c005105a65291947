import { createHash } from 'node:crypto';

import type { Labels } from './alert.ts';

/**
 * The fingerprint Alertmanager gives a set of labels: FNV-1a with 64 bits over
 * each name and value, sorted by name, a byte 0xFF after each; 16 hex digits
 * (prometheus/common, model/signature.go). The order of the labels and the
 * replica labels make no difference.
 */
export function labelsFingerprint(labels: Labels, replicaLabels: readonly string[] = []): string {
  const names = Object.keys(labels);
  sortByUtf8(names);
  const size = names.reduce((sum, name) => sum + 3 * (name.length + (labels[name] as string).length) + 2, 0);
  const bytes = size <= scratch.length ? scratch : Buffer.allocUnsafe(size);
  let length = 0;
  for (const name of names) {
    if (replicaLabels.includes(name)) continue;
    length += bytes.write(name, length);
    bytes[length++] = 0xff;
    length += bytes.write(labels[name] as string, length);
    bytes[length++] = 0xff;
  }
  return fnv1a64(bytes, length);
}

/** Longest fingerprint kept as it was sent: it is part of a unique index, whose entries PostgreSQL limits. */
const longestFingerprint = 256;

/** A sender's fingerprint as we keep it: unchanged, or its SHA-256 where it is too long for an index. */
export function storableFingerprint(sent: string): string {
  return sent.length <= longestFingerprint
    ? sent
    : `sha256:${createHash('sha256').update(sent).digest('hex')}`;
}

/** Reused between calls (nothing here is asynchronous): allocating costs more than hashing. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * The 64-bit state in two halves. The prime is 2^40 + 0x1b3, so that a product
 * is `state * 0x1b3` (below 2^53 per half, exact) plus the low half shifted by 40.
 */
function fnv1a64(bytes: Uint8Array, length: number): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (let i = 0; i < length; i += 1) {
    low = (low ^ (bytes[i] as number)) >>> 0;
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

const surrogate = /[\ud800-\udfff]/;

/** Sorts by UTF-8 bytes, as Go does; differs from JavaScript's order for characters beyond U+FFFF only. */
function sortByUtf8(names: string[]): void {
  if (names.some((name) => surrogate.test(name)))
    names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  else names.sort();
}
