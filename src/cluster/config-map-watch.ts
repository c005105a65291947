import { setTimeout as wait } from 'node:timers/promises';
import { wildcardFits } from '../alerts/match.ts';
import type { Db } from '../db/pool.ts';
import type { Clock } from '../lib/clock.ts';
import type { ClusterChange, ClusterView, KubeObject } from './cluster-view.ts';
import { loadConfigMaps, saveConfigMaps } from './config-map-store.ts';
import { type ConfigRecord, isConfiguration, noteRead, type ReadConfigMap } from './config-maps.ts';
import type { Rules } from './rules.ts';

/** Reads one ConfigMap and answers what may be kept of it. `gone`: there is none of that name. */
export type ConfigMapReader = (
  of: { namespace: string; name: string },
  signal: AbortSignal,
) => Promise<({ ok: true } & ReadConfigMap) | { ok: false; reason: 'gone' | 'forbidden' | 'trouble' }>;

/**
 * What is known of one: its record; or that nothing can be known (`unreadable`), is
 * not known yet (`unread`), or is not to be known (`ignored`).
 */
export type ConfigKnowledge = ConfigRecord | 'unreadable' | 'unread' | 'ignored';

export type ConfigMapKnowledge = {
  /** False until all of them have been looked at once. */
  isReady: boolean;
  of(namespace: string, name: string): ConfigKnowledge;
};

export type ConfigMapWatchOptions = {
  db: Db;
  view: ClusterView;
  cluster: string;
  rules: Rules;
  clock: Clock;
  read: ConfigMapReader;
  /** `namespace/name`, where `*` stands for any text. */
  ignore: readonly string[];
  /** Field managers whose changes are no news; `*` as above. */
  ignoreManagers: readonly string[];
  onTrouble: (what: string, error: unknown) => void;
};

const lookMs = 2_000;
const concurrency = 4;
/** Those beyond are known by their version only. */
const mostMaps = 5_000;
/** Where it was refused it is tried again after this. */
const refusedMs = 600_000;

const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

/**
 * Knows what changed in ConfigMaps, by their hashes. Their metadata are watched by
 * others; one whose version is another than before is read, once, hashed, and
 * forgotten. What is known outlives us in the database: after a restart only what
 * changed meanwhile is read, and that change is told. Runs in the process that leads.
 */
export class ConfigMapWatch {
  readonly #options: ConfigMapWatchOptions;
  readonly #records = new Map<string, ConfigRecord>();
  /** Namespaces where reading was refused, with when it is tried again (by our clock, ms). */
  readonly #refused = new Map<string, number>();
  readonly #listeners = new Set<(change: ClusterChange) => void>();
  /** What is not in the database as it is here. */
  readonly #unsaved = new Set<string>();
  readonly #gone = new Map<string, { namespace: string; name: string }>();
  #isLoaded = false;
  #isReady = false;
  #leading: AbortSignal | null = null;
  #underWay: Promise<void> = Promise.resolve();

  constructor(options: ConfigMapWatchOptions) {
    this.#options = options;
  }

  /** Never rejects: what fails is told, and tried again. */
  async lead(signal: AbortSignal): Promise<void> {
    this.#isLoaded = false;
    this.#isReady = false;
    this.#leading = signal;
    while (!signal.aborted) {
      await this.look(signal);
      await wait(lookMs, undefined, { signal }).catch(() => undefined);
    }
    if (this.#leading === signal) this.#leading = null;
  }

  /** Looks once more, where this process leads. */
  async lookNow(): Promise<void> {
    if (this.#leading !== null) await this.look(this.#leading);
  }

  /** Says of changes that were found. @returns ends it. */
  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get knowledge(): ConfigMapKnowledge {
    return { isReady: this.#isReady, of: (namespace, name) => this.#of(namespace, name) };
  }

  #of(namespace: string, name: string): ConfigKnowledge {
    if (this.#isIgnored(namespace, name)) return 'ignored';
    if (this.#isRefused(namespace)) return 'unreadable';
    const record = this.#records.get(keyOf({ namespace, name }));
    return record ?? (this.#records.size >= mostMaps ? 'unreadable' : 'unread');
  }

  /** Reads whatever is new or another one, and keeps what it found. One look at a time. */
  async look(signal: AbortSignal): Promise<void> {
    const look = this.#underWay.then(() => this.#look(signal));
    this.#underWay = look;
    return look;
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { db, view, cluster, clock, onTrouble } = this.#options;
    try {
      if (!this.#isLoaded) await this.#load();
      // Half a list would forget the other half.
      if (view.freshness('configmaps').state !== 'streaming') return;
      const due = this.#due();
      const work = async (): Promise<void> => {
        for (let next = due.shift(); next !== undefined && !signal.aborted; next = due.shift())
          await this.#read(next, signal);
      };
      await Promise.all(Array.from({ length: concurrency }, work));
      if (signal.aborted) return;
      this.#isReady = true;
      const changed = [...this.#unsaved].flatMap((key) => this.#records.get(key) ?? []);
      if (changed.length === 0 && this.#gone.size === 0) return;
      await saveConfigMaps(db, cluster, { changed, gone: [...this.#gone.values()] }, clock.now());
      this.#unsaved.clear();
      this.#gone.clear();
    } catch (error) {
      // Nothing is lost: what is unsaved stays so, and what was not read is due again.
      onTrouble('ConfigMaps could not be compared', error);
    }
  }

  async #load(): Promise<void> {
    const { db, cluster } = this.#options;
    const records = await loadConfigMaps(db, cluster);
    this.#records.clear();
    this.#unsaved.clear();
    this.#gone.clear();
    for (const record of records) this.#records.set(keyOf(record), record);
    this.#isLoaded = true;
  }

  #due(): KubeObject[] {
    const here = new Set<string>();
    const due: KubeObject[] = [];
    let room = mostMaps - this.#records.size;
    for (const map of this.#options.view.list('configmaps')) {
      const { namespace = '', name, uid, resourceVersion } = map.metadata;
      if (!isConfiguration(map) || this.#isIgnored(namespace, name)) continue;
      const key = keyOf({ namespace, name });
      here.add(key);
      const known = this.#records.get(key);
      if (known?.uid === uid && known.version === resourceVersion) continue;
      if (this.#isRefused(namespace)) continue;
      if (known === undefined && room <= 0) continue;
      if (known === undefined) room -= 1;
      due.push(map);
    }
    for (const [key, record] of this.#records) {
      if (here.has(key)) continue;
      this.#records.delete(key);
      this.#unsaved.delete(key);
      this.#gone.set(key, { namespace: record.namespace, name: record.name });
    }
    return due;
  }

  async #read(map: KubeObject, signal: AbortSignal): Promise<void> {
    const { view, clock, rules, read, ignoreManagers } = this.#options;
    const { namespace = '', name } = map.metadata;
    const of = { namespace, name };
    if (this.#isRefused(namespace)) return;
    const answer = await read(of, signal);
    if (signal.aborted) return;
    const nowMs = clock.now().getTime();
    if (!answer.ok) {
      if (answer.reason === 'forbidden') this.#refused.set(namespace, nowMs + refusedMs);
      return;
    }
    const key = keyOf(of);
    const known = this.#records.get(key);
    const { showSeconds = 900 } = rules['config.changed'].thresholds;
    const record = noteRead(known, of, answer, {
      now: new Date(nowMs + view.serverSkewMs),
      withinMs: showSeconds * 1_000,
      isIgnoredWriter: (manager) => ignoreManagers.some((pattern) => wildcardFits(manager, pattern)),
    });
    this.#records.set(key, record);
    this.#gone.delete(key);
    this.#unsaved.add(key);
    if (known === undefined || record.change === known.change) return;
    for (const listener of this.#listeners)
      listener({ resource: 'configmaps', type: 'modified', object: map });
  }

  #isIgnored(namespace: string, name: string): boolean {
    return this.#options.ignore.some((pattern) => wildcardFits(`${namespace}/${name}`, pattern));
  }

  #isRefused(namespace: string): boolean {
    return (this.#refused.get(namespace) ?? 0) > this.#options.clock.now().getTime();
  }
}
