import { describe, expect, it } from 'vitest';
import { walk } from '../support/random-walk.ts';

const seeds = Array.from({ length: 12 }, (_, n) => 100 + n);

describe('long random walks through reports, people and faults', () => {
  it.each(seeds)('end with all systems saying the same (seed %i)', { timeout: 300_000 }, async (seed) => {
    const { differences, steps } = await walk({ seed, steps: 150 });
    expect(differences, steps.join('\n')).toEqual([]);
  });
});
