/**
 * Keyset pages: the cursor names the last row seen, so that a page costs the same
 * however far down it is and rows that arrive meanwhile shift nothing.
 */
export type Page<Item> = { items: Item[]; nextCursor: string | null };

/** The sort key as text, and the id that breaks ties. */
export type CursorPosition = { key: string; id: string };

export function encodeCursor(position: CursorPosition): string {
  return Buffer.from(JSON.stringify([position.key, position.id])).toString('base64url');
}

/** `null` when the text is not one of our cursors. */
export function decodeCursor(text: string): CursorPosition | null {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed) || parsed.length !== 2) return null;
    const [key, id] = parsed as unknown[];
    return typeof key === 'string' && typeof id === 'string' ? { key, id } : null;
  } catch {
    return null;
  }
}

/** Cuts a page out of rows read with `limit + 1`; the extra one only tells that there is more. */
export function toPage<Row, Item>(
  rows: Row[],
  limit: number,
  item: (row: Row) => Item,
  position: (row: Row) => CursorPosition,
): Page<Item> {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return {
    items: kept.map(item),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(position(last)) : null,
  };
}
