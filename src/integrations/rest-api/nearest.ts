/** Names people try for a field that is called otherwise here. */
const otherNames: Record<string, string> = {
  name: 'title',
  alertname: 'title',
  summary: 'title',
  subject: 'title',
  message: 'description',
  details: 'description',
  body: 'description',
  priority: 'severity',
  level: 'severity',
  state: 'status',
  tags: 'labels',
  fingerprint: 'dedupKey',
  alias: 'dedupKey',
  dedup_key: 'dedupKey',
  deduplicationKey: 'dedupKey',
  ns: 'namespace',
  start: 'startsAt',
  timestamp: 'startsAt',
  end: 'endsAt',
  traceparent: 'traceId',
};

/** More mistakes than that are another word. */
const mostMistakes = 3;

/** The allowed name a wrong one was probably meant to be, or null. */
export function nearestName(wrong: string, allowed: readonly string[]): string | null {
  if (Object.hasOwn(otherNames, wrong)) return otherNames[wrong] as string;
  let best: string | null = null;
  let least = mostMistakes + 1;
  for (const name of allowed) {
    // A short name may not be changed altogether.
    const mistakes = distance(plain(wrong), plain(name));
    if (mistakes < least && mistakes * 2 <= name.length) {
      best = name;
      least = mistakes;
    }
  }
  return best;
}

function plain(name: string): string {
  return name.slice(0, 40).toLowerCase().replace(/[_-]/g, '');
}

/** Letters to insert, delete or replace to make one word of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
