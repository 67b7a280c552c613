/** Numbers for people, with as many digits as are worth reading. */

/** Three significant digits: "0.0421", "4.21", "421". */
export function significant(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** With a decimal prefix: "1.42 M". */
export function withPrefix(value: number): string {
  for (const [prefix, size] of [
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    if (value >= size) return `${significant(value / size)} ${prefix}`;
  }
  return significant(value);
}

/** A ratio with its interval: "1.42 [1.40, 1.44]". */
export function formatRatio(ratio: number, low: number | null, high: number | null): string {
  return low === null || high === null
    ? ratio.toFixed(2)
    : `${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

/** A share in whole percent. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
