/** Operations without neighbours, and softmax. Computed in float64, rounded once per stored number. */

/** `target += source`. */
export function addInto(target: Float32Array, source: Float32Array, length: number): void {
  for (let i = 0; i < length; i++) target[i] = target[i]! + source[i]!;
}

/** `gate = silu(gate) · up` with `silu(x) = x / (1 + e^−x)`. */
export function siluMultiplyInto(gate: Float32Array, up: Float32Array, length: number): void {
  for (let i = 0; i < length; i++) {
    const x = gate[i]!;
    gate[i] = (x / (1 + Math.exp(-x))) * up[i]!;
  }
}

/** Softmax of each row of `[rows][columns]` in place, the row's maximum subtracted first. */
export function softmaxRows(values: Float32Array, rows: number, columns: number): void {
  for (let row = 0; row < rows; row++) {
    const line = values.subarray(row * columns, (row + 1) * columns);
    line.set(softmax(line));
  }
}

/** Softmax of some scores as float64 numbers: `e^(x − max) / Σ e^(x − max)`. */
export function softmax(scores: Float32Array | Float64Array): Float64Array {
  let maximum = Number.NEGATIVE_INFINITY;
  for (const score of scores) maximum = Math.max(maximum, score);
  const weights = Float64Array.from(scores, (score) => Math.exp(score - maximum));
  let sum = 0;
  for (const weight of weights) sum += weight;
  for (let i = 0; i < weights.length; i++) weights[i] = weights[i]! / sum;
  return weights;
}
