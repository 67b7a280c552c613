import type { ClusteredRows } from "./codebook/quantize-rows.js";

/** What {@link weightedSquaredError} compares. */
export interface SquaredErrorInput extends ClusteredRows {
  readonly rows: number;
  readonly columns: number;
  /** `[rows][columns]`. */
  readonly weight: Float32Array;
  /** `[columns]`, `[rows][columns]` or absent for equal weights. */
  readonly sensitivity?: Float32Array;
  readonly seedBits: number;
  readonly bits: number;
}

/**
 * Σ a (w − table_p[label >> (bits − p)])² over all rows: what clustering minimizes, at one precision. As there, a is the
 * sensitivity (1 without one), and 0 for weights that are 0; a row that has no mass at all counts nothing here. The tables
 * are taken as computed, before they are rounded to half precision.
 */
export function weightedSquaredError(input: SquaredErrorInput, precision: number): number {
  const { rows, columns, weight, sensitivity, labels, bits } = input;
  const table = input.tables[precision - input.seedBits]!;
  const stride = sensitivity !== undefined && sensitivity.length === columns ? 0 : columns;
  let total = 0;
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) {
      const w = weight[r * columns + k]!;
      if (w === 0) continue;
      const error = w - table[(r << precision) + (labels[r * columns + k]! >> (bits - precision))]!;
      total += (sensitivity === undefined ? 1 : sensitivity[r * stride + k]!) * error * error;
    }
  }
  return total;
}
