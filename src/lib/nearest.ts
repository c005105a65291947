/** The name most like this one, if one is near enough to be meant: two slips at most, fewer in short names. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const limit = name.length <= 4 ? 1 : 2;
  let best: { name: string; slips: number } | undefined;
  for (const candidate of names) {
    const slips = slipsBetween(fold(name), fold(candidate));
    if (slips <= limit && (best === undefined || slips < best.slips)) best = { name: candidate, slips };
  }
  return best?.name;
}

/** Case and the ways to join words are no slips: `poll_size` is `pollSize`. */
function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]/g, '');
}

/** Letters to add, remove, replace or swap with their neighbour. */
function slipsBetween(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let slips = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        slips = Math.min(slips, (beforePrevious[column - 2] ?? 0) + 1);
      }
      current.push(slips);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[to.length] ?? 0;
}
