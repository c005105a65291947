import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor, toPage } from './page.ts';

const position = { key: '2026-11-20 08:15:30.123456+00', id: '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55' };

describe('a cursor', () => {
  it('comes back as it was and fits into a query string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (key, id) => {
        const cursor = encodeCursor('time desc', { key, id });
        expect(encodeURIComponent(cursor)).toBe(cursor);
        expect(decodeCursor('time desc', cursor)).toEqual({ key, id });
      }),
    );
  });

  it('means nothing to a list of another order', () => {
    expect(decodeCursor('time asc', encodeCursor('time desc', position))).toBeNull();
  });

  it.each([
    ['nothing', ''],
    ['no base64', '%%%'],
    ['no JSON', Buffer.from('[').toString('base64url')],
    ['too little', Buffer.from('["o","a"]').toString('base64url')],
    ['too much', Buffer.from('["o","a","b","c"]').toString('base64url')],
    ['no texts', Buffer.from('["o","a",1]').toString('base64url')],
    ['an object', Buffer.from('{"key":"a","id":"b"}').toString('base64url')],
    ['null', Buffer.from('null').toString('base64url')],
  ])('that is %s is none of ours', (_name, text) => {
    expect(decodeCursor('o', text)).toBeNull();
  });

  it('never throws, whatever a stranger writes', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void decodeCursor('o', text)));
  });
});

describe('a page', () => {
  const cut = (rows: number[], limit: number) =>
    toPage(
      rows,
      limit,
      'o',
      (row) => row * 10,
      (row) => ({ ...position, id: String(row) }),
    );

  it('has no successor when nothing more was read, also when it is full', () => {
    expect(cut([], 3)).toEqual({ items: [], nextCursor: null });
    expect(cut([1, 2], 3)).toEqual({ items: [10, 20], nextCursor: null });
    expect(cut([1, 2, 3], 3)).toEqual({ items: [10, 20, 30], nextCursor: null });
  });

  it('is shorter where its rows are large, and goes on after the last one shown', () => {
    const sizes = [5_000_000, 3_000_000, 1_000_000, 9_000_000, 1];
    const seen: number[][] = [];
    for (let at = 0; at < sizes.length;) {
      const page = toPage(
        sizes.slice(at, at + 4),
        3,
        'o',
        (row) => row,
        (row) => ({ ...position, id: String(row) }),
        (row) => row,
      );
      seen.push(page.items);
      at += page.items.length;
      const next = decodeCursor('o', page.nextCursor ?? '');
      expect(next?.id).toBe(at < sizes.length ? String(page.items.at(-1)) : undefined);
    }
    expect(seen).toEqual([[5_000_000, 3_000_000], [1_000_000], [9_000_000], [1]]);
  });

  it('goes on after the last row shown, not after the extra one', () => {
    const page = cut([1, 2, 3, 4], 3);
    expect(page.items).toEqual([10, 20, 30]);
    expect(decodeCursor('o', page.nextCursor ?? '')).toEqual({ ...position, id: '3' });
  });
});
