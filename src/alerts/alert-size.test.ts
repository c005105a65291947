import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testSignal } from '../../test/support/test-signal.ts';
import { fitSignal, mostCharacters, sizeOf } from './alert-size.ts';

const texts = (count: number, length: number, prefix = 'a'): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix}${n}`, 'x'.repeat(length)]));

describe('an alert', () => {
  it('of an ordinary size stays the very same', () => {
    const signal = testSignal({ labels: texts(60, 200, 'l'), annotations: texts(20, 10_000) });
    expect(fitSignal(signal)).toEqual({ ok: true, signal, decision: null });
    expect(sizeOf(testSignal({ labels: { ab: 'c' }, annotations: { d: 'ef' }, values: { B: 1 } }))).toBe(7);
  });

  it('that is too large loses the ends of its longest texts, visibly', () => {
    const annotations = { summary: 'Disk full', ...texts(10, 60_000), runbook: 'y'.repeat(15_000) };
    const fitted = fitSignal(testSignal({ annotations, explicit: { description: 'z'.repeat(90_000) } }));
    if (!fitted.ok) throw new Error(fitted.reason);
    const { signal, decision } = fitted;
    expect(signal.annotations).toMatchObject({ summary: 'Disk full', runbook: annotations.runbook });
    const cut = /^x{21000,22500}… \[cut: the alert is too large\]$/;
    for (let n = 0; n < 10; n += 1) expect(signal.annotations[`a${n}`]).toMatch(cut);
    expect(signal.explicit.description).toMatch(/^z{21000,22500}… \[cut/);
    expect(sizeOf(signal)).toBeLessThanOrEqual(mostCharacters);
    expect(sizeOf(signal)).toBeGreaterThan(mostCharacters - 1_000);
    expect(decision).toMatchObject({ outcome: 'cut', reason: expect.stringContaining('The delivery') });
  });

  it('whose labels are too large is refused, as they say which alert it is', () => {
    const fitted = fitSignal(testSignal({ labels: texts(5, 60_000, 'l') }));
    expect(fitted).toEqual({ ok: false, reason: expect.stringMatching(/has 300010 .* at most 262144/) });
    const values = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`value-${n}`, n]));
    expect(fitSignal(testSignal({ values })).ok).toBe(false);
  });

  it('fits afterwards, whatever it was, and no text grows', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 120_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(lengths, (sizes) => {
        const annotations = Object.fromEntries(sizes.map((size, n) => [`a${n}`, '🔥'.repeat(size / 2)]));
        const fitted = fitSignal(testSignal({ annotations }));
        if (!fitted.ok) throw new Error(fitted.reason);
        expect(sizeOf(fitted.signal)).toBeLessThanOrEqual(mostCharacters);
        for (const [name, text] of Object.entries(fitted.signal.annotations)) {
          expect(text.length).toBeLessThanOrEqual(annotations[name]?.length ?? 0);
          expect(text.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });
});
