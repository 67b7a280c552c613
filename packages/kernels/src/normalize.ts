/** Norms over the columns of each token, summed in float64. Input and output may be the same memory. */

/** `output = input / sqrt(mean(input²) + epsilon) · weight`; `[tokens][columns]`. */
export function rmsNormalize(
  input: Float32Array,
  weight: Float32Array,
  epsilon: number,
  output: Float32Array,
  tokens: number,
  columns: number,
): void {
  for (let t = 0; t < tokens; t++) {
    const at = t * columns;
    let squares = 0;
    for (let k = 0; k < columns; k++) squares += input[at + k]! ** 2;
    const factor = 1 / Math.sqrt(squares / columns + epsilon);
    for (let k = 0; k < columns; k++) output[at + k] = input[at + k]! * factor * weight[k]!;
  }
}

/** `output = (input − mean) / sqrt(variance + epsilon) · weight (+ bias)`, variance divided by columns; `[tokens][columns]`. */
export function layerNormalize(
  input: Float32Array,
  weight: Float32Array,
  bias: Float32Array | undefined,
  epsilon: number,
  output: Float32Array,
  tokens: number,
  columns: number,
): void {
  for (let t = 0; t < tokens; t++) {
    const at = t * columns;
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += input[at + k]!;
    const mean = sum / columns;
    // Two passes: the one-pass form loses all digits when the mean is large beside the spread.
    let squares = 0;
    for (let k = 0; k < columns; k++) squares += (input[at + k]! - mean) ** 2;
    const factor = 1 / Math.sqrt(squares / columns + epsilon);
    for (let k = 0; k < columns; k++)
      output[at + k] = (input[at + k]! - mean) * factor * weight[k]! + (bias === undefined ? 0 : bias[k]!);
  }
}
