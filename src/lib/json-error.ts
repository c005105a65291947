/**
 * Where a text stops being JSON. `JSON.parse` names a position for some
 * mistakes only, so a refused body is scanned once more to tell its sender.
 */

/** Index of the first character that cannot stand there; the length when the text merely ends too early; null for valid JSON. */
export function jsonErrorPosition(text: string): number | null {
  // One entry per open bracket: true for an object, false for an array.
  const open: boolean[] = [];
  let at = skipSpace(text, 0);
  let expect: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'comma-or-end' = 'value';
  for (;;) {
    if (expect === 'comma-or-end' && open.length === 0) return at === text.length ? null : at;
    const char = text[at];
    if (char === undefined) return at;
    const inObject = open.at(-1);
    if (expect === 'key' || (expect === 'key-or-end' && char !== '}')) {
      if (char !== '"') return at;
      const [ok, end] = skipString(text, at);
      if (!ok) return end;
      at = skipSpace(text, end);
      if (text[at] !== ':') return at;
      at = skipSpace(text, at + 1);
      expect = 'value';
    } else if (expect === 'value' || (expect === 'value-or-end' && char !== ']')) {
      if (char === '{' || char === '[') {
        open.push(char === '{');
        at = skipSpace(text, at + 1);
        expect = char === '{' ? 'key-or-end' : 'value-or-end';
        continue;
      }
      const [ok, end] = char === '"' ? skipString(text, at) : skipPlain(text, at);
      if (!ok) return end;
      at = skipSpace(text, end);
      expect = 'comma-or-end';
    } else if (char === ',' && expect === 'comma-or-end') {
      at = skipSpace(text, at + 1);
      expect = inObject === true ? 'key' : 'value';
    } else if (char === (inObject === true ? '}' : ']')) {
      open.pop();
      at = skipSpace(text, at + 1);
      expect = 'comma-or-end';
    } else {
      return at;
    }
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at += 1;
  return at;
}

const fourHex = /[0-9a-f]{4}/iy;

/** Whether the string that opens at `from` is sound, and where it ends or breaks. */
function skipString(text: string, from: number): [ok: boolean, at: number] {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return [true, at + 1];
    if (code < 0x20) return [false, at];
    if (code !== 0x5c) continue;
    at += 1;
    const escape = text[at];
    if (escape === undefined) return [false, at];
    if (escape === 'u') {
      fourHex.lastIndex = at + 1;
      if (!fourHex.test(text)) return [false, at];
      at += 4;
    } else if (!'"\\/bfnrt'.includes(escape)) {
      return [false, at];
    }
  }
  return [false, text.length];
}

const plain = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;

function skipPlain(text: string, from: number): [ok: boolean, at: number] {
  plain.lastIndex = from;
  return plain.test(text) ? [true, plain.lastIndex] : [false, from];
}
