import { describe, expect, it } from 'vitest';
import { walk } from '../support/random-walk.ts';

describe('a random walk through reports, people and faults', () => {
  it.each([1, 2])('ends with all systems saying the same (seed %i)', { timeout: 90_000 }, async (seed) => {
    const { differences, steps } = await walk({ seed, steps: 60 });
    expect(differences, steps.join('\n')).toEqual([]);
  });
});
