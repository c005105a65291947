import type { KubeObject } from '../../cluster/cluster-view.ts';
import type { KubernetesConnection } from './connection.ts';
import type { KubeFailure } from './failure.ts';
import { CollectionFeed } from './collection-feed.ts';
import type { FeedDeps } from './feed.ts';
import { listPages } from './list-pages.ts';
import { collectionPath, type ResourceType } from './resources.ts';

/** Fills what was found into the map of raw objects, or says why it could not. */
export type Poll = (found: unknown[], signal: AbortSignal) => Promise<KubeFailure | null>;

export type PollerOptions = FeedDeps & {
  type: ResourceType;
  namespace: string | null;
  everyMs: number;
  poll: Poll;
};

/** Keeps a copy of what cannot or must not be watched, by asking again and again. */
export class Poller extends CollectionFeed {
  readonly #options: PollerOptions;

  constructor(options: PollerOptions) {
    super(options, options.namespace, {
      type: options.type,
      maxObjects: 50_000,
      overflow: 'give-up',
      eventsAfterMs: null,
    });
    this.#options = options;
  }

  protected async round(signal: AbortSignal): Promise<number> {
    const found: unknown[] = [];
    const trouble = await this.#options.poll(found, signal);
    if (signal.aborted) return 0;
    if (trouble !== null) {
      const waitMs = this.life.failed(trouble);
      // What is off waits long; everything else is asked for at its pace, or later where the server says so.
      const isOff = this.life.offRounds > 0 && waitMs >= this.#options.times.offMs;
      return isOff ? waitMs : Math.max(this.#options.everyMs, trouble.retryAfterMs ?? 0);
    }
    const staged = new Map<string, KubeObject>();
    for (const raw of found) {
      if (!this.cache.stage(staged, raw)) return this.tooMany();
    }
    this.life.heard();
    this.life.sound();
    this.life.emit(this.cache.replace(staged));
    this.life.fresh();
    return this.#options.everyMs;
  }
}

/** A whole collection. */
export function listPoll(
  connection: KubernetesConnection,
  type: ResourceType,
  namespace: string | null,
  pageMs: number,
): Poll {
  return async (found, signal) => {
    const listed = await listPages(
      connection,
      { path: collectionPath(type, namespace), accept: 'application/json', pageMs },
      (page) => {
        found.push(...page.items);
        return true;
      },
      () => found.splice(0),
      signal,
    );
    return listed.ok ? null : listed;
  };
}

/** Some objects by their names; one that is not there is merely not found. */
export function namesPoll(
  connection: KubernetesConnection,
  type: ResourceType,
  namespace: string,
  names: readonly string[],
): Poll {
  return async (found, signal) => {
    const answers = await Promise.all(
      names.map((name) =>
        connection.call({ path: `${collectionPath(type, namespace)}/${encodeURIComponent(name)}` }, signal),
      ),
    );
    for (const answer of answers) {
      if (answer.ok) found.push(parsed(answer.text));
      else if (answer.kind !== 'absent') return answer;
    }
    return null;
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
