import { nearest } from '../../lib/nearest.ts';

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

/** The allowed name a wrong one was probably meant to be, or null. */
export function meantField(wrong: string, allowed: readonly string[]): string | null {
  if (Object.hasOwn(otherNames, wrong)) return otherNames[wrong] ?? null;
  return nearest(wrong.slice(0, 40), allowed) ?? null;
}
