import type { ClusterChange, KubeObject } from '../../cluster/cluster-view.ts';
import { eventTimeMs, normalise } from './normalise.ts';
import type { ResourceType } from './resources.ts';

export type CacheOptions = {
  type: ResourceType;
  /** More are not kept. */
  maxObjects: number;
  /** When the maximum is passed: events are forgotten from the oldest on, everything else is given up. */
  overflow: 'give-up' | 'forget-oldest';
  /** A list repeats old events (an hour of them): only those after this, ms, and after what was seen, are told. Null: everything is told. */
  eventsAfterMs: number | null;
};

/** The objects of one collection, and what changes between one look and the next. Nothing here waits or throws. */
export class ObjectCache {
  readonly #options: CacheOptions;
  #objects = new Map<string, KubeObject>();
  #newestEventMs: number;
  #revision = 0;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#newestEventMs = options.eventsAfterMs ?? 0;
  }

  get objects(): ReadonlyMap<string, KubeObject> {
    return this.#objects;
  }

  /** Another one after every change. */
  get revision(): number {
    return this.#revision;
  }

  get isFull(): boolean {
    return this.#options.overflow === 'give-up' && this.#objects.size > this.#options.maxObjects;
  }

  /** A raw item of a list into what will replace the content. False: there are too many. */
  stage(staged: Map<string, KubeObject>, raw: unknown): boolean {
    const object = normalise(raw, this.#options.type);
    if (object === null) return true;
    const key = keyOf(object);
    const old = this.#objects.get(key);
    // The same one is kept, so that a list of what we know costs no memory.
    staged.set(key, old !== undefined && isSame(old, object) ? old : object);
    return this.#options.overflow === 'forget-oldest' || staged.size <= this.#options.maxObjects;
  }

  /** The collection is now this; tells the difference only, so that a list of what we know is silent. */
  replace(staged: Map<string, KubeObject>): ClusterChange[] {
    const before = this.#objects;
    this.#objects = staged;
    this.#revision += 1;
    this.#forgetOldest();
    const { resource } = this.#options.type;
    const changes: ClusterChange[] = [];
    for (const [key, old] of before) {
      const object = staged.get(key);
      if (object === undefined || object.metadata.uid !== old.metadata.uid)
        changes.push({ resource, type: 'deleted', object: old, old });
    }
    const seenUntilMs = this.#newestEventMs;
    for (const [key, object] of staged) {
      const old = before.get(key);
      if (old === object) continue;
      if (old?.metadata.uid === object.metadata.uid)
        changes.push({ resource, type: 'modified', object, old });
      else if (this.#isNews(object, seenUntilMs)) changes.push({ resource, type: 'added', object });
      this.#noteEvent(object);
    }
    return changes;
  }

  /** What one event of a watch changes; empty where it says what is known. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', raw: unknown): ClusterChange[] {
    const object = normalise(raw, this.#options.type);
    if (object === null) return [];
    const { resource } = this.#options.type;
    const key = keyOf(object);
    const old = this.#objects.get(key);
    if (type === 'DELETED') {
      if (old === undefined || old.metadata.uid !== object.metadata.uid) return [];
      this.#objects.delete(key);
      this.#revision += 1;
      return [{ resource, type: 'deleted', object, old }];
    }
    if (old !== undefined && isSame(old, object)) return [];
    // Deleted first, so that the order in the map is that of the last change.
    if (this.#options.overflow === 'forget-oldest') this.#objects.delete(key);
    this.#objects.set(key, object);
    this.#revision += 1;
    this.#forgetOldest();
    this.#noteEvent(object);
    if (old === undefined) return [{ resource, type: 'added', object }];
    if (old.metadata.uid === object.metadata.uid) return [{ resource, type: 'modified', object, old }];
    return [
      { resource, type: 'deleted', object: old, old },
      { resource, type: 'added', object },
    ];
  }

  clear(): ClusterChange[] {
    return this.replace(new Map());
  }

  #isNews(object: KubeObject, seenUntilMs: number): boolean {
    return this.#options.eventsAfterMs === null || eventTimeMs(object) > seenUntilMs;
  }

  #noteEvent(object: KubeObject): void {
    if (this.#options.eventsAfterMs !== null)
      this.#newestEventMs = Math.max(this.#newestEventMs, eventTimeMs(object));
  }

  #forgetOldest(): void {
    const { overflow, maxObjects } = this.#options;
    const excess = this.#objects.size - maxObjects;
    if (overflow !== 'forget-oldest' || excess <= 0) return;
    if (excess === 1) {
      const [oldest] = this.#objects.keys();
      if (oldest !== undefined) this.#objects.delete(oldest);
      return;
    }
    const byAge = [...this.#objects].toSorted(([, one], [, other]) => eventTimeMs(one) - eventTimeMs(other));
    for (const [key] of byAge.slice(0, excess)) this.#objects.delete(key);
  }
}

function isSame(one: KubeObject, other: KubeObject): boolean {
  const { uid, resourceVersion } = one.metadata;
  if (uid !== other.metadata.uid) return false;
  if (resourceVersion !== undefined && resourceVersion !== '')
    return resourceVersion === other.metadata.resourceVersion;
  // Metrics have no version: they are as old as they say.
  return one['timestamp'] !== undefined && one['timestamp'] === other['timestamp'];
}

export function keyOf({ metadata }: KubeObject): string {
  return keyOfName(metadata.namespace ?? null, metadata.name);
}

/** A slash is in no name. */
export function keyOfName(namespace: string | null, name: string): string {
  return `${namespace ?? ''}/${name}`;
}
