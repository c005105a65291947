/** Numbers of a run: how they are summed up, and how they are printed. */

export type Spread = { count: number; min: number; p50: number; p99: number; max: number };

export function spreadOf(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    min: quantile(sorted, 0),
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

/** The smallest value that is not below this share of all of them. */
function quantile(sorted: number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export type Comparison = {
  name: string;
  unit: string;
  /** One value per round; the reference of the same round stands at the same place. */
  values: number[];
  value: Spread;
  reference: { name: string; values: number[]; value: Spread } | null;
  /** Value over reference, round by round. */
  ratio: Spread | null;
  /** What is aimed at: the ratio at least, or the value at most. */
  target: { ratioAtLeast: number } | { valueAtMost: number } | null;
  remark?: string;
};

export function compare(
  name: string,
  unit: string,
  values: number[],
  reference: { name: string; values: number[] } | null,
  more: { target?: Comparison['target']; remark?: string } = {},
): Comparison {
  const ratios = reference?.values.map((base, round) => (values[round] ?? Number.NaN) / base);
  return {
    name,
    unit,
    values,
    value: spreadOf(values),
    reference: reference === null ? null : { ...reference, value: spreadOf(reference.values) },
    ratio: ratios === undefined ? null : spreadOf(ratios),
    target: more.target ?? null,
    ...(more.remark === undefined ? {} : { remark: more.remark }),
  };
}

/** Answers null where there is nothing to reach. */
function reached({ target, ratio, value }: Comparison): boolean | null {
  if (target === null) return null;
  if ('valueAtMost' in target) return value.p50 <= target.valueAtMost;
  return ratio === null ? null : ratio.p50 >= target.ratioAtLeast;
}

/** Medians, with the least and the most of all rounds in brackets. */
export function table(comparisons: Comparison[]): string {
  const rows = comparisons.map((comparison) => [
    comparison.name,
    `${shown(comparison.value)} ${comparison.unit}`,
    comparison.reference === null
      ? 'none'
      : `${shown(comparison.reference.value)} ${comparison.reference.name}`,
    comparison.ratio === null ? '' : shown(comparison.ratio),
    targetText(comparison),
  ]);
  const all = [['figure', 'service', 'reference', 'ratio', 'target'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const remarks = comparisons.flatMap(({ name, remark }) =>
    remark === undefined ? [] : [`  ${name}: ${remark}`],
  );
  return [...lines, ...(remarks.length === 0 ? [] : ['', ...remarks])].join('\n');
}

function shown(spread: Spread): string {
  if (spread.count === 1) return rounded(spread.p50);
  return `${rounded(spread.p50)} (${rounded(spread.min)}–${rounded(spread.max)})`;
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function targetText(comparison: Comparison): string {
  const { target } = comparison;
  if (target === null) return '';
  const aim = 'valueAtMost' in target ? `≤ ${target.valueAtMost}` : `ratio ≥ ${target.ratioAtLeast}`;
  const met = reached(comparison);
  return met === null ? aim : `${aim} ${met ? 'met' : 'NOT met'}`;
}
