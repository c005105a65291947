import type { Freshness, KubeObject } from '../../cluster/cluster-view.ts';
import { type Feed, type FeedDeps, FeedLife } from './feed.ts';
import { type CacheOptions, ObjectCache } from './object-cache.ts';

/**
 * A feed with its copy of the collection: what a watch and a poll have in common.
 * They differ in what a round is.
 */
export abstract class CollectionFeed implements Feed {
  readonly resource: string;
  readonly namespace: string | null;
  protected readonly cache: ObjectCache;
  protected readonly life: FeedLife;

  constructor(deps: FeedDeps, namespace: string | null, cache: CacheOptions) {
    this.resource = cache.type.resource;
    this.namespace = namespace;
    this.cache = new ObjectCache(cache);
    this.life = new FeedLife(deps, this.resource, namespace);
  }

  get objects(): ReadonlyMap<string, KubeObject> {
    return this.cache.objects;
  }

  get revision(): number {
    return this.cache.revision;
  }

  freshness(): Freshness {
    return this.life.freshness();
  }

  start(): void {
    this.life.start((signal) => this.round(signal));
  }

  async stop(): Promise<void> {
    await this.life.stop();
  }

  retryNow(): void {
    this.life.retryNow();
  }

  /** Says how long to wait before the next one, ms. */
  protected abstract round(signal: AbortSignal): Promise<number>;

  /** There is more than is kept. @returns how long to wait, ms */
  protected tooMany(): number {
    return this.life.givenUp(this.tooManyText);
  }

  protected get tooManyText(): string {
    return `there are more ${this.resource} than are kept`;
  }
}
