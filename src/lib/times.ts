/**
 * Times as alert senders write them: RFC 3339 with 0–9 digits of a second and
 * any offset, also without its colon (AWS).
 */
const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:[Zz]|[+-]\d\d:?\d\d)$/;

/** `null`: not given. That is also what year 1 (Go's zero time), 1970 (Unix zero) and an empty text mean. */
export type TimeResult = { ok: true; time: Date | null } | { ok: false };

/** Reads a time; digits beyond the millisecond are dropped. */
export function readTime(value: unknown): TimeResult {
  if (value === undefined || value === null || value === '') return { ok: true, time: null };
  if (typeof value !== 'string' || !rfc3339.test(value)) return { ok: false };
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) return { ok: false };
  return { ok: true, time: ms <= 0 ? null : new Date(ms) };
}

/** The same where a time that cannot be read is as good as none. */
export function timeOrNull(value: unknown): Date | null {
  const result = readTime(value);
  return result.ok ? result.time : null;
}
