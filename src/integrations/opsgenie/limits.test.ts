import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clipDetails, clipLine, clipTags, clipText, limits, opsgenieResponder } from './limits.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 400 });

describe('clipLine', () => {
  it('counts code points and says where it cut', () => {
    expect(clipLine('😀'.repeat(130), 130)).toBe('😀'.repeat(130));
    expect(clipLine('😀'.repeat(131), 130)).toBe(`${'😀'.repeat(129)}…`);
  });

  it('makes one clean line', () => {
    expect(clipLine('  a\u0000\nb\t c ', 130)).toBe('a b c');
  });

  it('never exceeds the limit', () => {
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 1, max: 200 }),
        (value, max) => Array.from(clipLine(value, max)).length <= max,
      ),
    );
  });
});

describe('clipText', () => {
  it('keeps line breaks and drops control characters', () => {
    expect(clipText('a\r\nb\u0000\tc', 100)).toBe('a\nb\tc');
  });

  it('never tears a pair apart', () => {
    expect(clipText('a😀😀', 3)).toBe('a…');
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 200 }), (value, max) => {
        const clipped = clipText(value, max);
        return clipped.length <= max && clipped.isWellFormed();
      }),
    );
  });
});

describe('clipTags', () => {
  it('keeps the first, drops doubles, empty ones and commas', () => {
    expect(clipTags(['mine'], ['a,b', 'a b', '', ' ', 'mine', 'c'])).toEqual(['mine', 'a b', 'c']);
  });

  it('stays within 20 of 50', () => {
    const tags = clipTags(
      ['mine'],
      Array.from({ length: 40 }, (_, at) => `${at}${'x'.repeat(60)}`),
    );
    expect(tags).toHaveLength(limits.tags);
    expect(tags[0]).toBe('mine');
    expect(Math.max(...tags.map((tag) => tag.length))).toBe(limits.tag);
  });
});

describe('clipDetails', () => {
  it('keeps what fits as it is', () => {
    expect(clipDetails({ id: '1' }, { b: 'x', id: 'other', '': 'nameless' })).toEqual({ id: '1', b: 'x' });
  });

  it('keeps a label called __proto__ a label', () => {
    const details = clipDetails({}, Object.fromEntries([['__proto__', 'x']]));
    expect(Object.entries(details)).toEqual([['__proto__', 'x']]);
  });

  it('cuts and says how many it left out', () => {
    const details = clipDetails(
      { id: '1' },
      Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`k${at}`, 'x'.repeat(5000)])),
    );
    expect(details['id']).toBe('1');
    expect(details['k0']).toHaveLength(limits.detail);
    expect(details['gomonOmitted']).toBe('6');
  });

  it('stays within the total, whatever comes', () => {
    fc.assert(
      fc.property(fc.dictionary(text, fc.string({ maxLength: 3000 }), { maxKeys: 40 }), (labels) => {
        const details = clipDetails({ gomonIncidentId: 'x'.repeat(36) }, labels);
        const total = Object.entries(details).reduce(
          (sum, [key, value]) => sum + key.length + value.length,
          0,
        );
        return total <= limits.details && details['gomonIncidentId'] !== undefined;
      }),
      { numRuns: 50 },
    );
  });
});

describe('opsgenieResponder', () => {
  it('names users by username and the others by name, ids first', () => {
    expect(opsgenieResponder({ type: 'user', name: 'ada@example.com' })).toEqual({
      type: 'user',
      username: 'ada@example.com',
    });
    expect(opsgenieResponder({ type: 'schedule', name: 'night' })).toEqual({
      type: 'schedule',
      name: 'night',
    });
    expect(opsgenieResponder({ type: 'team', id: 't1', name: 'Payments' })).toEqual({
      type: 'team',
      id: 't1',
    });
    expect(opsgenieResponder({ type: 'team' })).toBeNull();
  });
});
