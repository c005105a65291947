import { z } from 'zod';
import { type CursorPosition, decodeCursor } from '../db/page.ts';
import { Id, Severity } from './contract/common.ts';
import { badRequest } from './problem.ts';

/** `timestamptz` as PostgreSQL writes it. The year 0 is none to it, and it knows no zone from 16 hours on. */
const postgresTime =
  /^(?!0000)(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)[+-](?:0\d|1[0-5])(?::[0-5]\d){0,2}$/;
/** Looks at the calendar, too: there is no 30th of February. */
const LocalTime = z.iso.datetime({ local: true });

/** By what the list is sorted; the id that breaks ties is an UUID where the database compares it. */
const looksRight = {
  time: ({ key, id }) => isPostgresTime(key) && isId(id),
  severity: ({ key, id }) => Severity.safeParse(key).success && isId(id),
  isoTime: ({ key }) => z.iso.datetime().safeParse(key).success,
  name: () => true,
} satisfies Record<string, (position: CursorPosition) => boolean>;

/**
 * Where the next page begins, or a 400: whoever makes up a cursor must not be able
 * to make PostgreSQL stumble over it.
 * @param order as the list wrote it into its cursors.
 */
export function readCursor(
  cursor: string | undefined,
  order: string,
  sortedBy: keyof typeof looksRight,
): CursorPosition | null {
  if (cursor === undefined) return null;
  const position = decodeCursor(order, cursor);
  if (position === null || !looksRight[sortedBy](position))
    throw badRequest('cursor is not one that this list gave out (or it belongs to another sort or order).');
  return position;
}

function isPostgresTime(text: string): boolean {
  const [, day, time] = postgresTime.exec(text) ?? [];
  return LocalTime.safeParse(`${day}T${time}`).success;
}

function isId(text: string): boolean {
  return Id.safeParse(text).success;
}
