/** What goes wrong with the next calls that match. */
export type FaultRule = {
  /** Any when absent. */
  method?: string;
  /** A text the path begins with, or a pattern for it; any when absent. */
  path?: string | RegExp;
  /** How many calls it meets; 1 when absent. */
  times?: number;
  /** The call is carried out all the same; only its answer is this. */
  applied?: boolean;
} & FaultEffect;

export type FaultEffect =
  | { effect: 'status'; status: number; body?: Record<string, unknown>; headers?: Record<string, string> }
  /** 429; the period header only when one is given. */
  | { effect: 'rate-limit'; periodInSec?: number }
  | { effect: 'html'; status?: number }
  /** No answer until the caller gives up. */
  | { effect: 'hang' }
  /** The connection breaks without an answer. */
  | { effect: 'reset' }
  /** Accepted with 202 and then lost: never done, and its request status stays 404. */
  | { effect: 'lose-request' }
  /** Accepted with 202, but its request status will say it failed, with this text. */
  | { effect: 'fail-request'; status: string };

/** Faults in the order they were asked for; each meets its calls and is gone. */
export class Faults {
  readonly #rules: { rule: FaultRule; left: number }[] = [];

  add(rule: FaultRule): void {
    this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  take(method: string, path: string): FaultRule | null {
    const at = this.#rules.findIndex(({ rule }) => meets(rule, method, path));
    const found = this.#rules[at];
    if (found === undefined) return null;
    found.left -= 1;
    if (found.left <= 0) this.#rules.splice(at, 1);
    return found.rule;
  }
}

function meets(rule: FaultRule, method: string, path: string): boolean {
  if (rule.method !== undefined && rule.method !== method) return false;
  if (rule.path === undefined) return true;
  return typeof rule.path === 'string' ? path.startsWith(rule.path) : rule.path.test(path);
}
