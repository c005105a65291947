/**
 * What goes wrong with the next calls of a method.
 * - `http-500`, `html-200`, `reset`, `timeout-before`, `rate-limit`, `ok-false`: the call is not applied.
 * - `timeout-after-applying`: applied, but the answer never comes.
 * - `reset-after-applying`: applied, then the connection breaks.
 * - `delay`: applied and answered, but only after `delayMs`.
 */
export type FaultRule = {
  /** A method name, or '*' for any. */
  method: string;
  /** How many calls it hits; 1 by default. */
  times?: number;
  /** Only calls whose arguments, as JSON, have this in them: a channel, a title. */
  containing?: string;
} & (
  | {
      kind:
        | 'http-500'
        | 'html-200'
        | 'reset'
        | 'reset-after-applying'
        | 'timeout-before'
        | 'timeout-after-applying';
    }
  /** `retryAfterSeconds: null` leaves the header out. */
  | { kind: 'rate-limit'; retryAfterSeconds: number | null }
  | { kind: 'ok-false'; error: string }
  | { kind: 'delay'; delayMs: number }
);

/** Faults wait in the order they were given; each call takes the first that fits it. */
export class FaultQueue {
  readonly #waiting: { rule: FaultRule; left: number }[] = [];

  add(rule: FaultRule): void {
    this.#waiting.push({ rule, left: rule.times ?? 1 });
  }

  take(method: string, args: object): FaultRule | null {
    const text = JSON.stringify(args);
    const index = this.#waiting.findIndex(
      ({ rule }) =>
        (rule.method === '*' || rule.method === method) &&
        (rule.containing === undefined || text.includes(rule.containing)),
    );
    const found = this.#waiting[index];
    if (!found) return null;
    found.left -= 1;
    if (found.left <= 0) this.#waiting.splice(index, 1);
    return found.rule;
  }

  clear(): void {
    this.#waiting.length = 0;
  }
}
