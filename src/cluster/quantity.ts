/**
 * Kubernetes quantities ("250m", "1.5Gi", "1e3", "100n") as plain numbers: cores
 * for CPU, bytes for memory, pieces for counts. Null for anything else.
 * The grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
const scales: Record<string, number> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const grammar = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/;

export function readQuantity(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'string') return null;
  const parts = grammar.exec(value.trim());
  if (parts === null) return null;
  const [, digits = '', exponent, suffix = ''] = parts;
  if (exponent !== undefined) return Number(`${digits}e${exponent}`);
  const scale = scales[suffix];
  return scale === undefined ? null : Number(digits) * scale;
}

/** For people: 1536 MiB is "1.5 GiB". */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`;
}

/** For people: 0.25 cores are "250m". */
export function coresText(cores: number): string {
  return cores < 1 ? `${Math.round(cores * 1_000)}m` : `${Number(cores.toPrecision(3))}`;
}
