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
  /** Groups of columns with tables of their own. Default: 1. */
  readonly groupCount?: number;
}

/**
 * Σ a (w − table_p[label >> (bits − p)])² over all rows: what clustering minimizes, at one precision. As there, a is the
 * sensitivity (1 without one), and 0 for weights that are 0; a row (or group) that has no mass at all counts nothing here.
 * The tables are taken as computed, before they are rounded to half precision.
 */
export function weightedSquaredError(input: SquaredErrorInput, precision: number): number {
  const { rows, columns, weight, sensitivity, labels, bits, groupCount = 1 } = input;
  const table = input.tables[precision - input.seedBits]!;
  const groupColumns = columns / groupCount;
  const isPerColumn = sensitivity !== undefined && sensitivity.length === columns;
  let total = 0;
  for (let i = 0; i < rows * columns; i++) {
    const w = weight[i]!;
    if (w === 0) continue;
    const group = Math.floor(i / groupColumns);
    const error = w - table[(group << precision) + (labels[i]! >> (bits - precision))]!;
    total += (sensitivity === undefined ? 1 : sensitivity[isPerColumn ? i % columns : i]!) * error * error;
  }
  return total;
}
