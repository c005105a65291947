import { setTimeout as wait } from 'node:timers/promises';

/**
 * What happens by the clock. Every entry is safe to run in several processes at
 * once (it claims what it works on), and one that fails is tried at its next time.
 */
export type TimetableEntry = {
  name: string;
  everyMs: number;
  run: (signal: AbortSignal) => Promise<void>;
};

export class Timetable {
  readonly #entries: TimetableEntry[];
  readonly #onTrouble: (name: string, error: unknown) => void;
  readonly #stop = new AbortController();
  #loops: Promise<void>[] = [];

  constructor(entries: TimetableEntry[], onTrouble: (name: string, error: unknown) => void) {
    this.#entries = entries;
    this.#onTrouble = onTrouble;
  }

  start(): void {
    if (this.#loops.length > 0) return;
    this.#loops = this.#entries.map((entry) => this.#loop(entry));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#loops);
  }

  /** Runs every entry once, in order: for tests, which do not wait for clocks. */
  async runAll(): Promise<void> {
    for (const entry of this.#entries) await entry.run(this.#stop.signal);
  }

  async #loop(entry: TimetableEntry): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await entry.run(signal);
      } catch (error) {
        if (!signal.aborted) this.#onTrouble(entry.name, error);
      }
      await wait(entry.everyMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
