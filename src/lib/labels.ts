import { excerpt, found, isObject } from './found.ts';

/** Far above what rules have, far below what would hurt: one alert must not fill a page of the table. */
export const labelLimits = { entries: 1_000, nameLength: 1_024, valueLength: 65_536 };

export type LabelsResult = { ok: true; labels: Record<string, string> } | { ok: false; reason: string };

/**
 * Reads a map of names to texts from decoded JSON. Missing maps are empty,
 * numbers and booleans become their text, null means absent. Half surrogate
 * pairs become U+FFFD, because PostgreSQL refuses them in jsonb; NUL is left
 * to storage. Anything nested is refused, or kept as JSON text where that does
 * no harm (`nested: 'as-text'`: annotations are not part of an identity).
 *
 * A name such as `__proto__` is a name like any other: it stays an own
 * property and never touches the prototype.
 */
export function readLabels(
  value: unknown,
  path: string,
  nested: 'refuse' | 'as-text' = 'refuse',
): LabelsResult {
  if (value === undefined || value === null) return { ok: true, labels: {} };
  if (!isObject(value))
    return { ok: false, reason: `${path}: expected an object of texts, found ${found(value)}` };
  const excess = findExcess(value);
  if (excess !== null) return { ok: false, reason: `${path}${excess}` };
  if (allSound(value)) return { ok: true, labels: value };

  const labels: Record<string, string> = {};
  for (const [name, raw] of Object.entries(value)) {
    if (raw === null) continue;
    const text = asText(raw, nested);
    if (text === null)
      return { ok: false, reason: `${path}.${name.toWellFormed()}: expected a text, found ${found(raw)}` };
    setLabel(labels, name.toWellFormed(), text);
  }
  return { ok: true, labels };
}

/** Sets an own property whatever its name. */
export function setLabel(labels: Record<string, string>, name: string, value: string): void {
  if (name === '__proto__') {
    Object.defineProperty(labels, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    labels[name] = value;
  }
}

/** The text under a name, or undefined; never something inherited. */
export function label(labels: Record<string, string>, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** The characters of all names and texts. */
export function sizeOfTexts(labels: Record<string, string>): number {
  let size = 0;
  for (const name in labels) size += name.length + (labels[name]?.length ?? 0);
  return size;
}

/** Where a map is larger than the limits, completing the path; null where it is not. */
function findExcess(value: Record<string, unknown>): string | null {
  let count = 0;
  for (const name in value) {
    count += 1;
    if (name.length > labelLimits.nameLength) {
      return `: a name has ${name.length} characters (${excerpt(name)}); at most ${labelLimits.nameLength} are taken`;
    }
    const text = value[name];
    if (typeof text === 'string' && text.length > labelLimits.valueLength) {
      return `.${name.toWellFormed()}: ${text.length} characters; at most ${labelLimits.valueLength} are taken`;
    }
  }
  return count > labelLimits.entries ? `: ${count} entries; at most ${labelLimits.entries} are taken` : null;
}

/** The usual case, in which the decoded object can be kept as it is. */
function allSound(value: Record<string, unknown>): value is Record<string, string> {
  for (const name in value) {
    const text = value[name];
    if (typeof text !== 'string' || !text.isWellFormed() || !name.isWellFormed()) return false;
  }
  return true;
}

function asText(raw: unknown, nested: 'refuse' | 'as-text'): string | null {
  if (typeof raw === 'string') return raw.toWellFormed();
  if (typeof raw === 'number' || typeof raw === 'boolean') return String(raw);
  if (nested === 'refuse') return null;
  try {
    const text = JSON.stringify(raw);
    return text.length > labelLimits.valueLength ? null : text;
  } catch {
    return null; // nested deeper than the stack allows
  }
}
