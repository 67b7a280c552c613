import type { LinearWeight, Precision } from "@stepdown/core";
import { availablePrecisions, requirePrecision } from "./available-precisions.js";
import { checkLinearWeight } from "./check-linear-weight.js";
import { dequantizeRow } from "./dequantize-row.js";

/**
 * A whole weight as float32 numbers, `[rows][columns]`. Dense weights ignore the precision.
 *
 * Throws `InvalidArgumentError` for a weight whose arrays do not fit its shape, `PrecisionUnavailableError` for a
 * precision it does not hold.
 */
export function dequantizeLinear(weight: LinearWeight, precision: Precision): Float32Array {
  checkLinearWeight(weight);
  requirePrecision(availablePrecisions(weight), precision, `A ${weight.codec} weight`);
  const { rows, columns } = weight;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    dequantizeRow(weight, precision, row, values.subarray(row * columns, (row + 1) * columns));
  return values;
}
