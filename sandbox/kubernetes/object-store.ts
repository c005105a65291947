import { randomUUID } from 'node:crypto';
import { type ApiType, apiTypes, groupVersion, resourceName } from './api-types.ts';

export type SandboxObject = {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown> & { name: string; namespace?: string };
  [field: string]: unknown;
};

/** What is applied: names and what matters; the rest is filled in as a server does. */
export type GivenObject = Partial<Pick<SandboxObject, 'apiVersion'>> & {
  kind: string;
  metadata: Record<string, unknown> & { name: string; namespace?: string };
  [field: string]: unknown;
};

export type StoredEvent = {
  revision: number;
  verb: 'ADDED' | 'MODIFIED' | 'DELETED';
  type: ApiType;
  object: SandboxObject;
  /** As it was before; null for a new one. */
  before: SandboxObject | null;
};

/** A list of that many snapshots can be going on at once. */
const keptSnapshots = 200;

/** The objects with one revision for all, the history that watches start from, and the snapshots that lists go on in: an etcd in small. */
export class ObjectStore {
  readonly #objects = new Map<string, SandboxObject>();
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  readonly #snapshots = new Map<string, SandboxObject[]>();
  readonly #now: () => Date;
  #history: StoredEvent[] = [];
  #revision = 1_000;
  /** Watches from before do not find all that happened. */
  #oldest = 1_000;

  constructor(now: () => Date) {
    this.#now = now;
  }

  get revision(): number {
    return this.#revision;
  }

  get oldest(): number {
    return this.#oldest;
  }

  onEvent(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Makes an object, or puts another in its place; uid and time of creation stay. */
  apply(given: GivenObject): SandboxObject {
    const type = typeOf(given);
    const key = keyOf(type, given.metadata.namespace, given.metadata.name);
    const before = this.#objects.get(key) ?? null;
    if (type.isNamespaced === (given.metadata.namespace === undefined))
      throw new Error(
        `${type.kind} ${given.metadata.name}: ${type.isNamespaced ? 'needs' : 'has no'} namespace`,
      );
    if (before !== null && isEqual(withoutServer(before), withoutServer(this.#filled(type, given, before))))
      return before;
    if (!type.isComputed) this.#revision += 1;
    const object = this.#filled(type, given, before);
    this.#objects.set(key, object);
    if (!type.isComputed)
      this.#tell({
        revision: this.#revision,
        verb: before === null ? 'ADDED' : 'MODIFIED',
        type,
        object,
        before,
      });
    return object;
  }

  remove(resource: string, namespace: string | null, name: string): void {
    const type = typeNamed(resource);
    const key = keyOf(type, namespace ?? undefined, name);
    const before = this.#objects.get(key);
    if (before === undefined) throw new Error(`there is no ${resource} ${namespace ?? ''}/${name}`);
    this.#objects.delete(key);
    if (type.isComputed) return;
    this.#revision += 1;
    // The last state, with the version of its end.
    const object = {
      ...before,
      metadata: { ...before.metadata, resourceVersion: String(this.#revision) },
    };
    this.#tell({ revision: this.#revision, verb: 'DELETED', type, object, before });
  }

  get(type: ApiType, namespace: string | null, name: string): SandboxObject | undefined {
    return this.#objects.get(keyOf(type, namespace ?? undefined, name));
  }

  /** Sorted by key, as etcd has them. */
  all(type: ApiType, namespace: string | null): SandboxObject[] {
    const prefix = `${resourceName(type)}|${namespace === null ? '' : `${namespace}/`}`;
    return [...this.#objects]
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([, object]) => object);
  }

  since(revision: number): StoredEvent[] {
    return this.#history.filter((event) => event.revision > revision);
  }

  /** Keeps what a list is in the midst of. */
  keep(objects: SandboxObject[]): string {
    const id = randomUUID();
    this.#snapshots.set(id, objects);
    const [oldest] = this.#snapshots.keys();
    if (this.#snapshots.size > keptSnapshots && oldest !== undefined) this.#snapshots.delete(oldest);
    return id;
  }

  kept(id: string): SandboxObject[] | undefined {
    return this.#snapshots.get(id);
  }

  /** Forgets what was: older watches get 410, lists that are under way as well. */
  compact(): void {
    this.#oldest = this.#revision;
    this.#history = [];
    this.#snapshots.clear();
  }

  #filled(type: ApiType, given: GivenObject, before: SandboxObject | null): SandboxObject {
    const now = this.#now()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
    const { metadata, ...rest } = structuredClone(given);
    if (type.isComputed) {
      return {
        ...rest,
        apiVersion: groupVersion(type),
        kind: type.kind,
        metadata: { creationTimestamp: now, ...metadata },
        timestamp: given['timestamp'] ?? now,
        window: given['window'] ?? '15s',
      };
    }
    const hasNewSpec = before !== null && !isEqual(before['spec'], rest['spec']);
    const generation =
      ((before?.metadata['generation'] as number | undefined) ?? 0) + (before === null || hasNewSpec ? 1 : 0);
    return {
      ...rest,
      apiVersion: groupVersion(type),
      kind: type.kind,
      metadata: {
        ...(type.hasGeneration && { generation }),
        creationTimestamp: now,
        ...metadata,
        uid: before?.metadata['uid'] ?? metadata['uid'] ?? randomUUID(),
        ...(before !== null && { creationTimestamp: before.metadata['creationTimestamp'] }),
        resourceVersion: String(this.#revision),
        managedFields: [
          {
            manager: 'sandbox',
            operation: 'Update',
            apiVersion: groupVersion(type),
            time: now,
            fieldsType: 'FieldsV1',
            fieldsV1: { 'f:spec': {}, 'f:status': {} },
          },
        ],
      },
    };
  }

  #tell(event: StoredEvent): void {
    this.#history.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

function withoutServer(object: SandboxObject): unknown {
  const { resourceVersion: _v, managedFields: _m, generation: _g, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function isEqual(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function keyOf(type: ApiType, namespace: string | undefined, name: string): string {
  return `${resourceName(type)}|${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

function typeOf({ kind, apiVersion }: GivenObject): ApiType {
  const found = apiTypes.find(
    (type) => type.kind === kind && (apiVersion === undefined || groupVersion(type) === apiVersion),
  );
  if (found === undefined) throw new Error(`the sandbox serves no ${apiVersion ?? ''} ${kind}`);
  return found;
}

export function typeNamed(resource: string): ApiType {
  const found = apiTypes.find((type) => resourceName(type) === resource);
  if (found === undefined) throw new Error(`the sandbox serves no ${resource}`);
  return found;
}
