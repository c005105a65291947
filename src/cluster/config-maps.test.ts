import { describe, expect, it } from 'vitest';
import { clusterNow, make } from '../../test/support/cluster-objects.ts';
import { type ConfigRecord, hashesOf, isConfiguration, noteRead } from './config-maps.ts';

const of = { namespace: 'shop', name: 'settings' };
let versions = 0;

function read(
  known: ConfigRecord | undefined,
  data: Record<string, string>,
  options: { seconds?: number; manager?: string; ignored?: string } = {},
): ConfigRecord {
  const { seconds = 0, manager = 'kubectl', ignored } = options;
  versions += 1;
  return noteRead(
    known,
    of,
    {
      uid: 'u',
      version: String(versions),
      hashes: hashesOf(data, {}),
      writer: { manager, at: clusterNow },
    },
    {
      now: new Date(clusterNow.getTime() + seconds * 1_000),
      withinMs: 900_000,
      isIgnoredWriter: (name) => name === ignored,
    },
  );
}

const names = ({ change }: ConfigRecord) => [
  change?.changed,
  change?.added,
  change?.removed,
  change?.isRestChanged,
];

describe('hashes of a ConfigMap', () => {
  it('hold no value, whatever it looks like', () => {
    const hashes = hashesOf({ password: 'hunter2', 'app.conf': 'debug' }, { logo: 'aGVsbG8=' });
    expect(hashes.keys.map(([name]) => name)).toEqual(['app.conf', 'logo', 'password']);
    expect(JSON.stringify(hashes)).not.toMatch(/hunter2|debug|aGVsbG8/);
    expect(hashes.keys.every(([, hash]) => /^[0-9a-f]{32}$/.test(hash))).toBe(true);
  });

  it('differ with a value, a name, and nothing else', () => {
    const whole = (data: Record<string, string>) => hashesOf(data, {}).whole;
    expect(whole({ a: '1', b: '2' })).toBe(whole({ b: '2', a: '1' }));
    expect(whole({ a: '1' })).not.toBe(whole({ a: '2' }));
    expect(whole({ a: '1' })).not.toBe(whole({ b: '1' }));
    expect(whole({ a: '12', b: '' })).not.toBe(whole({ a: '1', b: '2' }));
  });

  it('are of a bounded number of keys; what is beyond is seen as a whole', () => {
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`k${String(i).padStart(3, '0')}`, 'x']),
    );
    const known = read(undefined, many);
    expect(known.hashes.keys).toHaveLength(256);
    expect(names(read(known, { ...many, k299: 'y' }))).toEqual([[], [], [], true]);
    // A new key moves others over the edge: they are not told as gone.
    expect(names(read(known, { ...many, k0000: 'y' }))).toEqual([[], ['k0000'], [], true]);
    const few = Object.fromEntries(Object.entries(many).slice(0, 10));
    expect(read(known, few).change?.removed).toHaveLength(246);
  });

  it('know a key named like a part of every object', () => {
    const data = JSON.parse('{"__proto__":"1"}') as Record<string, string>;
    const known = read(undefined, data);
    expect(names(read(known, JSON.parse('{"__proto__":"2"}') as Record<string, string>))).toEqual([
      ['__proto__'],
      [],
      [],
      false,
    ]);
  });
});

describe('what changed', () => {
  const first = read(undefined, { a: '1', b: '2' });

  it('is nothing at first sight, and where only metadata did', () => {
    expect(first.change).toBeNull();
    const again = read(first, { a: '1', b: '2' });
    expect([again.change, again.version === first.version]).toEqual([null, false]);
  });

  it('is named by key', () => {
    const next = read(first, { a: '9', c: '3' });
    expect(names(next)).toEqual([['a'], ['c'], ['b'], false]);
    expect(next.change).toMatchObject({ at: clusterNow, times: 1, writer: { manager: 'kubectl' } });
  });

  it('adds up while people look at it, and begins anew afterwards', () => {
    const next = read(first, { a: '9', b: '2', c: '3' });
    const more = read(next, { a: '9', c: '4', d: '5' }, { seconds: 300 });
    expect(names(more)).toEqual([['a'], ['c', 'd'], ['b'], false]);
    expect(more.change).toMatchObject({ firstAt: clusterNow, times: 2 });
    const back = read(more, { a: '9', b: '2' }, { seconds: 310 });
    expect(names(back)).toEqual([['a', 'b'], [], [], false]);
    const later = read(back, { a: '9', b: '3' }, { seconds: 1_300 });
    expect(names(later)).toEqual([['b'], [], [], false]);
    expect(later.change?.times).toBe(1);
  });

  it('is no news when somebody wrote it whose writes are none', () => {
    const next = read(first, { a: '9' }, { manager: 'autoscaler', ignored: 'autoscaler' });
    expect(next.change).toBeNull();
    // What it wrote is what later writes are compared with.
    expect(names(read(next, { a: '9', b: '2' }))).toEqual([[], ['b'], [], false]);
  });
});

describe('what is configuration', () => {
  const map = (name: string, metadata: Record<string, unknown> = {}) => make('ConfigMap', name, { metadata });

  it('is not what controllers rewrite all the time, what ends, and what is to be ignored', () => {
    for (const name of ['kube-root-ca.crt', 'ingress-controller-leader', 'shop-leader-election', 'x.lock'])
      expect(isConfiguration(map(name)), name).toBe(false);
    const leader = { 'control-plane.alpha.kubernetes.io/leader': '{}' };
    expect(isConfiguration(map('x', { annotations: leader }))).toBe(false);
    expect(isConfiguration(map('x', { annotations: { 'gomon.io/ignore': 'true' } }))).toBe(false);
    expect(isConfiguration(map('x', { deletionTimestamp: '2026-11-20T12:00:00Z' }))).toBe(false);
    expect(isConfiguration(map('leaderboard'))).toBe(true);
  });
});
