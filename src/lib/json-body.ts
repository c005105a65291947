import { excerpt, found } from './found.ts';
import { jsonErrorPosition } from './json-error.ts';

/** `seen` completes the sentence "expected X, but the body is …". */
export type JsonBody = { ok: true; value: unknown } | { ok: false; seen: string };

/**
 * Decodes a request body as JSON whatever its content type says: alert senders
 * label plain text as JSON and JSON as plain text. Bytes that are not UTF-8
 * become U+FFFD, as they do in Go.
 */
export function parseJsonBody(bytes: Buffer): JsonBody {
  const text = withoutByteOrderMark(bytes.toString('utf8'));
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    return { ok: false, seen: seenText(text) };
  }
}

/** What a decoded body is, for the same sentence: `a JSON object with the keys a, b`. */
export function seenJson(value: unknown): string {
  return found(value).replace(/^(an?|the) (empty )?/, (_, _article, empty: string | undefined) =>
    empty === undefined ? 'a JSON ' : `an ${empty}JSON `,
  );
}

function withoutByteOrderMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function seenText(text: string): string {
  const start = text.trimStart();
  if (start === '') return 'empty';
  if (start.startsWith('{') || start.startsWith('[')) return brokenJson(text);
  if (/^<(?:!doctype|html|\?xml|[a-z])/i.test(start)) return `HTML or XML beginning ${excerpt(start)}`;
  if (/^--\S+\r?\n/.test(start) || /^[\w.%+[\]-]{1,80}=[^\s"]*(?:&|$)/.test(start)) {
    return `form data beginning ${excerpt(start)}`;
  }
  return `plain text beginning ${excerpt(start)}`;
}

function brokenJson(text: string): string {
  const at = jsonErrorPosition(text) ?? text.length;
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - (before.lastIndexOf('\n') + 1) + 1;
  const where = `position ${at} (line ${line}, column ${column})`;
  if (at >= text.length) return `JSON that breaks off at ${where}`;
  return `broken JSON: unexpected ${excerpt(text.slice(at, at + 20))} at ${where}`;
}
