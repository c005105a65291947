/**
 * What has to be stopped, in the order it was started; run backwards, each step by
 * its name and never longer than it may take: one that hangs must not keep the
 * others from being done.
 */
export type StopTrouble = (step: string, error: unknown) => void;

type Step = { name: string; stop: () => Promise<void>; withinMs: number };

const defaultWithinMs = 2_500;

export class StopSteps {
  readonly #trouble: StopTrouble;
  readonly #early: Step[] = [];
  readonly #steps: Step[] = [];

  constructor(trouble: StopTrouble) {
    this.#trouble = trouble;
  }

  push(name: string, stop: () => Promise<void>, withinMs = defaultWithinMs): void {
    this.#steps.push({ name, stop, withinMs });
  }

  /** Stopped before all others, together with its like: work that takes nothing more and comes to an end. */
  pushEarly(name: string, stop: () => Promise<void>, withinMs = defaultWithinMs): void {
    this.#early.push({ name, stop, withinMs });
  }

  /** Resolves when everything is stopped or was given up; a second call has nothing left to do. */
  async run(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    await Promise.all(this.#early.splice(0).map((step) => this.#take(step, until)));
    for (const step of this.#steps.splice(0).toReversed()) await this.#take(step, until);
  }

  async #take(step: Step, until: number): Promise<void> {
    const limitMs = Math.max(0, Math.min(step.withinMs, until - performance.now()));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not stopped within ${Math.round(limitMs)} ms`)), limitMs);
    });
    try {
      await Promise.race([step.stop(), late]);
    } catch (error) {
      this.#trouble(step.name, error);
    } finally {
      clearTimeout(timer);
    }
  }
}
