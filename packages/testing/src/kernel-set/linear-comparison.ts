import type { LinearWeight, Precision } from "@stepdown/core";
import { expectNear, type KernelSets, onBoth, withScratch } from "./scratch.js";
import { type InputKind, largestPerRow, randomInput } from "./shapes.js";
import { LINEAR_TOLERANCE, NEGLIGIBLE } from "./tolerances.js";

/** Numbers kept free before and after an output, to see whether a kernel writes outside. Odd, so that nothing is aligned. */
const MARGIN = 5;
const MARK = 12345;

/** One call of `linear` that is compared. */
export interface LinearCase {
  readonly weights: readonly LinearWeight[];
  readonly precisions: readonly Precision[];
  readonly tokens: number;
  /** Per weight whether it has a bias. Default: none. */
  readonly biases?: readonly boolean[];
  readonly inputKind?: InputKind;
  readonly seed?: number;
}

/** Compares `linear` at some precisions with the reference, on unaligned views with marked surroundings. */
export async function compareLinear(sets: KernelSets, linear: LinearCase, what: string): Promise<void> {
  const { weights, precisions, tokens, biases = [], inputKind, seed = 1 } = linear;
  const { columns } = weights[0]!;
  const input = randomInput(tokens * columns, seed, inputKind);
  const biasValues = weights.map((weight, index) =>
    biases[index] ? randomInput(weight.rows, seed + index + 1) : undefined,
  );
  const { actual, expected } = await onBoth(sets, async (scratch) => {
    const { kernels } = scratch;
    const inputView = kernels.view(scratch.buffer([MARK, MARK, MARK, ...input, MARK]), 3, input.length);
    const prepared = [];
    for (const weight of weights) prepared.push(await scratch.weight(weight));
    const biasBuffers = biasValues.map((values) => values && scratch.buffer(values));
    const results: Float32Array[][] = [];
    for (const precision of precisions) {
      const whole = weights.map((weight) => scratch.buffer(new Array(tokens * weight.rows + 2 * MARGIN).fill(MARK)));
      const outputs = whole.map((buffer) => kernels.view(buffer, MARGIN, buffer.length - 2 * MARGIN));
      const call = { weights: prepared, precision, input: inputView, outputs, tokens };
      kernels.linear(biases.length === 0 ? call : { ...call, biases: biasBuffers });
      results.push(await Promise.all(whole.map((buffer) => kernels.read(buffer))));
    }
    return results;
  });
  const inputSums = Array.from({ length: tokens }, (_, t) =>
    input.subarray(t * columns, (t + 1) * columns).reduce((sum, value) => sum + Math.abs(value), 0),
  );
  for (const [at, precision] of precisions.entries()) {
    for (const [index, weight] of weights.entries()) {
      const magnitudes = await rowMagnitudes(sets, weight, precision);
      const allowed = (position: number): number => {
        const inside = position - MARGIN;
        if (inside < 0 || inside >= tokens * weight.rows) return 0;
        const row = inside % weight.rows;
        const scale = magnitudes[row]! * inputSums[Math.floor(inside / weight.rows)]!;
        const bias = Math.abs(biasValues[index]?.[row] ?? 0);
        return (scale + bias) * LINEAR_TOLERANCE * sets.toleranceFactor + NEGLIGIBLE;
      };
      const label = `${what}, weight ${index} (${weight.codec} ${weight.rows} × ${columns}) at ${precision} bits, ${tokens} tokens`;
      expectNear(actual[at]![index]!, expected[at]![index]!, allowed, label);
    }
  }
}

/** Largest magnitude of each row, as the reference dequantizes it. */
async function rowMagnitudes(sets: KernelSets, weight: LinearWeight, precision: Precision): Promise<number[]> {
  const { rows, columns } = weight;
  const chunk = sets.reference.capabilities.maximumTokens;
  return withScratch(sets.reference, async (scratch) => {
    const table = await scratch.weight(weight);
    const magnitudes: number[] = [];
    for (let from = 0; from < rows; from += chunk) {
      const ids = Array.from({ length: Math.min(chunk, rows - from) }, (_, index) => from + index);
      const output = scratch.empty(ids.length * columns);
      scratch.kernels.embed({ table, precision, ids, output });
      const values = await scratch.kernels.read(output);
      magnitudes.push(...largestPerRow(values, columns));
    }
    return magnitudes;
  });
}
