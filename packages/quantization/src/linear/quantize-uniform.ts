/**
 * One matrix → the mid-rise uniform code with one step per row: embedding and output head, where tables per row would
 * outweigh the codes. Little work per weight, so it stays on the calling thread, in pieces.
 */
import {
  InvalidArgumentError,
  type LinearShape,
  MAXIMUM_NESTED_PRECISION,
  type Precision,
  type UniformWeight,
  type WaitOptions,
} from "@stepdown/core";
import { packPlanes } from "@stepdown/model-format";
import { checkShape, checkWeights, LARGEST_FLOAT32 } from "./check-weights.js";

/** Options of {@link quantizeUniform}. */
export interface QuantizeUniformOptions extends WaitOptions {
  /** Tensor name for messages. Default: "the weight". */
  name?: string;
}

/** Some 10 ms of work, after which other tasks may run. */
const WEIGHTS_PER_RANGE = 2 ** 20;

/**
 * Quantizes `weight`, row-major `[rows][columns]`: label `floor((w / scale + 1) · 2^(bits−1))`, with the row's largest
 * magnitude as its scale. Truncating a label to p bits gives the label of p bits, because floors nest.
 */
export async function quantizeUniform(
  weight: Float32Array,
  shape: LinearShape,
  bits: Precision,
  options: QuantizeUniformOptions = {},
): Promise<UniformWeight> {
  const { rows, columns } = shape;
  const { name = "the weight", signal, onProgress } = options;
  if (!Number.isInteger(bits) || bits < 1 || bits > MAXIMUM_NESTED_PRECISION) {
    throw new InvalidArgumentError(`bits is ${bits}; it has to be an integer from 1 to ${MAXIMUM_NESTED_PRECISION}.`);
  }
  checkShape(shape, weight.length, name);
  // Scales are float32, so every finite weight fits.
  checkWeights(weight, columns, name, LARGEST_FLOAT32);
  const rowBytes = Math.ceil(columns / 8);
  const planes = Array.from({ length: bits }, () => new Uint8Array(rows * rowBytes));
  const scales = new Float32Array(rows);
  const rowsPerRange = Math.max(1, Math.floor(WEIGHTS_PER_RANGE / columns));
  for (let start = 0; start < rows; start += rowsPerRange) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    const count = Math.min(rowsPerRange, rows - start);
    const labels = new Uint8Array(count * columns);
    for (let r = 0; r < count; r++) {
      scales[start + r] = labelRow(weight, (start + r) * columns, columns, bits, labels, r * columns);
    }
    for (const [j, plane] of packPlanes(labels, count, columns, bits).entries()) {
      planes[j]!.set(plane, start * rowBytes);
    }
    const done = (start + count) * columns;
    onProgress?.({ phase: "quantizing", done, total: rows * columns, unit: "weights", detail: name });
  }
  return { codec: "uniform", rows, columns, seedBits: 1, bits, planes, scales };
}

/** Writes the labels of one row and returns its scale. */
function labelRow(
  weight: Float32Array,
  from: number,
  columns: number,
  bits: number,
  labels: Uint8Array,
  to: number,
): number {
  let scale = 0;
  for (let k = 0; k < columns; k++) {
    const magnitude = Math.abs(weight[from + k]!);
    if (magnitude > scale) scale = magnitude;
  }
  if (scale === 0) {
    labels.fill(2 ** (bits - 1), to, to + columns);
    return 0;
  }
  const half = 2 ** (bits - 1);
  const largest = 2 ** bits - 1;
  for (let k = 0; k < columns; k++) {
    // Not negative, so that cutting the fraction off is the floor.
    const label = ((weight[from + k]! / scale + 1) * half) | 0;
    // Only the largest weight itself reaches 2^bits; it belongs to the last step.
    labels[to + k] = Math.min(label, largest);
  }
  return scale;
}
