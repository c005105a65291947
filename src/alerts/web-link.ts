import type { Link } from './alert.ts';

/** Silence links of an alert with many labels are long; beyond this nobody would click. */
const longestUrl = 8_192;

const unsafe = /[\s<>"'`|\\\u0000-\u001f\u007f]/;

/**
 * A link people may be shown, or null: absolute http(s) only. Senders put
 * `javascript:`, relative paths, empty texts and "TODO" into the same fields.
 * Characters that could break out of markup come percent-encoded.
 */
export function webLink(rel: Link['rel'], raw: unknown): Link | null {
  if (typeof raw !== 'string' || raw.length > longestUrl || !/^\s*https?:\/\//i.test(raw)) return null;
  const url = URL.parse(raw);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  if (!unsafe.test(raw)) return { rel, url: raw };
  const encoded = url.href.replace(/['`|\\]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return { rel, url: encoded };
}

/** The links among the candidates, in their order, each relation once: the first that is usable. */
export function webLinks(candidates: readonly (readonly [rel: Link['rel'], raw: unknown])[]): Link[] {
  const links: Link[] = [];
  for (const [rel, raw] of candidates) {
    if (links.some((link) => link.rel === rel)) continue;
    const link = webLink(rel, raw);
    if (link !== null) links.push(link);
  }
  return links;
}
