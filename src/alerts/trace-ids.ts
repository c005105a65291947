import type { AlertSignal } from './source.ts';

/** How many trace ids one alert keeps; the first is the primary. */
const mostTraceIds = 5;

export type FoundTrace = {
  /** 1–32 lower-case hex digits, padded as it was received. */
  id: string;
  /** Where it was found, for the decision trail: `label trace_id`, `a URL in annotation runbook_url`. */
  where: string;
};

/**
 * Trace ids an alert carries: said outright, under a known name in labels or
 * annotations, in URLs, and in text next to a marker word; in that order. The
 * same id in two forms (padded, upper case) counts once. Exemplars do not
 * arrive in any webhook, so these are all there are.
 */
export function findTraceIds(signal: Pick<AlertSignal, 'labels' | 'annotations' | 'explicit'>): FoundTrace[] {
  const found: FoundTrace[] = [];
  if (signal.explicit.traceId !== undefined)
    add(found, traceIdsIn(signal.explicit.traceId), 'the traceId of the request');
  addNamed(found, signal.labels, 'label');
  addNamed(found, signal.annotations, 'annotation');
  addFromUrls(found, signal.annotations, 'annotation');
  addFromUrls(found, signal.labels, 'label');
  for (const name of textAnnotations)
    addFromText(found, signal.annotations[name], `the text of annotation ${name}`);
  addFromText(found, signal.explicit.description, 'the description of the request');
  return found;
}

/** For comparison: padded to the 32 digits of a 128-bit id. */
export function canonicalTraceId(id: string): string {
  return id.toLowerCase().padStart(32, '0');
}

const textAnnotations = ['description', 'message', 'details', 'summary'];

function add(found: FoundTrace[], ids: readonly string[], where: string): void {
  for (const raw of ids) {
    // Also the bound for a value made of thousands of ids.
    if (found.length === mostTraceIds) return;
    const id = raw.toLowerCase();
    if (/^0*$/.test(id)) continue;
    const canonical = canonicalTraceId(id);
    if (!found.some((other) => canonicalTraceId(other.id) === canonical)) found.push({ id, where });
  }
}

/** Names of labels and annotations that hold a trace id, in lower case without `_`, `-` and `.`. */
const traceNames = new Map<string, (text: string) => string[]>([
  ['traceid', traceIdsIn],
  ['oteltraceid', traceIdsIn],
  ['jaegertraceid', traceIdsIn],
  ['exemplartraceid', traceIdsIn],
  ['xb3traceid', traceIdsIn],
  ['ddtraceid', datadogIds],
  ['ubertraceid', traceIdsIn],
  ['traceparent', traceparentIds],
  ['b3', b3Ids],
  ['xamzntraceid', traceIdsIn],
  ['xcloudtracecontext', traceIdsIn],
]);

const mayNameTrace = /trace|^b3$/i;

function addNamed(found: FoundTrace[], map: Record<string, string>, kind: string): void {
  for (const name in map) {
    if (!mayNameTrace.test(name)) continue;
    const read = traceNames.get(name.toLowerCase().replace(/[_.-]/g, ''));
    if (read !== undefined) add(found, read((map[name] as string).slice(0, longestValue)), `${kind} ${name}`);
  }
}

/** How much of one value is looked at. */
const longestValue = 16_384;

const plainHex = /^[0-9a-f]{1,32}$/i;
const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/i;
const b3Single = /^([0-9a-f]{32}|[0-9a-f]{16})-[0-9a-f]{16}(?:-[01d](?:-[0-9a-f]{16})?)?$/i;
const b3Plain = /^(?:[0-9a-f]{32}|[0-9a-f]{16})$/i;
const uber = /^([0-9a-f]{1,32}):[0-9a-f]{1,16}:[0-9a-f]{1,16}:[0-9a-f]{1,2}$/i;
const amazonRoot = /(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?![0-9a-f])/i;
const googleContext = /^([0-9a-f]{32})\/\d{1,20}(?:;o=\d)?$/i;

/** The ids in a value whose name promises a trace id: any of the known forms, or a list of them. */
function traceIdsIn(value: string): string[] {
  const amazon = amazonRoot.exec(value);
  if (amazon !== null) return [`${amazon[1]}${amazon[2]}`];
  const parts = value.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length <= 1) return parts.flatMap(oneId);
  // Words such as "a", "bad" and "dead" are hex, too: a list has nothing but ids in it, and no short ones.
  const isList = parts.every((part) => (plainHex.test(part) ? part.length >= 16 : oneId(part).length > 0));
  return isList ? parts.slice(0, 2 * mostTraceIds).flatMap(oneId) : [];
}

function oneId(value: string): string[] {
  if (plainHex.test(value)) return [value];
  if (traceparent.test(value)) return traceparentIds(value);
  const jaeger = uber.exec(value.replace(/%3a/gi, ':')) ?? googleContext.exec(value) ?? b3Single.exec(value);
  return jaeger === null ? [] : [jaeger[1] as string];
}

/** W3C Trace Context: version ff is invalid, as are ids of zeros only; later versions may append fields. */
function traceparentIds(value: string): string[] {
  const match = traceparent.exec(value.trim());
  if (match === null) return plainHex.test(value.trim()) ? [value.trim()] : [];
  const [, version, traceId, parentId, , more] = match as unknown as string[];
  const invalid = version?.toLowerCase() === 'ff' || (version === '00' && more !== undefined);
  return invalid || /^0+$/.test(parentId ?? '') ? [] : [traceId as string];
}

/** One-header b3: the id comes first; a lone `0`, `1` or `d` is a sampling decision without an id. */
function b3Ids(value: string): string[] {
  const text = value.trim();
  const match = b3Single.exec(text) ?? b3Plain.exec(text);
  return match === null ? [] : [match[1] ?? match[0]];
}

/** Datadog writes the lower 64 bits in decimal; newer tracers all 128 bits in hex. */
function datadogIds(value: string): string[] {
  const text = value.trim();
  return /^\d{1,20}$/.test(text) ? [decimalToHex(text)] : traceIdsIn(text);
}

function decimalToHex(digits: string): string {
  const id = BigInt(digits);
  return id < 1n << 64n ? id.toString(16).padStart(16, '0') : '0';
}

/** Short ids are left alone in URLs, where /trace/add is a page. */
const traceInPath = /\/traces?\/([0-9a-f]{12,32})(?![0-9a-z])/gi;
const exploreState = /[?&](?:left|panes)=([^&#\s]{1,16384})/gi;
const traceQuery = /"query"\s*:\s*"([0-9a-f]{16,32})"/gi;

function addFromUrls(found: FoundTrace[], map: Record<string, string>, kind: string): void {
  for (const name in map) {
    const value = map[name] as string;
    if (!value.includes('://')) continue;
    const text = value.slice(0, longestValue);
    const where = `a URL in ${kind} ${name}`;
    const decimal = text.includes('datadog');
    for (const [, id] of text.matchAll(traceInPath)) {
      add(
        found,
        [decimal && /^\d{12,20}$/.test(id as string) ? decimalToHex(id as string) : (id as string)],
        where,
      );
    }
    for (const [, state] of text.matchAll(exploreState)) {
      for (const [, id] of decoded(state as string).matchAll(traceQuery)) add(found, [id as string], where);
    }
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

const markedInText = /trace[_. -]?id["'`=: ]{1,8}([0-9a-f]{16,32})(?![0-9a-z])/gi;

/** Hex digits in prose are commits, digests and container ids unless a word next to them says otherwise. */
function addFromText(found: FoundTrace[], text: string | undefined, where: string): void {
  if (text === undefined) return;
  for (const [, id] of text.slice(0, longestValue).matchAll(markedInText)) add(found, [id as string], where);
}
