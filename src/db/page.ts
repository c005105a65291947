/**
 * Keyset pages: the cursor names the last row seen, so that a page costs the same
 * however far down it is and rows that arrive meanwhile shift nothing.
 */
export type Page<Item> = { items: Item[]; nextCursor: string | null };

/** The sort key as text, and the id that breaks ties. */
export type CursorPosition = { key: string; id: string };

/** @param order list, sort and direction, such as `alerts createdAt desc`: a cursor means nothing to another. */
export function encodeCursor(order: string, position: CursorPosition): string {
  return Buffer.from(JSON.stringify([order, position.key, position.id])).toString('base64url');
}

/** `null` when the text is not one of our cursors, or one of another order. */
export function decodeCursor(order: string, text: string): CursorPosition | null {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed) || parsed.length !== 3) return null;
    const [itsOrder, key, id] = parsed as unknown[];
    return itsOrder === order && typeof key === 'string' && typeof id === 'string' ? { key, id } : null;
  } catch {
    return null;
  }
}

/** What a page may hold in all, as its rows measure themselves. A few thousand ordinary alerts. */
export const largestPage = 8_388_608;

/**
 * Cuts a page out of rows read with `limit + 1`; the extra one only tells that there is more.
 * @param size of a row, in characters: a page of large ones is shorter than asked for, never empty.
 */
export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  order: string,
  item: (row: Row) => Item,
  position: (row: Row) => CursorPosition,
  size: (row: Row) => number = () => 0,
): Page<Item> {
  const kept = fitting(rows.slice(0, limit), size);
  const last = kept.at(-1);
  return {
    items: kept.map(item),
    nextCursor: rows.length > kept.length && last !== undefined ? encodeCursor(order, position(last)) : null,
  };
}

function fitting<Row>(rows: Row[], size: (row: Row) => number): Row[] {
  let total = 0;
  const end = rows.findIndex((row, index) => {
    total += size(row);
    return index > 0 && total > largestPage;
  });
  return end === -1 ? rows : rows.slice(0, end);
}
