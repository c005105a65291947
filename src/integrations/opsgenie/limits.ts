import type { Responder } from '../../incidents/provider.ts';

/**
 * Opsgenie's field limits. What it does with longer values differs by field and
 * is not documented, so they are cut here, visibly.
 * https://docs.opsgenie.com/docs/alert-api
 */
export const limits = {
  message: 130,
  description: 15_000,
  note: 25_000,
  tags: 20,
  tag: 50,
  details: 8000,
  /** Our own, so that one long value does not crowd out the others. */
  detail: 2000,
  entity: 512,
  source: 100,
  user: 100,
  responders: 50,
} as const;

/** One line of at most `max` code points; '…' ends what was cut. */
export function clipLine(value: string, max: number): string {
  const points = Array.from(clean(value).replaceAll(/\s+/g, ' ').trim());
  return points.length <= max
    ? points.join('')
    : `${points
        .slice(0, max - 1)
        .join('')
        .trimEnd()}…`;
}

/** At most `max` UTF-16 units (so also code points), line breaks kept, no pair torn apart. */
export function clipText(value: string, max: number): string {
  const cleaned = clean(value);
  return cleaned.length <= max
    ? cleaned
    : `${cleaned
        .slice(0, max - 1)
        .toWellFormed()
        .replace(/\uFFFD$/, '')}…`;
}

/** Distinct, not empty, without commas: the vendor lists tags as one comma-joined text when it removes them. `first` are never dropped. */
export function clipTags(first: string[], tags: string[]): string[] {
  const clipped = [...first, ...tags]
    .map((tag) => clipLine(tag.replaceAll(',', ' '), limits.tag))
    .filter((tag) => tag !== '');
  return [...new Set(clipped)].slice(0, limits.tags);
}

const omittedKey = 'gomonOmitted';

/**
 * Key-value pairs within the total, in their order. A value that no longer fits
 * is cut; the pairs after it are counted under `gomonOmitted`.
 */
export function clipDetails(
  first: Record<string, string>,
  details: Record<string, string>,
): Record<string, string> {
  const wanted = [
    ...Object.entries(first),
    ...Object.entries(details).filter(([key]) => !Object.hasOwn(first, key)),
  ];
  const kept: [string, string][] = [];
  // Room for the note about what was left out.
  let left = limits.details - omittedKey.length - 6;
  for (const [rawKey, rawValue] of wanted) {
    const key = clipLine(rawKey, 100);
    if (key === '') continue;
    const value = clipText(rawValue, Math.max(Math.min(left - key.length, limits.detail), 1));
    if (key.length + value.length > left) break;
    kept.push([key, value]);
    left -= key.length + value.length;
  }
  const omitted = wanted.filter(([key]) => clipLine(key, 100) !== '').length - kept.length;
  // fromEntries defines properties: a label called "__proto__" stays a label.
  return Object.fromEntries(omitted > 0 ? [...kept, [omittedKey, String(omitted)]] : kept);
}

export type OpsgenieResponder = { type: Responder['type']; id?: string; name?: string; username?: string };

/** Null for one without id and name. A user's name is called `username` there. */
export function opsgenieResponder(responder: Responder): OpsgenieResponder | null {
  const { type, id, name } = responder;
  if (id) return { type, id };
  if (!name) return null;
  return type === 'user' ? { type, username: name } : { type, name };
}

/** Control characters but tab and line feed say nothing and some JSON readers refuse NUL. */
function clean(value: string): string {
  return value
    .toWellFormed()
    .replaceAll('\r\n', '\n')
    .replaceAll(/[\u0000-\u0008\u000B-\u001F\u007F]/g, '');
}
