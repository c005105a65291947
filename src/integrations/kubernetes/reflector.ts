import type { KubeObject } from '../../cluster/cluster-view.ts';
import type { KubernetesConnection } from './connection.ts';
import { failure, type KubeFailure, networkFailure, statusFailure } from './failure.ts';
import { CollectionFeed } from './collection-feed.ts';
import type { FeedDeps } from './feed.ts';
import { listPages } from './list-pages.ts';
import { collectionPath, metadataAccept, type ResourceType } from './resources.ts';
import { WatchLines } from './watch-lines.ts';

export type ReflectorOptions = FeedDeps & {
  connection: KubernetesConnection;
  type: ResourceType;
  namespace: string | null;
  fieldSelector?: string;
  /** 50,000 by default, of events 5,000. */
  maxObjects?: number;
  /** Of events, those before are known already. */
  startedAt: Date;
};

/** How a watch ended. */
type Ended =
  | { how: 'closed'; livedMs: number }
  /** Nothing came for long, and whether anything had come before. */
  | { how: 'silent'; hadLines: boolean }
  | { how: 'failed'; failure: KubeFailure };

/** Off twice in a row: what it held is no longer believed, so that the rest of the resource is not stale for ever. */
const forgetAfterOffRounds = 2;

/**
 * Keeps a copy of one collection: lists it in pages, then watches it from there on.
 * It differs from client-node's informer in that no failure ends it: whatever the
 * server or the network does, it waits as it should and goes on, and says meanwhile
 * how old its knowledge is. Whether it lists anew or goes on where it stopped is
 * decided by `#version`: null means that it has to list.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export class Reflector extends CollectionFeed {
  readonly #options: ReflectorOptions;
  readonly #path: string;
  #version: string | null = null;
  /** A server that has sent a bookmark sends more of them. */
  #knowsBookmarks = false;
  /** In a row, and nothing came over any of them but perhaps the first. */
  #silentWatches = 0;

  constructor(options: ReflectorOptions) {
    const isEvents = options.type.resource === 'events';
    super(options, options.namespace, {
      type: options.type,
      maxObjects: options.maxObjects ?? (isEvents ? 5_000 : 50_000),
      overflow: isEvents ? 'forget-oldest' : 'give-up',
      eventsAfterMs: isEvents ? options.startedAt.getTime() : null,
    });
    this.#options = options;
    this.#path = collectionPath(options.type, options.namespace);
  }

  /** One list where one is needed, and one watch. Says how long to wait then, ms. */
  protected async round(signal: AbortSignal): Promise<number> {
    if (this.#version === null) {
      const waitMs = await this.#list(signal);
      if (waitMs !== null) return waitMs;
    }
    const ended = await this.#watch(signal);
    if (signal.aborted) return 0;
    const { times } = this.#options;
    switch (ended.how) {
      case 'closed':
        this.#silentWatches = 0;
        if (ended.livedMs >= times.soundMs) {
          this.life.sound();
          return 0;
        }
        return this.#failed(failure('server', 'closed', 'the API server closes watches at once'));
      case 'silent':
        // Nothing is lost: what was missed comes from the version we have. A bookmark may be left out, and where none are
        // known silence only means that nothing happened: whether the server is there is told by the next watch, over a
        // new connection.
        this.#silentWatches = ended.hadLines ? 1 : this.#silentWatches + 1;
        if (this.#silentWatches < 2 || !this.#knowsBookmarks) return 0;
        return this.#failed(
          failure('timeout', 'silent', `nothing came over the watch for ${times.silenceMs} ms`),
        );
      case 'failed':
        return ended.failure.kind === 'expired' ? this.#expired(ended.failure) : this.#failed(ended.failure);
    }
  }

  /** The server forgot the version: ordinary, and everybody lists anew at the same time. Again and again it is a failure like others. */
  #expired(reason: KubeFailure): number {
    const { times, random } = this.#options;
    const isOrdinary = this.life.attempts === 0;
    this.#version = null;
    this.life.relisting();
    const waitMs = this.#failed(reason);
    return isOrdinary ? Math.round(random() * times.relistMs) : waitMs;
  }

  #failed(reason: KubeFailure): number {
    const waitMs = this.life.failed(reason);
    if (this.life.offRounds >= forgetAfterOffRounds && this.cache.objects.size > 0) {
      this.#version = null;
      this.life.emit(this.cache.clear());
    }
    return waitMs;
  }

  /** Null: everything is known; otherwise how long to wait. */
  async #list(signal: AbortSignal): Promise<number | null> {
    const { connection, type, fieldSelector, times } = this.#options;
    const staged = new Map<string, KubeObject>();
    let fits = true;
    let isShort = true;
    const listed = await listPages(
      connection,
      {
        path: this.#path,
        accept: type.metadataOnly === true ? metadataAccept.list : 'application/json',
        pageMs: times.pageMs,
        ...(fieldSelector !== undefined && { fieldSelector }),
      },
      (page) => {
        this.life.heard();
        if (type.metadataOnly === true) isShort &&= page.kind === 'PartialObjectMetadataList';
        for (const item of page.items) fits &&= this.cache.stage(staged, item);
        return fits && isShort;
      },
      () => staged.clear(),
      signal,
    );
    if (signal.aborted) return 0;
    if (!listed.ok) return this.#failed(listed);
    if (!isShort)
      return this.#failed(
        failure('absent', 'no-metadata', 'the server does not leave values out, so it is not read'),
      );
    if (!fits || listed.resourceVersion === null) return this.tooMany();
    this.life.emit(this.cache.replace(staged));
    this.#version = listed.resourceVersion;
    return null;
  }

  async #watch(signal: AbortSignal): Promise<Ended> {
    const { connection, type, fieldSelector, times, random } = this.#options;
    const [least, most] = type.hasBookmarks === false ? times.watchSecondsUnmarked : times.watchSeconds;
    const quiet = new AbortController();
    const within = AbortSignal.any([signal, quiet.signal]);
    const began = performance.now();
    const opened = await connection.open(
      {
        path: this.#path,
        accept: type.metadataOnly === true ? metadataAccept.object : 'application/json',
        timeoutMs: times.openMs,
        query: {
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: this.#version ?? '',
          timeoutSeconds: Math.round(least + random() * (most - least)),
          ...(fieldSelector !== undefined && { fieldSelector }),
        },
      },
      within,
    );
    if (!opened.ok) return { how: 'failed', failure: opened };
    this.life.heard();
    this.life.fresh();
    const watchdog = setTimeout(() => quiet.abort(), times.silenceMs);
    const sound = setTimeout(() => this.life.sound(), times.soundMs);
    const lines = new WatchLines();
    let hadLines = false;
    try {
      for await (const chunk of opened.body as AsyncIterable<Buffer>) {
        watchdog.refresh();
        this.life.heard();
        for (const line of lines.push(chunk)) {
          hadLines = true;
          const trouble = this.#take(line);
          if (trouble !== null) return { how: 'failed', failure: trouble };
        }
      }
      return { how: 'closed', livedMs: performance.now() - began };
    } catch (error) {
      if (!quiet.signal.aborted) return { how: 'failed', failure: networkFailure(error) };
      opened.suspect();
      return { how: 'silent', hadLines };
    } finally {
      clearTimeout(watchdog);
      clearTimeout(sound);
      opened.body.destroy();
    }
  }

  /** One event of the watch; what is wrong with it, if anything is. */
  #take(line: string): KubeFailure | null {
    const event = readEvent(line);
    switch (event?.type) {
      case 'ADDED':
      case 'MODIFIED':
      case 'DELETED':
        this.#noteVersion(event.object);
        this.life.emit(this.cache.apply(event.type, event.object));
        if (!this.cache.isFull) return null;
        this.#version = null;
        return failure('bad-answer', 'too-many', this.tooManyText);
      case 'BOOKMARK':
        this.#knowsBookmarks = true;
        this.#noteVersion(event.object);
        return null;
      case 'ERROR':
        // Whatever it is, the version may be at fault: going on from it could fail for ever.
        this.#version = null;
        return statusFailure(event.object);
      default:
        this.#version = null;
        return failure('bad-answer', 'not-an-event', 'the watch sent something that is no event');
    }
  }

  #noteVersion(object: unknown): void {
    const { metadata } = object as { metadata?: { resourceVersion?: unknown } };
    if (typeof metadata?.resourceVersion === 'string' && metadata.resourceVersion !== '')
      this.#version = metadata.resourceVersion;
  }
}

function readEvent(line: string): { type: string; object: object } | null {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== 'object' || parsed === null) return null;
    const { type, object } = parsed as Record<string, unknown>;
    return typeof type === 'string' && typeof object === 'object' && object !== null
      ? { type, object }
      : null;
  } catch {
    return null;
  }
}
