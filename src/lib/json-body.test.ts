import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseJsonBody, seenJson } from './json-body.ts';

const seen = (text: string) => {
  const body = parseJsonBody(Buffer.from(text));
  return body.ok ? 'fine' : body.seen;
};

describe('parseJsonBody', () => {
  it.each([
    ['{"a":1}', 'fine'],
    ['\ufeff{"a":1}', 'fine'],
    ['', 'empty'],
    [' \n', 'empty'],
    ['{"a":1,\n "b":}', 'broken JSON: unexpected "}" at position 13 (line 2, column 6)'],
    ['{"a":', 'JSON that breaks off at position 5 (line 1, column 6)'],
    ['<!DOCTYPE html><p>', 'HTML or XML beginning "<!DOCTYPE html><p>"'],
    ['payload=%7B%7D', 'form data beginning "payload=%7B%7D"'],
    ['title=a&text=b', 'form data beginning "title=a&text=b"'],
    [
      '--b\r\nContent-Disposition: form-data',
      'form data beginning "--b\\r\\nContent-Disposition: form-data"',
    ],
    ['**Firing** \u0000x', 'plain text beginning "**Firing** \\u0000x"'],
    [`x${'y'.repeat(100)}`, `plain text beginning "x${'y'.repeat(59)}"…`],
  ])('%j is %s', (text, expected) => {
    expect(seen(text)).toBe(expected);
  });

  it('takes bytes that are no UTF-8 as Go does', () => {
    expect(parseJsonBody(Buffer.from([0x22, 0xff, 0x22]))).toEqual({ ok: true, value: '\ufffd' });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => typeof parseJsonBody(Buffer.from(bytes)).ok === 'boolean'),
    );
  });

  it.each([
    [{ a: 1, 'b c': 2 }, 'a JSON object with the keys a, "b c"'],
    [
      Object.fromEntries('abcdefghij'.split('').map((k) => [k, 1])),
      'a JSON object with the keys a, b, c, d, e, f, g, h and 2 more',
    ],
    [[1, 2], 'a JSON array of 2'],
    [[], 'an empty JSON array'],
    ['x', 'a JSON text "x"'],
    [5, 'a JSON number 5'],
    [null, 'null'],
  ])('names a value: %j', (value, expected) => {
    expect(seenJson(value)).toBe(expected);
  });
});

describe('the depth of a body', () => {
  const nested = (levels: number): Buffer => Buffer.from(`${'['.repeat(levels)}${']'.repeat(levels)}`);
  it('may be a hundred levels, and no more', () => {
    expect(parseJsonBody(nested(100)).ok).toBe(true);
    expect(parseJsonBody(nested(101))).toEqual({
      ok: false,
      seen: 'JSON nested deeper than the 100 levels that are taken',
    });
    expect(parseJsonBody(nested(1_000_000)).ok).toBe(false);
  });

  it('does not count brackets in texts', () => {
    const text = `${'[{'.repeat(200)}\\"${'['.repeat(200)}`;
    expect(parseJsonBody(Buffer.from(JSON.stringify({ text, [text]: 1 })))).toMatchObject({ ok: true });
  });
});
