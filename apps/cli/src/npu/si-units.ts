/** Numbers for people: four significant digits and a decimal prefix. */

const PREFIXES: readonly (readonly [factor: number, prefix: string])[] = [
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
  [1e-12, "p"],
];

/** Rounding to four digits must not give 1000 of a unit that has a larger neighbour. */
const ROUNDS_UP = 0.99995;

/** "12.35 GB" for 12.35e9 and "B"; "0 s", "∞ B/s". */
export function formatSi(value: number, unit: string): string {
  if (value === 0) return `0 ${unit}`;
  if (!Number.isFinite(value)) return `∞ ${unit}`;
  const [factor, prefix] = PREFIXES.find(([size]) => Math.abs(value) >= size * ROUNDS_UP) ?? PREFIXES.at(-1)!;
  return `${(value / factor).toPrecision(4)} ${prefix}${unit}`;
}

/** "44.15" for a rate without a prefix. */
export function formatRate(value: number): string {
  if (!Number.isFinite(value)) return "∞";
  return value >= 1e4 ? Math.round(value).toLocaleString("en") : value.toPrecision(4);
}

/** "93.1 %". */
export function formatPercent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** "+0.14 %": a deviation. */
export function formatError(error: number): string {
  const percent = (error * 100).toFixed(2);
  return `${error >= 0 && !percent.startsWith("-") ? "+" : ""}${percent} %`;
}
