/** A value at a time, ms since 1970. */
export type Point = { at: number; value: number };

/** An entry nobody asked for during so long is gone; shorter gaps are a state that alternates. */
const forgetSeenMs = 60_000;
const mostPoints = 2_000;

export type SavedHistory = {
  seen: [key: string, first: number, last: number][];
  series: [key: string, keepMs: number, points: [at: number, value: number][]][];
};

const mostSaved = 20_000;

/**
 * What objects do not say of themselves and only shows over time: since when a
 * state without a timestamp lasts, how counters grew, what was measured. Lives in
 * memory; after a restart it fills again, while the engine's own memory keeps
 * what has been found.
 */
export class History {
  readonly #seen = new Map<string, { first: number; last: number }>();
  readonly #series = new Map<string, { points: Point[]; keepMs: number }>();
  /** When it began to look, by the server's clock. */
  readonly startedAt: Date;

  constructor(startedAt: Date) {
    this.startedAt = startedAt;
  }

  /** Says that a state is there now, and answers since when. */
  seen(key: string, now: Date): Date {
    const at = now.getTime();
    const entry = this.#seen.get(key);
    if (entry === undefined) {
      this.#seen.set(key, { first: at, last: at });
      return now;
    }
    entry.last = at;
    return new Date(entry.first);
  }

  /** Adds a point unless it is not newer than the last one. */
  record(key: string, at: Date, value: number, keepMs: number): void {
    const series = this.#series.get(key);
    const point = { at: at.getTime(), value };
    if (series === undefined) {
      this.#series.set(key, { points: [point], keepMs });
      return;
    }
    const last = series.points.at(-1);
    if (last !== undefined && last.at >= point.at) return;
    series.points.push(point);
    if (series.points.length > mostPoints) series.points.shift();
  }

  /** Adds a point only where the value is another than the last one. */
  recordChange(key: string, at: Date, value: number, keepMs: number): void {
    if (this.#series.get(key)?.points.at(-1)?.value !== value) this.record(key, at, value, keepMs);
  }

  /** Oldest first. */
  points(key: string, from?: Date): readonly Point[] {
    const points = this.#series.get(key)?.points ?? [];
    return from === undefined ? points : points.filter((point) => point.at >= from.getTime());
  }

  /**
   * How much a counter grew since a time. What it stood at then is its last point
   * before; where there is none, `before`, or else its first point.
   */
  growth(key: string, since: Date, before: number | null): number {
    const points = this.#series.get(key)?.points ?? [];
    const last = points.at(-1);
    if (last === undefined) return 0;
    const base =
      points.findLast((point) => point.at <= since.getTime())?.value ?? before ?? points[0]?.value ?? 0;
    return Math.max(0, last.value - base);
  }

  /** Drops what has served its time; call after all detectors ran. */
  prune(now: Date): void {
    const at = now.getTime();
    for (const [key, entry] of this.#seen) if (at - entry.last > forgetSeenMs) this.#seen.delete(key);
    for (const [key, series] of this.#series) {
      // One point before the window stays: growth is counted from it.
      const first = series.points.findIndex((point) => at - point.at <= series.keepMs);
      if (first < 0 && at - (series.points.at(-1)?.at ?? 0) > 2 * series.keepMs) this.#series.delete(key);
      else if (first > 1) series.points.splice(0, first - 1);
    }
  }

  /** What is worth keeping over a restart: all but measured use, of which there is much and soon more. */
  save(): SavedHistory {
    const kept = [...this.#series].filter(([key]) => !/^(?:cpu|memory)\//.test(key)).slice(0, mostSaved);
    return {
      seen: [...this.#seen].slice(0, mostSaved).map(([key, { first, last }]) => [key, first, last]),
      series: kept.map(([key, { points, keepMs }]) => [
        key,
        keepMs,
        points.map(({ at, value }) => [at, value]),
      ]),
    };
  }

  /** Takes back what was saved; anything else than that is left out. */
  restore(saved: Partial<SavedHistory>): void {
    for (const [key, first, last] of saved.seen ?? []) this.#seen.set(key, { first, last });
    for (const [key, keepMs, points] of saved.series ?? [])
      this.#series.set(key, { points: points.map(([at, value]) => ({ at, value })), keepMs });
  }

  get size(): number {
    return this.#seen.size + this.#series.size;
  }
}
