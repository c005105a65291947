import pg from 'pg';

const timestamptz: number = pg.types.builtins.TIMESTAMPTZ;
const readAny = pg.types.getTypeParser(timestamptz) as (text: string) => Date | number | null;
const ordinary = /^[1-9]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00$/;

/**
 * `2026-11-20 08:15:30.123456+00` as PostgreSQL writes it in UTC; microseconds are
 * cut off. An alert has a dozen times and a list up to 200 alerts, and the driver's
 * own reader takes five times as long. It has everything else: other zones, years
 * before 1000 or Christ, infinity.
 */
export function readTime(text: string): Date | number | null {
  if (!ordinary.test(text)) return readAny(text);
  const digit = (index: number): number => text.charCodeAt(index) - 48;
  const two = (index: number): number => digit(index) * 10 + digit(index + 1);
  const year = two(0) * 100 + two(2);
  return new Date(
    Date.UTC(year, two(5) - 1, two(8), two(11), two(14), two(17), milliseconds(text.slice(20, -3))),
  );
}

/** @param fraction up to six digits, or none. */
function milliseconds(fraction: string): number {
  return fraction === '' ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
}

/** For a pool: how what PostgreSQL sends is read. */
export const typeReaders: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary'): unknown =>
    oid === timestamptz && format !== 'binary'
      ? readTime
      : pg.types.getTypeParser(oid, format)) as pg.CustomTypesConfig['getTypeParser'],
};
