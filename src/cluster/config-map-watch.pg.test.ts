import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clusterNow, make, TestView } from '../../test/support/cluster-objects.ts';
import { type DomainDatabase, openDomainDatabase } from '../../test/support/domain-database.ts';
import { ConfigMapWatch } from './config-map-watch.ts';
import { hashesOf } from './config-maps.ts';
import { activeRules } from './rules.ts';

let database: DomainDatabase;
beforeAll(async () => {
  database = await openDomainDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.reset());

const never = new AbortController().signal;

/** ConfigMaps with their values, the metadata of which are watched. */
class Maps {
  readonly view = new TestView();
  readonly reads: string[] = [];
  readonly refused = new Set<string>();
  readonly #data = new Map<string, { data: Record<string, string>; uid: string; version: string }>();
  #version = 0;
  now = clusterNow;

  put(namespace: string, name: string, data: Record<string, string>, uid = `${namespace}/${name}`): void {
    this.#version += 1;
    const version = String(this.#version);
    this.#data.set(`${namespace}/${name}`, { data, uid, version });
    this.view.put(make('ConfigMap', name, { namespace, metadata: { uid, resourceVersion: version } }));
  }

  remove(namespace: string, name: string): void {
    this.view.remove(make('ConfigMap', name, { namespace }));
  }

  /** A process that watches them. */
  watch(more: { ignore?: string[]; fails?: () => boolean } = {}): ConfigMapWatch {
    return new ConfigMapWatch({
      db: database.db,
      view: this.view,
      cluster: 'test',
      rules: activeRules({}),
      clock: { now: () => this.now },
      ignore: more.ignore ?? [],
      ignoreManagers: [],
      onTrouble: (what, error) => {
        throw new Error(what, { cause: error });
      },
      read: ({ namespace, name }) => {
        this.reads.push(`${namespace}/${name}`);
        if (this.refused.has(namespace)) return Promise.resolve({ ok: false, reason: 'forbidden' });
        const map = this.#data.get(`${namespace}/${name}`);
        if (map === undefined) return Promise.resolve({ ok: false, reason: 'gone' });
        if (more.fails?.() === true) return Promise.resolve({ ok: false, reason: 'trouble' });
        const { data, uid, version } = map;
        return Promise.resolve({ ok: true, uid, version, hashes: hashesOf(data, {}), writer: null });
      },
    });
  }
}

function changedKeys(watch: ConfigMapWatch, namespace: string, name: string): unknown {
  const known = watch.knowledge.of(namespace, name);
  return typeof known === 'string' ? known : (known.change?.changed ?? null);
}

const stored = () =>
  database.rows<{ name: string }>('SELECT name FROM cluster_config_maps ORDER BY namespace, name');

describe('the watch over ConfigMaps', () => {
  it('takes what it sees first as it is, and names the keys that change', async () => {
    const maps = new Maps();
    maps.put('shop', 'settings', { a: '1', b: '2' });
    const watch = maps.watch();
    const told: string[] = [];
    watch.onChange(({ object }) => told.push(object.metadata.name));
    expect([watch.knowledge.isReady, watch.knowledge.of('shop', 'settings')]).toEqual([false, 'unread']);
    await watch.look(never);
    expect([watch.knowledge.isReady, changedKeys(watch, 'shop', 'settings')]).toEqual([true, null]);
    maps.put('shop', 'settings', { a: '1', b: '3' });
    await watch.look(never);
    expect(changedKeys(watch, 'shop', 'settings')).toEqual(['b']);
    expect(told).toEqual(['settings']);
  });

  it('says nothing of what is only another version', async () => {
    const maps = new Maps();
    maps.put('shop', 'settings', { a: '1' });
    const watch = maps.watch();
    await watch.look(never);
    maps.put('shop', 'settings', { a: '1' });
    await watch.look(never);
    expect(changedKeys(watch, 'shop', 'settings')).toBeNull();
    await watch.look(never);
    expect(maps.reads).toHaveLength(2);
  });

  it('reads after a restart only what changed meanwhile, and tells it', async () => {
    const maps = new Maps();
    for (const name of ['one', 'two', 'three']) maps.put('shop', name, { a: '1' });
    await maps.watch().look(never);
    maps.reads.length = 0;
    maps.put('shop', 'two', { a: '2' });
    // Put in place of the old one, as `kubectl replace --force` does.
    maps.put('shop', 'three', { a: '2' }, 'another');
    maps.put('shop', 'four', { a: '1' });
    const next = maps.watch();
    await next.look(never);
    expect(maps.reads.toSorted()).toEqual(['shop/four', 'shop/three', 'shop/two']);
    expect(['one', 'two', 'three', 'four'].map((name) => changedKeys(next, 'shop', name))).toEqual([
      null,
      ['a'],
      ['a'],
      null,
    ]);
    // And the one after that still shows it, without a read.
    const third = maps.watch();
    await third.look(never);
    expect([changedKeys(third, 'shop', 'two'), maps.reads.length]).toEqual([['a'], 3]);
  });

  it('stores hashes and names, and never a value', async () => {
    const maps = new Maps();
    maps.put('shop', 'settings', { password: 'hunter2' });
    const watch = maps.watch();
    await watch.look(never);
    maps.put('shop', 'settings', { password: 'hunter3' });
    await watch.look(never);
    const { row } = await database.row<{ row: string }>(
      'SELECT to_jsonb(m)::text AS row FROM cluster_config_maps m',
    );
    expect(row).toContain('"password"');
    expect(row).not.toContain('hunter');
  });

  it('forgets what is gone, unless it only cannot be seen', async () => {
    const maps = new Maps();
    maps.put('shop', 'one', { a: '1' });
    maps.put('shop', 'two', { a: '1' });
    const watch = maps.watch();
    await watch.look(never);
    maps.remove('shop', 'one');
    maps.view.states.set('configmaps', { state: 'listing', heardAt: null });
    await watch.look(never);
    expect(await stored()).toHaveLength(2);
    maps.view.states.delete('configmaps');
    await watch.look(never);
    expect(await stored()).toEqual([{ name: 'two' }]);
  });

  it('asks where it is refused only now and then', async () => {
    const maps = new Maps();
    maps.put('shop', 'one', { a: '1' });
    maps.put('kube-system', 'two', { a: '1' });
    const watch = maps.watch();
    await watch.look(never);
    maps.refused.add('shop');
    maps.put('shop', 'one', { a: '2' });
    await watch.look(never);
    expect(changedKeys(watch, 'shop', 'one')).toBe('unreadable');
    expect(changedKeys(watch, 'kube-system', 'two')).toBeNull();
    const asked = maps.reads.length;
    await watch.look(never);
    expect(maps.reads).toHaveLength(asked);
    maps.refused.clear();
    maps.now = new Date(clusterNow.getTime() + 601_000);
    await watch.look(never);
    expect(changedKeys(watch, 'shop', 'one')).toEqual(['a']);
  });

  it('goes on from what it knew when a read fails in passing', async () => {
    const maps = new Maps();
    let fails = false;
    maps.put('shop', 'one', { a: '1' });
    const watch = maps.watch({ fails: () => fails });
    await watch.look(never);
    maps.put('shop', 'one', { a: '2' });
    fails = true;
    await watch.look(never);
    expect(changedKeys(watch, 'shop', 'one')).toBeNull();
    fails = false;
    await watch.look(never);
    expect(changedKeys(watch, 'shop', 'one')).toEqual(['a']);
  });

  it('never reads what is no configuration, or is to be ignored', async () => {
    const maps = new Maps();
    maps.put('shop', 'kube-root-ca.crt', { a: '1' });
    maps.put('shop', 'web-status', { a: '1' });
    const watch = maps.watch({ ignore: ['shop/*-status'] });
    await watch.look(never);
    expect([maps.reads, watch.knowledge.of('shop', 'web-status')]).toEqual([[], 'ignored']);
  });
});
