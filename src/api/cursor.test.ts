import { describe, expect, it } from 'vitest';
import { encodeCursor } from '../db/page.ts';
import { readCursor } from './cursor.ts';

const id = '0199f3c2-7a31-7cc4-9f0e-2b1c6d1e8a55';
const order = 'alerts createdAt desc';
const read = (key: string, other = id) => readCursor(encodeCursor(order, { key, id: other }), order, 'time');

describe('a cursor', () => {
  it.each([
    '2026-11-20 08:15:30.123456+00',
    '2026-11-20 08:15:30+00',
    '2024-02-29 23:59:59.1-03:30',
    '1901-01-01 00:00:00+00:17:30',
    '0001-01-01 00:00:00+00',
  ])('of a time as PostgreSQL writes it goes on there: %s', (key) => {
    expect(read(key)).toEqual({ key, id });
  });

  it.each([
    '2026-02-30 00:00:00+00',
    '2026-13-45 00:00:00+00',
    '2026-01-01 24:00:01+00',
    '2026-01-01 00:60:00+00',
    '999999-01-01 00:00:00+00',
    '0000-01-01 00:00:00+00',
    '2026-01-01 00:00:00+99:99',
    '2026-01-01 00:00:00+16',
    '2026-01-01 00:00:00+00:60',
    '2026-01-01T00:00:00Z',
    'infinity',
    'P1',
    '',
  ])('of no time of PostgreSQL is refused: %s', (key) => {
    expect(() => read(key)).toThrow('cursor is not one that this list gave out');
  });

  it('of another order, or without an id, is refused', () => {
    const key = '2026-11-20 08:15:30+00';
    expect(() => read(key, 'x')).toThrow('cursor');
    for (const other of ['alerts createdAt asc', 'alerts updatedAt desc', 'incidents createdAt desc'])
      expect(() => readCursor(encodeCursor(other, { key, id }), order, 'time')).toThrow('another sort');
  });
});
