import { type LinearWeight, type Precision, PrecisionUnavailableError } from "@stepdown/core";

/**
 * Precisions a weight can be read at, ascending; empty for dense weights, which ignore precision.
 *
 * Codebook and binary-coded weights have tables or scales from their seed precision on. The uniform code has one scale
 * for all precisions, so that every number of planes from 1 on is a valid reading.
 */
export function availablePrecisions(weight: LinearWeight): Precision[] {
  if (weight.codec === "dense") return [];
  const first = weight.codec === "uniform" ? 1 : weight.seedBits;
  return Array.from({ length: weight.bits - first + 1 }, (_, index) => first + index);
}

/** Throws `PrecisionUnavailableError` unless one of `precisions` is asked for; an empty list stands for a dense weight. */
export function requirePrecision(precisions: readonly Precision[], precision: Precision, what: string): void {
  if (precisions.length === 0 || precisions.includes(precision)) return;
  throw new PrecisionUnavailableError(
    `${what} cannot be read at precision ${precision}: it holds ${precisions.join(", ")}. ` +
      "Ask for one of these, or load the weight with more planes.",
  );
}
