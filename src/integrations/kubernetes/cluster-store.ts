import type {
  ClusterChange,
  ClusterView,
  Freshness,
  KubeObject,
  Resource,
} from '../../cluster/cluster-view.ts';
import type { Feed } from './feed.ts';
import { keyOfName } from './object-cache.ts';

/** The worse it is, the later it stands. */
const states: readonly Freshness['state'][] = [
  'streaming',
  'listing',
  'backoff',
  'stopped',
  'absent',
  'forbidden',
];

/** What is known of the cluster: all feeds together, answered from memory. */
export class ClusterStore implements ClusterView {
  readonly #feeds = new Map<Resource, Feed[]>();
  readonly #lists = new Map<Resource, { revision: number; objects: readonly KubeObject[] }>();
  readonly #skewMs: () => number;
  readonly #listeners = new Set<(change: ClusterChange) => void>();

  constructor(skewMs: () => number) {
    this.#skewMs = skewMs;
  }

  get serverSkewMs(): number {
    return this.#skewMs();
  }

  get feeds(): Feed[] {
    return [...this.#feeds.values()].flat();
  }

  add(feed: Feed): void {
    const feeds = this.#feeds.get(feed.resource);
    if (feeds === undefined) this.#feeds.set(feed.resource, [feed]);
    else feeds.push(feed);
  }

  list(resource: Resource, namespace?: string): readonly KubeObject[] {
    const all = this.#all(resource);
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata.namespace === namespace);
  }

  get(resource: Resource, namespace: string | null, name: string): KubeObject | undefined {
    const key = keyOfName(namespace, name);
    for (const feed of this.#feeds.get(resource) ?? []) {
      const object = feed.objects.get(key);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  /**
   * The worst of its namespaces, with the oldest time. A namespace that is off and
   * of which nothing is held does not count while another one is read: there is
   * nothing in it that could be out of date.
   */
  freshness(resource: Resource): Freshness {
    const feeds = this.#feeds.get(resource) ?? [];
    const all = feeds.map((feed) => ({ ...feed.freshness(), isEmpty: feed.objects.size === 0 }));
    const counting = all.filter(
      ({ state, isEmpty }) => !(isEmpty && (state === 'forbidden' || state === 'absent')),
    );
    const deciding = counting.length > 0 ? counting : all;
    let worst = deciding[0];
    if (worst === undefined) return { state: 'stopped', heardAt: null, detail: 'not watched' };
    let heardAt = worst.heardAt;
    for (const one of deciding) {
      if (states.indexOf(one.state) > states.indexOf(worst.state)) worst = one;
      if (one.heardAt === null || (heardAt !== null && one.heardAt < heardAt)) heardAt = one.heardAt;
    }
    return { state: worst.state, heardAt, ...(worst.detail !== undefined && { detail: worst.detail }) };
  }

  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells all listeners; what one of them throws does not keep it from the next. */
  changed(change: ClusterChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch {
        // Its own affair.
      }
    }
  }

  /** The same array until something changes. */
  #all(resource: Resource): readonly KubeObject[] {
    const feeds = this.#feeds.get(resource) ?? [];
    const revision = feeds.reduce((sum, feed) => sum + feed.revision, 0);
    const known = this.#lists.get(resource);
    if (known?.revision === revision) return known.objects;
    const objects = feeds.flatMap((feed) => [...feed.objects.values()]);
    if (feeds.length > 0) this.#lists.set(resource, { revision, objects });
    return objects;
  }
}
