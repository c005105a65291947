import { describe, expect, it } from 'vitest';
import { isUuid, newId } from './ids.ts';

describe('ids', () => {
  it('sort in the order in which they were made, also within a millisecond', () => {
    const ids = Array.from({ length: 2_000 }, newId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(2_000);
    expect(ids.every(isUuid)).toBe(true);
    expect(ids[0]?.charAt(14)).toBe('7');
  });

  it.each([
    '',
    'x',
    '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a5',
    '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55 ',
    '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55\n',
    '0199f3c27a317cc49f0e2b1c6d1e8a55',
  ])('%j is none', (text) => {
    expect(isUuid(text)).toBe(false);
  });
});
