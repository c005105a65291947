import type { Status } from './status.ts';

export type RequestVerb = 'get' | 'list' | 'watch' | 'create' | 'log' | 'other';

/** What goes wrong with the next requests that match. */
export type FaultRule = {
  /** Any when absent. */
  verb?: RequestVerb;
  /** "pods", "deployments.apps", "/readyz"; any when absent. */
  resource?: string;
  namespace?: string;
  /** How many requests it meets; 1 when absent. */
  times?: number;
} & FaultEffect;

export type FaultEffect =
  | { effect: 'status'; status: Status; headers?: Record<string, string> }
  /** 429 as the server's own flow control sends it. */
  | { effect: 'throttle'; retryAfterSeconds?: number }
  /** A proxy's page instead of an answer. */
  | { effect: 'html'; code: number }
  /** No answer until the caller gives up. */
  | { effect: 'hang' }
  /** The connection, or over HTTP/2 the stream, breaks without an answer. */
  | { effect: 'reset' }
  /** An answer that ends in the middle. */
  | { effect: 'cut' };

export type AskedRequest = { verb: RequestVerb; resource: string; namespace: string | null };

/** Faults in the order they were asked for; each meets its requests and is gone. */
export class Faults {
  readonly #rules: { rule: FaultRule; left: number }[] = [];

  add(rule: FaultRule): void {
    this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  take(asked: AskedRequest): FaultRule | null {
    const at = this.#rules.findIndex(
      ({ rule }) =>
        (rule.verb === undefined || rule.verb === asked.verb) &&
        (rule.resource === undefined || rule.resource === asked.resource) &&
        (rule.namespace === undefined || rule.namespace === asked.namespace),
    );
    const found = this.#rules[at];
    if (found === undefined) return null;
    found.left -= 1;
    if (found.left <= 0) this.#rules.splice(at, 1);
    return found.rule;
  }
}
