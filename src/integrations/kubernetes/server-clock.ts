/** As many answers as decide; the median of them, so that a slow one does not. */
const samples = 9;
/** A slower answer says too little about when it was written. */
const slowestMs = 2_000;
/** The header has whole seconds: less than this is no difference at all. */
const leastMs = 1_000;

/** How far the API server's clock is from ours, by the `Date` of its answers. */
export class ServerClock {
  readonly #skews: number[] = [];

  /** @param date the header as it came. @param began when the request left. @param ended when the answer came. */
  heard(date: string, began: Date, ended: Date): void {
    const told = Date.parse(date);
    const tookMs = ended.getTime() - began.getTime();
    if (Number.isNaN(told) || tookMs < 0 || tookMs > slowestMs) return;
    // Seconds are cut off, so on average half of one is missing.
    this.#skews.push(told + 500 - (began.getTime() + tookMs / 2));
    if (this.#skews.length > samples) this.#skews.shift();
  }

  /** Positive: theirs is ahead. */
  get skewMs(): number {
    const sorted = this.#skews.toSorted((one, other) => one - other);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    return Math.abs(median) < leastMs ? 0 : Math.round(median);
  }
}
