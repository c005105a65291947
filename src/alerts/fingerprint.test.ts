import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { labelsFingerprint, storableFingerprint } from './fingerprint.ts';

/** The definition, slow and plain. */
function byBigInt(labels: Record<string, string>): string {
  const names = Object.keys(labels).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  let hash = 0xcbf29ce484222325n;
  for (const name of names) {
    for (const byte of [...Buffer.from(name), 0xff, ...Buffer.from(labels[name] as string), 0xff]) {
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    }
  }
  return hash.toString(16).padStart(16, '0');
}

const labelMaps = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }));

describe('labelsFingerprint', () => {
  it.each([
    // What every Grafana in the world sends for its test button.
    [{ alertname: 'TestAlert', instance: 'Grafana' }, '57c6d9296de2ad39'],
    // FNV-1a of nothing is its offset basis.
    [{}, 'cbf29ce484222325'],
  ])('of %j is %s', (labels, expected) => {
    expect(labelsFingerprint(labels)).toBe(expected);
  });

  it('does what its definition says', () => {
    fc.assert(fc.property(labelMaps, (labels) => labelsFingerprint(labels) === byBigInt(labels)));
  });

  it('does not depend on the order of the labels', () => {
    fc.assert(
      fc.property(labelMaps, (labels) => {
        const reversed = Object.fromEntries(Object.entries(labels).toReversed());
        expect(labelsFingerprint(reversed)).toBe(labelsFingerprint(labels));
      }),
    );
  });

  it('sorts as Go does, by bytes and not by UTF-16 units', () => {
    const labels = { '\ufffd': '1', '\u{1f525}': '2' };
    expect(labelsFingerprint(labels)).toBe(byBigInt(labels));
  });

  it('leaves replica labels out', () => {
    const labels = { alertname: 'Down', prometheus_replica: 'prometheus-0' };
    expect(labelsFingerprint(labels, ['prometheus_replica'])).toBe(labelsFingerprint({ alertname: 'Down' }));
    expect(labelsFingerprint(labels)).not.toBe(labelsFingerprint({ alertname: 'Down' }));
  });

  it('takes labels larger than its scratch space', () => {
    const labels = { alertname: 'Big', text: 'ä'.repeat(100_000) };
    expect(labelsFingerprint(labels)).toBe(byBigInt(labels));
  });
});

describe('storableFingerprint', () => {
  it('keeps what fits an index and hashes what does not', () => {
    expect(storableFingerprint('gmp-test-alert-12345')).toBe('gmp-test-alert-12345');
    expect(storableFingerprint('x'.repeat(256))).toBe('x'.repeat(256));
    expect(storableFingerprint('x'.repeat(257))).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(storableFingerprint('x'.repeat(257))).not.toBe(storableFingerprint('x'.repeat(258)));
  });
});
