import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromStorable, fromStorableJson, fromStorableMap, toStorable, toStorableJson } from './text.ts';

/** Texts in which what needs care is frequent. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\0', '\uFDD0', '0', '1', '\uD800', '\uDFFF', '😀', '\\', '"'),
    fc.string({ unit: 'binary', maxLength: 2 }),
  ),
  maxLength: 30,
});

describe('text for the database', () => {
  it('comes back as it was, but for half characters', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(fromStorable(toStorable(text))).toBe(text.toWellFormed());
      }),
      { numRuns: 1_000 },
    );
  });

  it('holds nothing that PostgreSQL refuses', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(toStorable(text)).not.toContain('\0');
        expect(toStorable(text).isWellFormed()).toBe(true);
      }),
    );
  });

  it('keeps different texts different', () => {
    fc.assert(
      fc.property(nasty, nasty, (a, b) => {
        expect(toStorable(a) === toStorable(b)).toBe(a.toWellFormed() === b.toWellFormed());
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['plain text stays the very same', 'disk full: 98 %', 'disk full: 98 %'],
    ['NUL', 'a\0b', 'a\uFDD00b'],
    ['the escape itself', 'a\uFDD0b', 'a\uFDD01b'],
    ['the escape before a digit', '\uFDD00\uFDD01', '\uFDD010\uFDD011'],
    ['a lone half of a pair', 'a\uD83Db', 'a\uFFFDb'],
    ['a whole pair', '😀', '😀'],
  ])('%s', (_name, text, stored) => {
    expect(toStorable(text)).toBe(stored);
  });

  it('maps are kept name by name, whatever the names', () => {
    const map = Object.fromEntries([
      ['__proto__', 'a'],
      ['constructor', 'b\0'],
      ['\0', 'c'],
      ['', ''],
    ]);
    const stored = JSON.parse(toStorableJson(map)) as Record<string, string>;
    expect(JSON.stringify(stored)).not.toContain(String.raw`\u0000`);
    const back = fromStorableMap(stored);
    expect(Object.entries(back)).toEqual(Object.entries(map));
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  it('JSON says of a text what the text alone says', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(JSON.parse(toStorableJson({ [text]: [text] }))).toEqual({
          [toStorable(text)]: [toStorable(text)],
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('JSON is kept to its depths, names and values', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: fc.constantFrom('a', '0', '\0', '\uFDD0') }), (value) => {
        const stored = toStorableJson(value);
        expect(stored).not.toContain(String.raw`\u0000`);
        expect(fromStorableJson(JSON.parse(stored))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
