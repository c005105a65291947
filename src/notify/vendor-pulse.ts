import type { NotifyFailure } from './notifier.ts';

/** As many as the circuit breaker wants, so that both speak of the same outage. */
const failuresToBeDown = 5;

/** Whether the vendor seems to be away as a whole, from what became of the last calls. */
export class VendorPulse {
  #failures = 0;

  get isDown(): boolean {
    return this.#failures >= failuresToBeDown;
  }

  /** Takes note of a call. True when the vendor is back with it: what waits for it need not wait any longer. */
  note(result: { ok: true } | NotifyFailure): boolean {
    const wasDown = this.isDown;
    this.#failures += result.ok ? 0 : weightOf(result.reason);
    const isAnswer = result.ok || weightOf(result.reason) === 0;
    if (isAnswer) this.#failures = 0;
    return isAnswer && wasDown;
  }
}

/** A refusal of one message or one place is an answer; a refusal of us, or of the breaker, needs no second. */
function weightOf(reason: NotifyFailure['reason']): number {
  switch (reason) {
    case 'unavailable':
    case 'unknown':
      return 1;
    case 'app':
    case 'auth':
    case 'held':
      return failuresToBeDown;
    case 'rate-limited':
    case 'channel':
    case 'payload':
    case 'gone':
      return 0;
    default:
      return reason satisfies never;
  }
}
