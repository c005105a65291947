import { isObject, parseJson } from '../json.ts';
import type { JsonObject } from '../json.ts';

/** Arguments that travel JSON-encoded inside a form field. */
const encoded = new Set(['blocks', 'attachments', 'metadata', 'view']);

/**
 * The arguments of a call, from a form or from JSON. Encoded fields are decoded;
 * one that is not JSON stays the text it was, so that the method can say so.
 */
export function readArguments(
  contentType: string,
  body: string,
): JsonObject | 'invalid_json' | 'invalid_post_type' {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') {
    const parsed = body === '' ? {} : parseJson(body);
    return isObject(parsed) ? decodeFields(parsed) : 'invalid_json';
  }
  if (type === 'application/x-www-form-urlencoded' || (type === '' && body === '')) {
    return decodeFields(Object.fromEntries(new URLSearchParams(body)));
  }
  return 'invalid_post_type';
}

export function decodeFields(args: JsonObject): JsonObject {
  const decoded: JsonObject = {};
  for (const [name, value] of Object.entries(args)) {
    const parsed =
      encoded.has(name) && typeof value === 'string' && value !== '' ? parseJson(value) : undefined;
    decoded[name] = parsed === undefined ? value : parsed;
  }
  return decoded;
}

/** A text argument; numbers count, as everything is text in a form. Empty counts as absent. */
export function textArg(args: JsonObject, name: string): string | undefined {
  const value = args[name];
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function flagArg(args: JsonObject, name: string): boolean {
  return ['true', '1', true, 1].includes(args[name] as string | boolean | number);
}

/** A count within bounds, the default when absent, or null when it is none. */
export function countArg(args: JsonObject, name: string, standard: number, max: number): number | null {
  const given = textArg(args, name);
  if (given === undefined) return standard;
  const count = Number(given);
  return Number.isInteger(count) && count >= 1 && count <= max ? count : null;
}

/** True when the argument is there at all: null and '' are not. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}
