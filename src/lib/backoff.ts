/**
 * How long to wait before the next try: doubling from one second to a minute, with
 * jitter that only lengthens, so that a vendor's minimum is never undercut and
 * many waiters do not return at once.
 * @param attempts failed tries so far, 0 for the first.
 */
export function backoffMs(attempts: number, random: () => number = Math.random): number {
  const base = Math.min(1_000 * 2 ** Math.min(attempts, 6), 60_000);
  return Math.round(base * (1 + random() * 0.25));
}
