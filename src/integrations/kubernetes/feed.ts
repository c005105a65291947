import type { ClusterChange, Freshness, KubeObject, Resource } from '../../cluster/cluster-view.ts';
import type { KubeFailure } from './failure.ts';
import { jitteredMs, pause, type WatchTimes } from './times.ts';

/** What keeps one collection up to date: by a watch, or by asking again and again. */
export interface Feed {
  readonly resource: Resource;
  /** Null: the whole cluster. */
  readonly namespace: string | null;
  readonly objects: ReadonlyMap<string, KubeObject>;
  /** Another one after every change of `objects`. */
  readonly revision: number;
  freshness(): Freshness;
  start(): void;
  stop(): Promise<void>;
  /** What is off is tried now. */
  retryNow(): void;
}

export type FeedEvent =
  | { kind: 'fresh'; resource: Resource; namespace: string | null }
  | {
      kind: 'off';
      resource: Resource;
      namespace: string | null;
      state: 'forbidden' | 'absent';
      detail: string;
    }
  | { kind: 'trouble'; resource: Resource; namespace: string | null; detail: string; attempts: number }
  | { kind: 'relist'; resource: Resource; namespace: string | null };

export type FeedDeps = {
  times: WatchTimes;
  now: () => Date;
  random: () => number;
  emit: (change: ClusterChange) => void;
  observe: (event: FeedEvent) => void;
};

/**
 * The life of a feed: its state, when it last heard of the server, and how long it
 * waits after what. It starts and stops once each at a time, and nothing thrown by
 * those it tells reaches it.
 */
export class FeedLife {
  readonly #deps: FeedDeps;
  readonly #resource: Resource;
  readonly #namespace: string | null;
  #state: Freshness['state'] = 'stopped';
  #detail: string | null = null;
  #heardAt: Date | null = null;
  #attempts = 0;
  #offRounds = 0;
  #running: { stop: AbortController; ended: Promise<void> } | null = null;
  #wake = new AbortController();

  constructor(deps: FeedDeps, resource: Resource, namespace: string | null) {
    this.#deps = deps;
    this.#resource = resource;
    this.#namespace = namespace;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** How often in a row it was found to be off. */
  get offRounds(): number {
    return this.#offRounds;
  }

  freshness(): Freshness {
    return {
      state: this.#state,
      heardAt: this.#heardAt,
      ...(this.#detail !== null && { detail: this.#detail }),
    };
  }

  /** Runs rounds until it is stopped; each says how long to wait before the next. */
  start(round: (signal: AbortSignal) => Promise<number>): void {
    if (this.#running !== null) return;
    const stop = new AbortController();
    this.#state = 'listing';
    this.#running = { stop, ended: this.#run(round, stop.signal) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    running.stop.abort();
    await running.ended;
    if (this.#running === running) {
      this.#running = null;
      this.#state = 'stopped';
    }
  }

  retryNow(): void {
    if (this.#state === 'forbidden' || this.#state === 'absent') this.#wake.abort();
  }

  /** A byte came. */
  heard(): void {
    this.#heardAt = this.#deps.now();
  }

  /** Everything is known again. */
  fresh(): void {
    const wasFresh = this.#state === 'streaming';
    this.#state = 'streaming';
    this.#detail = null;
    this.#offRounds = 0;
    if (!wasFresh) this.#observe({ kind: 'fresh', resource: this.#resource, namespace: this.#namespace });
  }

  /** It went well for long enough: the next failure is the first one. */
  sound(): void {
    this.#attempts = 0;
  }

  /** Notes a failure. @returns how long to wait, ms. */
  failed(failure: KubeFailure): number {
    const { times, random } = this.#deps;
    if (failure.kind === 'forbidden' || failure.kind === 'absent')
      return this.#off(failure.kind, failure.detail);
    const attempts = this.#attempts;
    this.#attempts += 1;
    this.#state = 'backoff';
    this.#detail = failure.detail;
    this.#observe({
      kind: 'trouble',
      resource: this.#resource,
      namespace: this.#namespace,
      detail: failure.detail,
      attempts: this.#attempts,
    });
    const waitMs = jitteredMs(attempts, times.backoffMs, random);
    const askedMs = Math.min(failure.retryAfterMs ?? 0, times.longestRetryAfterMs);
    return Math.max(waitMs, askedMs);
  }

  /** Too much to be kept: looked at again as rarely as what is off. */
  givenUp(detail: string): number {
    this.#state = 'stopped';
    this.#detail = detail;
    this.#observe({
      kind: 'trouble',
      resource: this.#resource,
      namespace: this.#namespace,
      detail,
      attempts: this.#attempts,
    });
    return this.#deps.times.offMs;
  }

  relisting(): void {
    this.#observe({ kind: 'relist', resource: this.#resource, namespace: this.#namespace });
  }

  emit(changes: readonly ClusterChange[]): void {
    for (const change of changes) {
      try {
        this.#deps.emit(change);
      } catch {
        // Whoever listens has its own troubles; the next change still has to come.
      }
    }
  }

  #off(state: 'forbidden' | 'absent', detail: string): number {
    const isNew = this.#offRounds === 0;
    this.#offRounds += 1;
    this.#state = state;
    this.#detail = detail;
    if (isNew)
      this.#observe({ kind: 'off', resource: this.#resource, namespace: this.#namespace, state, detail });
    return this.#deps.times.offMs;
  }

  #observe(event: FeedEvent): void {
    try {
      this.#deps.observe(event);
    } catch {
      // As above.
    }
  }

  async #run(round: (signal: AbortSignal) => Promise<number>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let waitMs: number;
      try {
        waitMs = await round(signal);
      } catch (error) {
        // A bug of ours; the collection must not stay dead because of it.
        waitMs = this.failed({
          ok: false,
          kind: 'bad-answer',
          status: null,
          code: 'unexpected',
          detail: `unexpected: ${error instanceof Error ? error.name : 'error'}`,
          retryAfterMs: null,
        });
      }
      if (signal.aborted) return;
      this.#wake = new AbortController();
      await pause(waitMs, AbortSignal.any([signal, this.#wake.signal]));
    }
  }
}
