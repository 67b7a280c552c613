/**
 * Sizes the checks run over: ones, odd numbers, and numbers just beside the widths of vector registers (4, 8, 16, 32),
 * where fast kernels have their seams.
 */
import type { KernelSet, Precision, WeightCodec } from "@stepdown/core";
import { createRandom } from "../checks/random.js";

export const ROWS: readonly number[] = [1, 3, 17, 33];
/** Multiples of 8, not of 16 or 32; `ODD_COLUMNS` are no multiples of 8. */
export const COLUMNS: readonly number[] = [8, 24, 40, 96, 576];
export const ODD_COLUMNS: readonly number[] = [1, 13, 101];
export const TOKENS: readonly number[] = [1, 2, 5, 17];
/** Rows enough to be spread over threads. */
export const MANY_ROWS = 1031;

/** Codecs that have planes. */
export const NESTED_CODECS: readonly Exclude<WeightCodec, "dense">[] = ["codebook", "uniform", "bcq"];

/** Nested precisions a set claims for a codec, ascending. */
export function nestedPrecisions(kernels: KernelSet, codec: WeightCodec): Precision[] {
  return (kernels.capabilities.codecs[codec] ?? []).filter((bits) => bits <= 8).sort((one, other) => one - other);
}

/** The longest run of consecutive precisions from the lowest on: what one weight can hold at once. */
export function consecutive(precisions: readonly Precision[]): Precision[] {
  const end = precisions.findIndex((bits, index) => index > 0 && bits !== precisions[index - 1]! + 1);
  return precisions.slice(0, end === -1 ? undefined : end);
}

/** Character of random activations. */
export type InputKind = "normal" | "zeros" | "denormal" | "huge" | "outliers" | "constant";

/** Random activations. */
export function randomInput(length: number, seed: number, kind: InputKind = "normal"): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, (_, index) => {
    const value = random.signed();
    if (kind === "zeros") return 0;
    if (kind === "constant") return 1;
    if (kind === "denormal") return value * 1e-40;
    // Leaves room for the sum of products in float32.
    if (kind === "huge") return value * 1e28;
    if (kind === "outliers") return index % 41 === 3 ? value * 1000 : value * 0.1;
    return value;
  });
}

/** Largest magnitude of every row of `[rows][columns]`. */
export function largestPerRow(values: Float32Array, columns: number): number[] {
  return Array.from({ length: values.length / columns }, (_, row) =>
    values.subarray(row * columns, (row + 1) * columns).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
}
