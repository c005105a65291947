/**
 * PostgreSQL stores every character but U+0000, and no lone surrogate. Alert text
 * is whatever a sender puts into it, and it has to come back as it was: NUL is
 * written as a noncharacter pair and read back. U+FDD0 is reserved by Unicode for
 * use inside a process; where a text really holds it, it is doubled.
 */
const escape = '\uFDD0';
const needsEscape = /[\u0000\uFDD0]/;
/** The same in JSON, which writes NUL and lone surrogates as \uXXXX. */
const mayNeedEscape = /\\u(?:0000|d[89a-f])|\uFDD0/;

export function toStorable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  if (!needsEscape.test(wellFormed)) return wellFormed;
  return wellFormed.replaceAll(escape, `${escape}1`).replaceAll('\0', `${escape}0`);
}

export function fromStorable(text: string): string {
  if (!text.includes(escape)) return text;
  return text.replaceAll(`${escape}0`, '\0').replaceAll(`${escape}1`, escape);
}

export function fromStorableMap(map: Record<string, string>): Record<string, string> {
  // Nearly always there is nothing to change, and a look costs less than a copy.
  const isPlain = (text: string): boolean => !text.includes(escape);
  if (Object.keys(map).every(isPlain) && Object.values(map).every(isPlain)) return map;
  return Object.fromEntries(
    Object.entries(map).map(([name, value]) => [fromStorable(name), fromStorable(value)]),
  );
}

/** JSON text for a jsonb column: every string in it, names of properties too, made storable. */
export function toStorableJson(value: unknown): string {
  // Nearly always there is nothing to do, and one look over all of it costs less than one at each string.
  const text = JSON.stringify(value);
  return mayNeedEscape.test(text) ? JSON.stringify(mapStrings(value, toStorable)) : text;
}

/** What was read from a jsonb column, as it was before `toStorableJson`. */
export function fromStorableJson(value: unknown): unknown {
  return mapStrings(value, fromStorable);
}

function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [change(name), mapStrings(inner, change)]),
  );
}
