/** Every wait of the watcher, so that tests need none of them. Milliseconds, but where the API takes seconds. */
export type WatchTimes = {
  /** One page of a list. */
  pageMs: number;
  /** Until a watch begins to answer. */
  openMs: number;
  /** The server is asked to end a watch after so long, at random in between: not all at once. */
  watchSeconds: readonly [least: number, most: number];
  /** The same where no bookmarks come: that it ends in time is the sign of life instead. */
  watchSecondsUnmarked: readonly [least: number, most: number];
  /** A watch over which nothing came for so long is dead: bookmarks come about once a minute. */
  silenceMs: number;
  /** Waits after failures, full jitter in between. */
  backoffMs: readonly [least: number, most: number];
  /** After 410 everybody lists again: not all at once. */
  relistMs: number;
  /** A watch that ends sooner counts as a failure, so that a server that closes at once is not flooded. */
  soundMs: number;
  /** What we may not read, or is not there, is tried again after so long. */
  offMs: number;
  metricsMs: number;
  leasesMs: number;
  readyMs: number;
  versionMs: number;
  permissionsMs: number;
  /** Longest wait a server may ask for. */
  longestRetryAfterMs: number;
};

export const watchTimes: WatchTimes = {
  pageMs: 30_000,
  openMs: 30_000,
  watchSeconds: [240, 360],
  watchSecondsUnmarked: [40, 60],
  silenceMs: 75_000,
  backoffMs: [1_000, 30_000],
  relistMs: 5_000,
  soundMs: 5_000,
  offMs: 600_000,
  metricsMs: 30_000,
  leasesMs: 30_000,
  readyMs: 10_000,
  versionMs: 600_000,
  permissionsMs: 600_000,
  longestRetryAfterMs: 600_000,
};

/**
 * Full jitter: anywhere between the least wait and a bound that doubles.
 * @param attempts failed tries before this one.
 */
export function jitteredMs(
  attempts: number,
  [least, most]: readonly [number, number],
  random: () => number,
): number {
  const bound = Math.min(most, least * 2 ** Math.min(attempts + 1, 20));
  return Math.round(least + random() * (bound - least));
}

/** Waits, until a signal ends it early; never rejects. True when the time is over. */
export async function pause(waitMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  return await new Promise<boolean>((done) => {
    const timer = setTimeout(() => end(true), waitMs);
    const stopped = (): void => end(false);
    const end = (isOver: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stopped);
      done(isOver);
    };
    signal.addEventListener('abort', stopped, { once: true });
  });
}
