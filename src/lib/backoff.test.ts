import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

describe('the pause before the next try', () => {
  it('doubles from a second to a minute', () => {
    const pauses = [0, 1, 2, 3, 4, 5, 6, 7, 100].map((attempts) => backoffMs(attempts, () => 0));
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('is only ever lengthened by chance, by a quarter at most', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat({ max: 1_000_000 }), chance, (attempts, random) => {
        const least = backoffMs(attempts, () => 0);
        const pause = backoffMs(attempts, () => random);
        expect(pause).toBeGreaterThanOrEqual(least);
        expect(pause).toBeLessThanOrEqual(least * 1.25);
        expect(Number.isInteger(pause)).toBe(true);
      }),
    );
  });
});
