import {
  type Checkpoint,
  InvalidArgumentError,
  type KernelSet,
  type LanguageModel,
  type Precision,
  type WaitOptions,
} from "@stepdown/core";
import type { ObservableLanguageModel } from "../model/decoder-model.js";
import { loadLanguageModel } from "../model/load-language-model.js";

/** Options of {@link collectSecondMoments}; `onProgress` counts tokens. */
export interface CollectSecondMomentsOptions extends WaitOptions {
  /** A model that `loadLanguageModel` returned, or … */
  readonly model?: LanguageModel;
  /** … a checkpoint and a kernel set to load one from for the time of the call. */
  readonly checkpoint?: Checkpoint;
  readonly kernels?: KernelSet;
  /** Token ids of the calibration text; every chunk is a sequence of its own. */
  readonly chunks: readonly (readonly number[])[];
  /** Precision of the forward passes. Default: the model's highest. */
  readonly precision?: Precision;
}

/** Mean of x² per input feature, `[columns]`, by layer name (without `.weight`). */
export type SecondMoments = ReadonlyMap<string, Float32Array>;

/**
 * Runs calibration text through a model and averages the squared inputs of every linear layer of the blocks over all
 * tokens: the diagonal of E[x xᵀ], sums in float64. Query, key and value share their input, as gate and up do.
 */
export async function collectSecondMoments(options: CollectSecondMomentsOptions): Promise<SecondMoments> {
  const { checkpoint, kernels, signal } = options;
  if (options.model !== undefined) {
    if (isObservable(options.model)) return collect(options.model, options);
    throw new InvalidArgumentError("Second moments need a model of this package, whose inputs can be observed.");
  }
  if (checkpoint === undefined || kernels === undefined) {
    throw new InvalidArgumentError("Second moments need a model, or a checkpoint and kernels to load one from.");
  }
  const loaded = await loadLanguageModel({ checkpoint, kernels, signal });
  try {
    return await collect(loaded, options);
  } finally {
    await loaded[Symbol.asyncDispose]();
  }
}

function isObservable(model: LanguageModel): model is ObservableLanguageModel {
  return "kernels" in model;
}

async function collect(model: ObservableLanguageModel, options: CollectSecondMomentsOptions): Promise<SecondMoments> {
  const { chunks, signal, onProgress } = options;
  const precision = options.precision ?? Math.max(...model.precisions);
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (total === 0) throw new InvalidArgumentError("Second moments need at least one token of calibration text.");
  const sums = new Map<string, Float64Array>();
  const sequence = await model.createSequence({
    capacity: Math.max(...chunks.map((chunk) => chunk.length)),
    async observe(layers, input, tokens) {
      const columns = layers[0]!.weight.columns;
      const values = await model.kernels.read(input, 0, tokens * columns);
      // One accumulator for layers that share their input.
      const sum = sums.get(layers[0]!.name) ?? new Float64Array(columns);
      for (const { name } of layers) sums.set(name, sum);
      for (let i = 0; i < values.length; i++) sum[i % columns]! += values[i]! * values[i]!;
    },
  });
  try {
    let done = 0;
    for (const chunk of chunks) {
      sequence.truncate(0);
      await sequence.forward(chunk, { precision, logits: "none", signal });
      done += chunk.length;
      onProgress?.({ phase: "collecting second moments", done, total, unit: "tokens" });
    }
  } finally {
    await sequence[Symbol.asyncDispose]();
  }
  return new Map(
    [...sums].map(([name, sum]): [string, Float32Array] => [name, Float32Array.from(sum, (value) => value / total)]),
  );
}
