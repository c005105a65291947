import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { jsonErrorPosition } from './json-error.ts';

describe('jsonErrorPosition', () => {
  it.each([
    ['{"a": 1,}', 8],
    ['{"a" 1}', 5],
    ['[1, 2', 5],
    ['{"a": tru}', 6],
    ['{"a": "b\nc"}', 8],
    ['{"a": "\\x"}', 8],
    ['{"a": "\\u12g4"}', 8],
    ['{} {}', 3],
    ['{a: 1}', 1],
    ['[1 2]', 3],
    ['[01]', 1],
    ['{"a": "', 7],
    ['', 0],
    ['[}', 1],
    ['{"a":1]', 6],
    ['"\\', 2],
  ])('%j breaks at %i', (text, at) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(jsonErrorPosition(text)).toBe(at);
  });

  it('agrees with JSON.parse on what is valid', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (json, at, noise) => {
        expect(jsonErrorPosition(json)).toBeNull();
        const cut = at % (json.length + 1);
        const text = json.slice(0, cut) + noise + json.slice(cut + 1);
        expect(jsonErrorPosition(text) === null).toBe(parses(text));
      }),
      { numRuns: 500 },
    );
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
