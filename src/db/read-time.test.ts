import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { readTime } from './read-time.ts';

const driver = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (
  text: string,
) => Date | number | null;

describe('reading a time of PostgreSQL', () => {
  it.each([
    ['2026-11-20 08:15:30+00', '2026-11-20T08:15:30.000Z'],
    ['2026-11-20 08:15:30.1+00', '2026-11-20T08:15:30.100Z'],
    ['2026-11-20 08:15:30.02+00', '2026-11-20T08:15:30.020Z'],
    ['2026-11-20 08:15:30.003999+00', '2026-11-20T08:15:30.003Z'],
    ['2024-02-29 23:59:59.999999+00', '2024-02-29T23:59:59.999Z'],
    ['2026-11-20 08:15:30+05:30', '2026-11-20T02:45:30.000Z'],
    ['0099-01-02 03:04:05+00', '0099-01-02T03:04:05.000Z'],
    ['10000-01-02 03:04:05+00', '+010000-01-02T03:04:05.000Z'],
  ])('%s', (text, time) => {
    expect(readTime(text)).toEqual(new Date(time));
  });

  it('leaves infinity to the driver', () => {
    expect(readTime('infinity')).toBe(Number.POSITIVE_INFINITY);
  });

  it('reads what the driver reads', () => {
    const zone = fc.constantFrom('+00', '+02', '-07', '+05:30');
    const fraction = fc.constantFrom('', '.5', '.25', '.125', '.0625', '.999999');
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fraction, zone, (date, digits, offset) => {
        const text = `${date.toISOString().slice(0, 19).replace('T', ' ')}${digits}${offset}`;
        expect(readTime(text)).toEqual(driver(text));
      }),
      { numRuns: 1_000 },
    );
  });
});
