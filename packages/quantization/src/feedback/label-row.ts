/**
 * What labels of a row are chosen with, whatever labels mean: each codec of `../binary` and `../codebook` has its own levels.
 */
import type { FactoredMoments } from "./factor-moments.js";

/** Memory of one row, reused for row after row. */
export interface LabelRow {
  readonly columns: number;
  /** Columns that share their levels, and whose errors are carried over to the columns after them at once. */
  readonly groupSize: number;
  readonly seedBits: number;
  readonly bits: number;
  /** H and R. */
  readonly moments: FactoredMoments;
  /** `[columns]`. */
  readonly weights: Float64Array;
  /** `[columns]`: w H. */
  readonly weightMoments: Float64Array;
  /** `[columns]`: bits of all planes so far, that of plane 0 the most significant. */
  readonly labels: Uint8Array;
  /** By precision, `[columns]`: (w − q) H, or what feedback adds up. */
  readonly residuals: readonly Float64Array[];
  /** By precision, `[columns]`: q, or the errors w − q during feedback. */
  readonly values: readonly Float64Array[];
  /** By precision, `[2^p]`: values of the labels of the group under work. */
  readonly levels: readonly Float64Array[];
  /** Fills `levels` of all precisions for a group. */
  fillLevels(group: number): void;
}

/** Allocates what rows of one layer have in any codec. */
export function allocateLabelRow(
  moments: FactoredMoments,
  { groupSize, seedBits, bits }: Pick<LabelRow, "groupSize" | "seedBits" | "bits">,
): Omit<LabelRow, "fillLevels"> {
  const { columns } = moments;
  const perPrecision = (length: (precision: number) => number): Float64Array[] =>
    Array.from({ length: bits + 1 }, (_, p) => new Float64Array(length(p)));
  return {
    columns,
    groupSize,
    seedBits,
    bits,
    moments,
    weights: new Float64Array(columns),
    weightMoments: new Float64Array(columns),
    labels: new Uint8Array(columns),
    residuals: perPrecision(() => columns),
    values: perPrecision(() => columns),
    levels: perPrecision((p) => 2 ** p),
  };
}

/** Takes a row and multiplies it with H. */
export function loadWeights(row: LabelRow, weight: Float32Array, at: number): void {
  const { columns, weights, weightMoments, moments } = row;
  // Adding 0 makes +0 of −0.
  for (let k = 0; k < columns; k++) weights[k] = weight[at + k]! + 0;
  weightMoments.fill(0);
  addProduct(weightMoments, weights, 1, moments.matrix, columns);
}

/** `target += factor · x H`, four rows of H at a time. */
export function addProduct(
  target: Float64Array,
  x: Float64Array,
  factor: number,
  matrix: Float32Array,
  columns: number,
): void {
  let k = 0;
  for (; k + 4 <= columns; k += 4) {
    const r0 = k * columns;
    const r1 = r0 + columns;
    const r2 = r1 + columns;
    const r3 = r2 + columns;
    const x0 = factor * x[k]!;
    const x1 = factor * x[k + 1]!;
    const x2 = factor * x[k + 2]!;
    const x3 = factor * x[k + 3]!;
    for (let j = 0; j < columns; j++) {
      target[j]! += x0 * matrix[r0 + j]! + x1 * matrix[r1 + j]! + (x2 * matrix[r2 + j]! + x3 * matrix[r3 + j]!);
    }
  }
  for (; k < columns; k++) {
    const own = factor * x[k]!;
    for (let j = 0; j < columns; j++) target[j]! += own * matrix[k * columns + j]!;
  }
}
