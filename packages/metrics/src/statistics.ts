import { InvalidArgumentError } from "@stepdown/core";

/** Mean of some numbers, and how far it may be off. */
export interface Estimate {
  readonly count: number;
  readonly mean: number;
  /** Sample standard deviation (n − 1) over √n; `undefined` for a single number. */
  readonly standardError: number | undefined;
}

/** Arithmetic mean. Throws `InvalidArgumentError` for no numbers. */
export function mean(values: ArrayLike<number>): number {
  requireSome(values, "mean");
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** Sample standard deviation, n − 1 in the denominator; two passes, so that an offset does no harm. */
export function standardDeviation(values: ArrayLike<number>): number | undefined {
  requireSome(values, "standardDeviation");
  if (values.length === 1) return undefined;
  const center = mean(values);
  let squares = 0;
  let remainder = 0;
  for (let i = 0; i < values.length; i++) {
    const deviation = values[i]! - center;
    squares += deviation * deviation;
    remainder += deviation;
  }
  // The deviations' own sum would be 0 but for the mean's rounding.
  return Math.sqrt(Math.max(0, squares - (remainder * remainder) / values.length) / (values.length - 1));
}

/** Mean with its standard error, the numbers taken as independent. */
export function estimate(values: ArrayLike<number>): Estimate {
  const deviation = standardDeviation(values);
  return {
    count: values.length,
    mean: mean(values),
    standardError: deviation === undefined ? undefined : deviation / Math.sqrt(values.length),
  };
}

/** The value below which `percent` percent lie: linear interpolation at rank `percent / 100 · (n − 1)`. */
export function percentile(values: ArrayLike<number>, percent: number): number {
  requireSome(values, "percentile");
  if (!(percent >= 0 && percent <= 100))
    throw new InvalidArgumentError(`percentile: ${percent} is not between 0 and 100.`);
  const sorted = Float64Array.from(values).sort();
  const rank = (percent / 100) * (sorted.length - 1);
  const below = Math.floor(rank);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (rank - below) * (high - low);
}

/**
 * Mean of `one − other` over the same tokens, with its standard error. What both find hard cancels, so that differences
 * between variants are far more certain than either mean.
 */
export function pairedDifference(one: ArrayLike<number>, other: ArrayLike<number>): Estimate {
  if (one.length !== other.length)
    throw new InvalidArgumentError(
      `pairedDifference: ${one.length} and ${other.length} numbers are not pairs; compare the same tokens.`,
    );
  return estimate(Float64Array.from(one, (value, i) => value - other[i]!));
}

function requireSome(values: ArrayLike<number>, what: string): void {
  if (values.length === 0) throw new InvalidArgumentError(`${what}: needs at least one number.`);
}
