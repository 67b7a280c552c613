/**
 * Scores one chunk of tokens under one variant after the other, all against the float model.
 *
 * The float model goes first; its logits of the whole chunk stay in memory as they are, `[tokens − 1][vocabulary]` float32
 * (2048 tokens of a vocabulary of 49,152: 403 MB). Half-precision log-probabilities in a file would be smaller and would
 * serve all chunks at once, but their rounding (about 0.004 at ln p = −8) drowns the divergence of 6 bits and more.
 * Variants are loaded one at a time, which takes about a tenth of the time that scoring takes.
 */
import type { Checkpoint, KernelSet, LanguageModel } from "@stepdown/core";
import { createWasmKernels } from "@stepdown/kernels-wasm";
import {
  compareLogits,
  createTokenComparison,
  forwardSlices,
  negativeLogLikelihoods,
  placeTokenComparison,
} from "@stepdown/metrics";
import { openCheckpoint } from "@stepdown/model-format";
import { loadLanguageModel } from "@stepdown/runtime";
import type { ChunkScores } from "./chunk-scores.js";
import { createVariantCheckpoint, type OuterLayers } from "./variant-checkpoint.js";
import type { VariantSource } from "./variants.js";

/** What all chunks of a run have in common. */
export interface EvaluatorOptions {
  readonly floatLocation: string;
  readonly outerLayers: OuterLayers;
}

/** One chunk to score. Its float scores come in any case. */
export interface ChunkTask {
  readonly tokens: readonly number[];
  /** Variants other than the float model. */
  readonly sources: readonly VariantSource[];
}

/** Gets the scores of a source as soon as they are known: first the float model's, then in the order of the task. */
export type ScoreListener = (source: VariantSource, scores: ChunkScores) => void;

/** Scores chunks; owns kernels and opened files. */
export interface ChunkEvaluator extends AsyncDisposable {
  evaluate(task: ChunkTask, onScores: ScoreListener, signal?: AbortSignal): Promise<void>;
}

/** Positions whose logits are made and compared at once. */
const SLICE_TOKENS = 256;

/** Starts an evaluator with kernels of its own, one thread. */
export async function createChunkEvaluator(options: EvaluatorOptions): Promise<ChunkEvaluator> {
  const { floatLocation, outerLayers } = options;
  const opened = new Map<string, Checkpoint>();
  const open = async (location: string): Promise<Checkpoint> => {
    const checkpoint = opened.get(location) ?? (await openCheckpoint(location));
    opened.set(location, checkpoint);
    return checkpoint;
  };
  const kernels: KernelSet = await createWasmKernels({ threads: 1 });

  const load = async (source: VariantSource, signal?: AbortSignal): Promise<LanguageModel> => {
    const nested = source.kind === "nested" ? { nested: await open(source.location) } : {};
    const checkpoint = createVariantCheckpoint(source, { float: await open(floatLocation), outerLayers, ...nested });
    return loadLanguageModel({ checkpoint, kernels, ...(signal === undefined ? {} : { signal }) });
  };

  return {
    async evaluate({ tokens, sources }, onScores, signal) {
      const targets = tokens.length - 1;
      let reference = new Float32Array(0);
      const float: VariantSource = { kind: "float" };
      for (const source of [float, ...sources]) {
        await using model = await load(source, signal);
        const vocabulary = model.description.vocabularySize;
        if (source === float) reference = new Float32Array(targets * vocabulary);
        const comparison = createTokenComparison(targets);
        await using sequence = await model.createSequence({ capacity: tokens.length });
        const precision = model.precisions.at(-1)!;
        const slices = forwardSlices(sequence, tokens, {
          precision,
          tokensPerForward: SLICE_TOKENS,
          ...(signal === undefined ? {} : { signal }),
        });
        let milliseconds = 0;
        let start = performance.now();
        for await (const slice of slices) {
          milliseconds += performance.now() - start;
          const from = slice.position * vocabulary;
          if (source === float) {
            reference.set(slice.logits, from);
            comparison.losses.set(negativeLogLikelihoods(slice.logits, slice.targets), slice.position);
          } else {
            const expected = reference.subarray(from, from + slice.logits.length);
            const part = compareLogits(expected, slice.logits, slice.targets);
            placeTokenComparison(comparison, part, slice.position);
          }
          start = performance.now();
        }
        const losses = Float32Array.from(comparison.losses);
        const scores: ChunkScores = { losses, milliseconds };
        if (source === float) onScores(source, scores);
        else {
          const divergences = Float32Array.from(comparison.divergences);
          onScores(source, { ...scores, divergences, sameTop: comparison.sameTop });
        }
      }
    },
    async [Symbol.asyncDispose]() {
      for (const checkpoint of opened.values()) await checkpoint[Symbol.asyncDispose]();
      await kernels[Symbol.asyncDispose]();
    },
  };
}
