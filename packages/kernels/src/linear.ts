/**
 * Matrix times activations, and rows of a table. Products are summed in float64 and rounded to float32 once: the result
 * is then independent of the order of summation to within half a unit in the last place, which makes it a fair judge of
 * faster kernels that sum in another order. Prefill is the same loop with more tokens.
 */
import type { LinearWeight, Precision } from "@stepdown/core";
import { dequantizeRow } from "./dequantize-row.js";

/** `output[t][i] = weight[i] · input[t] (+ bias[i])`; input `[tokens][columns]`, output `[tokens][rows]`. */
export function multiply(
  weight: LinearWeight,
  precision: Precision,
  input: Float32Array,
  output: Float32Array,
  tokens: number,
  bias: Float32Array | undefined,
): void {
  const { rows, columns } = weight;
  // One row at a time, so that no more than a row of a weight is ever held as floats.
  const row = new Float32Array(columns);
  for (let i = 0; i < rows; i++) {
    dequantizeRow(weight, precision, i, row);
    for (let t = 0; t < tokens; t++) {
      let sum = bias === undefined ? 0 : bias[i]!;
      for (let k = 0; k < columns; k++) sum += row[k]! * input[t * columns + k]!;
      output[t * rows + i] = sum;
    }
  }
}

/** `output[t] = row ids[t] of the table`; output `[ids.length][columns]`. */
export function lookUp(table: LinearWeight, precision: Precision, ids: readonly number[], output: Float32Array): void {
  const { columns } = table;
  ids.forEach((id, t) => {
    dequantizeRow(table, precision, id, output.subarray(t * columns, (t + 1) * columns));
  });
}
