import { type Answer, unprocessable } from './answer.ts';
import type { SandboxAlert, SandboxIncident } from './state.ts';

type Searchable = SandboxAlert | SandboxIncident;

/**
 * The list calls: `query` (`field: value` joined by AND), `offset`, `limit`,
 * `order`. The index sees new things late and compares words, not whole texts,
 * so `tag: "a-b"` also finds the tag `a-b-c`.
 */
export function search<T extends Searchable>(
  all: T[],
  query: URLSearchParams,
  listUrl: string,
  show: (item: T) => Record<string, unknown>,
): Answer {
  const limit = Number(query.get('limit') ?? 20);
  const offset = Number(query.get('offset') ?? 0);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    return unprocessable({ limit: 'limit should be between 1 and 100.' });
  if (!Number.isInteger(offset) || offset < 0 || offset + limit > 20_000) {
    return unprocessable({ offset: 'sum of offset and limit should be less than 20000.' });
  }
  const terms = readQuery(query.get('query') ?? '');
  if (terms === null) return unprocessable({ query: 'query could not be parsed.' });

  const indexed = all.filter((item) => item.unseenSearches === 0);
  for (const item of all) item.unseenSearches = Math.max(0, item.unseenSearches - 1);
  const hits = indexed
    .filter((item) => terms.every(({ field, value }) => matches(item, field, value)))
    .toSorted((a, b) => (query.get('order') === 'asc' ? 1 : -1) * (a.createdAtMs - b.createdAtMs));
  const page = hits.slice(offset, offset + limit);
  const link = (at: number) => {
    const next = new URLSearchParams(query);
    next.set('offset', String(at));
    next.set('limit', String(limit));
    return `${listUrl}?${next.toString()}`;
  };
  const paging = {
    ...(offset + limit < hits.length && { next: link(offset + limit) }),
    first: link(0),
    last: link(hits.length),
  };
  return { status: 200, body: { totalCount: hits.length, data: page.map(show), paging } };
}

type Term = { field: string; value: string };

/** Null for what this fake does not understand: better refused than silently matching everything. */
function readQuery(query: string): Term[] | null {
  if (query.trim() === '') return [];
  const terms: Term[] = [];
  for (const part of query.split(/\s+AND\s+/i)) {
    const found = /^\s*([\w.]+)\s*[:=]\s*(?:"([^"]*)"|(\S+))\s*$/.exec(part);
    const field = found?.[1];
    if (!field || !(field in fields)) return null;
    terms.push({ field, value: found[2] ?? found[3] ?? '' });
  }
  return terms;
}

const fields: Record<string, (item: Searchable) => string[]> = {
  id: (item) => [item.id],
  tinyId: (item) => [item.tinyId],
  message: (item) => [item.message],
  description: (item) => [item.description],
  status: (item) => [item.status],
  priority: (item) => [item.priority],
  tag: (item) => item.tags,
  alias: (item) => ('alias' in item ? [item.alias] : []),
  owner: (item) => ('owner' in item ? [item.owner] : []),
  'details.key': (item) => Object.keys(item.details),
  'details.value': (item) => Object.values(item.details),
};

function matches(item: Searchable, field: string, value: string): boolean {
  const wanted = words(value);
  return (fields[field]?.(item) ?? []).some((text) => {
    const has = new Set(words(text));
    return wanted.every((word) => has.has(word));
  });
}

function words(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}
