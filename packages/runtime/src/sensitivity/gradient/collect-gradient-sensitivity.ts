import {
  type Checkpoint,
  type FloatBuffer,
  type GradientKernels,
  InvalidArgumentError,
  type Sensitivity,
  type WaitOptions,
} from "@stepdown/core";
import { yieldToEventLoop } from "../../common/yield-to-event-loop.js";
import { linearsOfBlock } from "../../model/decoder-layout.js";
import { allocateGradientBuffers } from "./gradient-buffers.js";
import { countSteps, type GradientContext, type GradientObserver, runGradientPass } from "./gradient-pass.js";
import { type GradientLinear, loadGradientModel } from "./gradient-weights.js";

/**
 * What is summed over calibration text. `fisher`: per weight, the squares of each chunk's gradient (kind `weights`).
 * `guided`: per layer the matrix `Σ_t s_t x_t x_tᵀ` over its inputs, `s_t` = 10⁶ · mean over the layer's outputs of
 * (∂loss/∂y_t)² (kind `moments`). `input-moments`: the same with `s_t` = 1.
 */
export type GradientSensitivityKind = "fisher" | "guided" | "input-moments";

/** Options of {@link collectGradientSensitivity}; `onProgress` counts weights while loading, then tokens. */
export interface CollectGradientSensitivityOptions extends WaitOptions {
  readonly kind: GradientSensitivityKind;
  /** The float model; may be closed afterwards. */
  readonly checkpoint: Checkpoint;
  /** What computes; must outlive the result. Model, sums and activations have to fit into its memory. */
  readonly kernels: GradientKernels;
  /** Token ids of the calibration text, at least two per chunk; every chunk is a sequence and a sample of its own. */
  readonly chunks: readonly (readonly number[])[];
}

/** Sums over all chunks, held in the kernels' memory. */
export interface GradientSensitivity extends Disposable {
  /** Mean cross-entropy of each chunk, natural logarithm. */
  readonly losses: readonly number[];
  readonly layers: readonly { readonly name: string; readonly rows: number; readonly columns: number }[];
  /** A layer's sums, copied: `weights` `[rows][columns]` or `moments` `[columns][columns]`. `undefined`: no such layer. */
  read(name: string): Sensitivity | undefined;
}

/** Token weights of guided moments, so that squares of small gradients stay far above the least float32. */
export const GUIDED_SCALE = 1e6;

/**
 * Runs calibration text forwards and backwards through a float model. All arithmetic is float32: a product of matrices
 * sums blocks of 256 terms, a chunk's gradient is summed over all its tokens before it is squared, and each chunk's
 * contribution is added to one float32 number per weight or moment. The result does not depend on threads.
 */
export async function collectGradientSensitivity(
  options: CollectGradientSensitivityOptions,
): Promise<GradientSensitivity> {
  const { kind, checkpoint, kernels, chunks, signal, onProgress } = options;
  const tokens = checkChunks(chunks);
  const model = await loadGradientModel(checkpoint, kernels, { signal, onProgress });
  const sums = new Map<string, FloatBuffer>();
  const free = (): void => {
    for (const buffer of sums.values()) kernels.free(buffer);
    sums.clear();
  };
  const layers = model.weights.blocks.flatMap((block) => linearsOfBlock(block));
  const losses: number[] = [];
  try {
    const { vocabularySize } = model.configuration;
    for (const id of chunks.flat()) {
      if (!(Number.isInteger(id) && id >= 0 && id < vocabularySize))
        throw new InvalidArgumentError(`Token id ${id} is not one of the model's ${vocabularySize}.`);
    }
    for (const { name, rows, columns } of layers)
      sums.set(name, kernels.allocate((kind === "fisher" ? rows : columns) * columns));
    const buffers = allocateGradientBuffers(kernels, model.configuration, Math.max(...chunks.map((c) => c.length)));
    try {
      const context: GradientContext = { kernels, model, buffers };
      const weights = kernels.allocate(buffers.tokens);
      try {
        const observer = createObserver(kind, kernels, sums, weights);
        const steps = countSteps(context);
        let done = 0;
        const report = (tokensDone: number): void => {
          onProgress?.({ phase: "measuring sensitivities", done: tokensDone, total: tokens, unit: "tokens" });
        };
        for (const chunk of chunks) {
          const loss = await runGradientPass(context, chunk, observer, async (stepsDone) => {
            report(done + Math.floor((chunk.length * stepsDone) / steps));
            await yieldToEventLoop();
            signal?.throwIfAborted();
          });
          losses.push(loss);
          done += chunk.length;
        }
      } finally {
        kernels.free(weights);
      }
    } finally {
      buffers.free();
    }
  } catch (error) {
    free();
    throw error;
  } finally {
    model.free();
  }
  const shapes = layers.map(({ name, rows, columns }) => ({ name, rows, columns }));
  const columnsOf = new Map(shapes.map(({ name, columns }) => [name, columns]));
  return {
    losses,
    layers: shapes,
    read(name) {
      const buffer = sums.get(name);
      if (buffer === undefined) return undefined;
      const values = kernels.read(buffer);
      if (kind === "fisher") return { kind: "weights", values };
      mirror(values, columnsOf.get(name)!);
      return { kind: "moments", values };
    },
    [Symbol.dispose]: free,
  };
}

/** Adds what a pass shows to the sums. */
function createObserver(
  kind: GradientSensitivityKind,
  kernels: GradientKernels,
  sums: ReadonlyMap<string, FloatBuffer>,
  tokenWeights: FloatBuffer,
): GradientObserver {
  return {
    onGradient({ name, rows, columns }: GradientLinear, input, outputGradient, tokens) {
      const inputs = { buffer: input, rowStride: columns, columnStride: 1 };
      const output = { buffer: sums.get(name)!, rowStride: columns, columnStride: 1 };
      if (kind === "fisher") {
        const left = { buffer: outputGradient, rowStride: 1, columnStride: rows };
        kernels.multiply({ left, right: inputs, output, rows, columns, depth: tokens, mode: "add-square" });
        return;
      }
      if (kind === "guided") kernels.meanSquares(outputGradient, tokenWeights, tokens, rows, GUIDED_SCALE);
      const left = { buffer: input, rowStride: 1, columnStride: columns };
      const scale = kind === "guided" ? { scale: tokenWeights } : {};
      const shape = { rows: columns, columns, depth: tokens };
      kernels.multiply({ left, right: inputs, output, ...shape, mode: "add", upper: true, ...scale });
    },
  };
}

/** Copies what is above the diagonal below it. */
function mirror(values: Float32Array, columns: number): void {
  for (let i = 1; i < columns; i++) {
    for (let j = 0; j < i; j++) values[i * columns + j] = values[j * columns + i]!;
  }
}

function checkChunks(chunks: readonly (readonly number[])[]): number {
  if (chunks.length === 0 || chunks.some((chunk) => chunk.length < 2)) {
    throw new InvalidArgumentError(
      "Gradients need at least one chunk of calibration text, and two tokens in each: the first has nothing before it.",
    );
  }
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}
