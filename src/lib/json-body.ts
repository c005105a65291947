import { excerpt, found } from './found.ts';
import { jsonErrorPosition } from './json-error.ts';

/** No sender nests deeper than ten; far deeper, and whatever walks the value runs out of stack. */
const deepestJson = 100;

/** `seen` completes the sentence "expected X, but the body is …". */
export type JsonBody = { ok: true; value: unknown } | { ok: false; seen: string };

/**
 * Decodes a request body as JSON whatever its content type says: alert senders
 * label plain text as JSON and JSON as plain text. Bytes that are not UTF-8
 * become U+FFFD, as they do in Go.
 */
export function parseJsonBody(bytes: Buffer): JsonBody {
  if (isDeeperThan(bytes, deepestJson))
    return { ok: false, seen: `JSON nested deeper than the ${deepestJson} levels that are taken` };
  const text = withoutByteOrderMark(bytes.toString('utf8'));
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    return { ok: false, seen: seenText(text) };
  }
}

const quote = 0x22;
const backslash = 0x5c;

/** Looks at the bytes, brackets within texts left out; what is no JSON has some answer, too. */
function isDeeperThan(bytes: Buffer, levels: number): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) {
      at += 1;
      while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
    } else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > levels) return true;
    } else if (byte === 0x5d || byte === 0x7d) {
      depth -= 1;
    }
  }
  return false;
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
