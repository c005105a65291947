import { isRecord } from './fit-blocks.ts';

type Segment = string | number | Segment[];

/** What Liquid itself answers for lists and texts. */
const builtIn = new Set(['size', 'first', 'last']);

/**
 * Looks a variable's path up in an example of the data. Answers what is wrong
 * with it, for people; undefined when it is there. A part that is itself a
 * variable (`words.status[status]`) may be any key.
 */
export function unknownVariable(
  segments: readonly Segment[],
  sample: Record<string, unknown>,
): string | undefined {
  let value: unknown = sample;
  let path = '';
  for (const segment of segments) {
    if (Array.isArray(segment)) {
      value = isRecord(value) || Array.isArray(value) ? Object.values(value)[0] : undefined;
      path += '[…]';
      continue;
    }
    const step = stepInto(value, segment);
    if (!step.known) {
      const known = isRecord(value) ? Object.keys(value).join(', ') : 'nothing inside it';
      return `unknown variable ${path === '' ? segment : `${path}.${segment}`}; allowed: ${known}`;
    }
    value = step.value;
    path = path === '' ? String(segment) : `${path}.${segment}`;
  }
  return undefined;
}

function stepInto(
  value: unknown,
  segment: string | number,
): { known: true; value: unknown } | { known: false } {
  if (Array.isArray(value)) {
    if (segment === 'size') return { known: true, value: value.length };
    return typeof segment === 'number' || builtIn.has(segment)
      ? { known: true, value: value[0] }
      : { known: false };
  }
  if (typeof value === 'string' && segment === 'size') return { known: true, value: value.length };
  if (isRecord(value) && Object.hasOwn(value, segment)) return { known: true, value: value[segment] };
  return { known: false };
}
