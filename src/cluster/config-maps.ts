import { createHash } from 'node:crypto';
import type { KubeObject } from './cluster-view.ts';
import { isTerminating } from './fields.ts';
import { isIgnored } from './scene.ts';

/**
 * What is known of a ConfigMap without knowing what is in it: a hash for each key
 * (specification §2.8). Pure: who reads, hashes with `hashesOf` at once and drops
 * the values.
 */
export type ConfigHashes = {
  /** By name of the key, sorted; the first `mostKeys`. */
  keys: [name: string, hash: string][];
  /** Of all further keys together; null: there are none. */
  rest: string | null;
  /** Of all of it: names and hashes. */
  whole: string;
};

/** What changed since a ConfigMap was as people last knew it. */
export type ConfigChange = {
  /** Of the first and the last time it was seen to be another one, by the server's clock. */
  firstAt: Date;
  at: Date;
  times: number;
  changed: string[];
  added: string[];
  removed: string[];
  /** Something beyond the keys that are kept apart. */
  isRestChanged: boolean;
  writer: ConfigWriter | null;
};

/** Who last wrote values, as `managedFields` tell. */
export type ConfigWriter = { manager: string; at: Date };

export type ConfigRecord = {
  namespace: string;
  name: string;
  uid: string;
  version: string;
  hashes: ConfigHashes;
  /** The last one. */
  change: ConfigChange | null;
};

/** A ConfigMap as it was read: only what may be kept of it. */
export type ReadConfigMap = Pick<ConfigRecord, 'uid' | 'version' | 'hashes'> & {
  writer: ConfigWriter | null;
};

/** More keys than this are told apart only as a whole. */
const mostKeys = 256;
/** 128 bits of SHA-256. */
const hashLength = 32;

export function hashesOf(data: Record<string, unknown>, binaryData: Record<string, unknown>): ConfigHashes {
  const all = [...Object.entries(data), ...Object.entries(binaryData)]
    .map(([name, value]): [string, string] => [name, sha256(String(value))])
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const further = all.slice(mostKeys);
  return {
    keys: all.slice(0, mostKeys),
    rest: further.length === 0 ? null : sha256(JSON.stringify(further)),
    whole: sha256(JSON.stringify(all)),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, hashLength);
}

/**
 * The record after a read. What was never seen before is taken as it is; what
 * changes again within `withinMs` is added to the change that people see.
 */
export function noteRead(
  known: ConfigRecord | undefined,
  of: { namespace: string; name: string },
  read: ReadConfigMap,
  context: { now: Date; withinMs: number; isIgnoredWriter: (manager: string) => boolean },
): ConfigRecord {
  const { uid, version, hashes, writer } = read;
  const { namespace, name } = of;
  const record = { namespace, name, uid, version, hashes, change: known?.change ?? null };
  if (known === undefined || known.hashes.whole === hashes.whole) return record;
  if (writer !== null && context.isIgnoredWriter(writer.manager)) return record;
  return { ...record, change: changeOf(known, hashes, writer, context) };
}

function changeOf(
  known: ConfigRecord,
  hashes: ConfigHashes,
  writer: ConfigWriter | null,
  { now, withinMs }: { now: Date; withinMs: number },
): ConfigChange {
  const previous = known.change;
  const isSame = previous !== null && now.getTime() - previous.at.getTime() <= withinMs;
  const keys = new Map<string, 'changed' | 'added' | 'removed'>();
  if (isSame) {
    for (const kind of ['changed', 'added', 'removed'] as const)
      for (const key of previous[kind]) keys.set(key, kind);
  }
  const before = new Map(known.hashes.keys);
  const after = new Map(hashes.keys);
  // Where the keys that are kept apart end depends on all of them: what may only have moved there is not named.
  const lastBefore = lastApart(known.hashes);
  const lastAfter = lastApart(hashes);
  const isApart = (key: string, last: string | null): boolean => last === null || key <= last;
  for (const [key, hash] of after) {
    const old = before.get(key);
    if (old === hash || (old === undefined && !isApart(key, lastBefore))) continue;
    const earlier = keys.get(key);
    if (old !== undefined) keys.set(key, earlier === 'added' ? 'added' : 'changed');
    else keys.set(key, earlier === 'removed' ? 'changed' : 'added');
  }
  for (const key of before.keys()) {
    if (after.has(key) || !isApart(key, lastAfter)) continue;
    if (keys.get(key) === 'added') keys.delete(key);
    else keys.set(key, 'removed');
  }
  const named = (kind: string): string[] =>
    [...keys].flatMap(([key, is]) => (is === kind ? [key] : [])).toSorted();
  return {
    firstAt: isSame ? previous.firstAt : now,
    at: now,
    times: isSame ? previous.times + 1 : 1,
    changed: named('changed'),
    added: named('added'),
    removed: named('removed'),
    isRestChanged: (isSame && previous.isRestChanged) || known.hashes.rest !== hashes.rest,
    writer,
  };
}

/** Null: all keys are kept apart. */
function lastApart({ keys, rest }: ConfigHashes): string | null {
  return rest === null ? null : (keys.at(-1)?.[0] ?? null);
}

/** What controllers rewrite all the time. */
const noise =
  /^(?:kube-root-ca\.crt|extension-apiserver-authentication|cluster-autoscaler-status|.*-leader(?:-election)?(?:-.*)?|ingress-controller-leader.*|.*\.lock)$/;

/** Not of those that end, are to be ignored, or are no configuration at all. */
export function isConfiguration(map: KubeObject): boolean {
  const { annotations, name } = map.metadata;
  return !(
    isTerminating(map) ||
    isIgnored(map) ||
    noise.test(name) ||
    annotations?.['control-plane.alpha.kubernetes.io/leader'] !== undefined
  );
}
