import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhenResult,
} from 'cockatiel';

/**
 * A circuit breaker for one target outside. After some failures in a row calls are
 * held back, so that nobody waits for timeouts; then one call at a time is let
 * through to see whether the target is back. A probe that hangs does not hold up
 * the next.
 */

/**
 * - `ok`: the target answered, whatever it said.
 * - `failed`: it did not, or with an error of its own.
 * - `fatal`: nothing will work until somebody mends it (a revoked token): opens at once.
 */
export type Verdict = 'ok' | 'failed' | 'fatal';

export type BreakerChange = { target: string; open: boolean; detail: string };

/** What came of a call, or that it was held back and when the next may go. */
export type Ran<T> = { held: false; result: T } | { held: true; retryAfterMs: number };

const failuresToOpen = 5;
/** With the longest a probe is waited for this is five seconds: a target is found to be back within that time. */
const probeAfterMs = 1_500;
const probeWaitMs = 3_500;

export class Breaker {
  readonly target: string;
  readonly #now: () => number;
  readonly #counter = new ConsecutiveBreaker(failuresToOpen);
  readonly #policy = circuitBreaker(
    handleWhenResult((verdict) => verdict !== 'ok'),
    { breaker: this.#counter, halfOpenAfter: probeAfterMs },
  );
  readonly #listeners: ((change: BreakerChange) => void)[] = [];
  #detail = '';
  #isOpen = false;
  #openedAtMs = 0;

  constructor(target: string, now: () => number = Date.now) {
    this.target = target;
    this.#now = now;
    this.#policy.onBreak(() => {
      this.#openedAtMs = this.#now();
      this.#changeTo(true);
    });
    this.#policy.onReset(() => this.#changeTo(false));
  }

  /** From the first failure too many until a call succeeds again; probes in between change nothing. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Of the last failure; empty when there was none. */
  get detail(): string {
    return this.#detail;
  }

  /** 0 when a call would be let through now. */
  get heldForMs(): number {
    switch (this.#policy.state) {
      case CircuitState.Open:
        return Math.max(0, this.#openedAtMs + probeAfterMs - this.#now());
      case CircuitState.HalfOpen:
        return probeAfterMs;
      default:
        return 0;
    }
  }

  onChange(listener: (change: BreakerChange) => void): void {
    this.#listeners.push(listener);
  }

  /** Runs the call unless it is held back. `judge` says what its result means for the target; what it throws passes through and counts for nothing. */
  async run<T>(
    call: () => Promise<T>,
    judge: (result: T) => { verdict: Verdict; detail?: string },
  ): Promise<Ran<T>> {
    const heldForMs = this.heldForMs;
    if (heldForMs > 0) return { held: true, retryAfterMs: heldForMs };
    const isProbe = this.#policy.state !== CircuitState.Closed;
    const made: Promise<T>[] = [];
    try {
      await this.#policy.execute(async () => {
        const running = call();
        made.push(running);
        const judged = running.then((result) => this.#judge(judge(result)));
        return isProbe ? orFailed(judged, probeWaitMs) : judged;
      });
    } catch (error) {
      if (error instanceof BrokenCircuitError) return { held: true, retryAfterMs: probeAfterMs };
      throw error;
    }
    const [running] = made;
    if (running === undefined) throw new Error('the breaker let a call through that was not made');
    return { held: false, result: await running };
  }

  #judge({ verdict, detail }: { verdict: Verdict; detail?: string }): Verdict {
    if (verdict !== 'ok') this.#detail = detail ?? '';
    if (verdict === 'fatal') this.#counter.state = failuresToOpen;
    return verdict;
  }

  #changeTo(open: boolean): void {
    if (this.#isOpen === open) return;
    this.#isOpen = open;
    for (const listener of this.#listeners) listener({ target: this.target, open, detail: this.#detail });
  }
}

/** `failed` when the answer takes longer; the call itself goes on. */
async function orFailed(judged: Promise<Verdict>, ms: number): Promise<Verdict> {
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  const timer = setTimeout(resolve, ms, 'failed');
  try {
    return await Promise.race([judged, promise]);
  } finally {
    clearTimeout(timer);
  }
}
