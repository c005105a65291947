/** Words for error messages: what a stranger sent us, short enough to read and safe to print. */

/** The beginning of a text in double quotes, control characters escaped, at most `max` characters of it. */
export function excerpt(text: string, max = 60): string {
  if (text.length <= max) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, max).toWellFormed())}…`;
}

/** Names a decoded JSON value: `nothing`, `null`, `the number 3`, `the text "up"`, `an array of 2`. */
export function found(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'string':
      return value === '' ? 'an empty text' : `the text ${excerpt(value)}`;
    case 'number':
    case 'boolean':
      return `the ${typeof value} ${String(value)}`;
    default:
      if (value === null) return 'null';
      if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`;
      return foundObject(value as object);
  }
}

/** How many keys of an object are worth naming before the reader has recognised it. */
const namedKeys = 8;

function foundObject(value: object): string {
  const keys = Object.keys(value);
  if (keys.length === 0) return 'an empty object';
  const named = keys.slice(0, namedKeys).map((key) => (/^[\w.-]{1,40}$/.test(key) ? key : excerpt(key, 40)));
  const rest = keys.length - named.length;
  return `an object with the keys ${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** A decoded JSON object, as opposed to null, an array or a plain value. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
