/**
 * Moves a checkpoint into a kernel set's memory, layer by layer: at no time is more than one layer held twice.
 */
import {
  type Checkpoint,
  type FloatBuffer,
  InvalidFileError,
  type KernelSet,
  type Precision,
  PrecisionUnavailableError,
  type WaitOptions,
} from "@stepdown/core";
import type { BlockLayout, DecoderLayout, LinearLayout, NormLayout } from "./decoder-layout.js";
import { countParameters } from "./decoder-layout.js";
import {
  type DecoderWeights,
  freeWeightMemory,
  type LoadedLinear,
  type LoadedNorm,
  type WeightMemory,
} from "./decoder-weights.js";

/** Options of {@link loadWeights}; `onProgress` counts weights. */
export interface LoadWeightsOptions extends WaitOptions {
  readonly checkpoint: Checkpoint;
  readonly kernels: KernelSet;
  readonly layout: DecoderLayout;
  /** Precisions that will be used, ascending. */
  readonly precisions: readonly Precision[];
}

/** Loads all weights of a layout; on an error or abort nothing stays in the kernel set's memory. */
export async function loadWeights(options: LoadWeightsOptions): Promise<DecoderWeights> {
  const { checkpoint, kernels, layout, precisions, signal, onProgress } = options;
  const memory: WeightMemory = { linears: [], buffers: [] };
  const total = countParameters(layout).parameters;
  let done = 0;
  const report = (weights: number, detail: string): void => {
    done += weights;
    onProgress?.({ phase: "loading weights", done, total, unit: "weights", detail });
  };

  const vector = async (name: string, length: number): Promise<FloatBuffer> => {
    signal?.throwIfAborted();
    const values = await checkpoint.readFloat32(name, { signal });
    if (values.length !== length) {
      throw new InvalidFileError(`${checkpoint.location}: ${name} has ${values.length} numbers instead of ${length}.`);
    }
    const buffer = kernels.allocate(length);
    memory.buffers.push(buffer);
    kernels.write(buffer, values);
    report(length, name);
    return buffer;
  };
  const norm = async ({ name, length, bias }: NormLayout): Promise<LoadedNorm> => ({
    weight: await vector(`${name}.weight`, length),
    bias: bias ? await vector(`${name}.bias`, length) : undefined,
  });

  const linear = async ({ name, rows, columns, bias }: LinearLayout, inBlock: boolean): Promise<LoadedLinear> => {
    signal?.throwIfAborted();
    const range = inBlock ? { minimumPrecision: precisions[0]!, maximumPrecision: precisions.at(-1)! } : {};
    const stored = await checkpoint.readLinear(name, { ...range, signal });
    if (stored.rows !== rows || stored.columns !== columns) {
      throw new InvalidFileError(
        `${checkpoint.location}: ${name} is ${stored.rows} × ${stored.columns}; the configuration asks for ${rows} × ${columns}.`,
      );
    }
    const nested = checkpoint.nestedLayers.get(name);
    if (inBlock && nested?.followsPrecision === false) {
      throw new InvalidFileError(`${checkpoint.location}: ${name} is in a block but does not follow precision.`);
    }
    const weight = await kernels.prepareLinear(stored, { signal });
    memory.linears.push(weight);
    if (inBlock && weight.codec !== "dense") requirePrecisions(name, precisions, weight.precisions);
    report(rows * columns, name);
    return {
      name,
      weight,
      bias: bias ? await vector(`${name}.bias`, rows) : undefined,
      ownPrecision: weight.precisions.at(-1) ?? precisions.at(-1)!,
    };
  };

  try {
    const embedding = await linear(layout.embedding, false);
    const blocks: BlockLayout<LoadedLinear, LoadedNorm>[] = [];
    for (const block of layout.blocks) {
      blocks.push({
        attentionNorm: await norm(block.attentionNorm),
        query: await linear(block.query, true),
        key: await linear(block.key, true),
        value: await linear(block.value, true),
        queryNorm: block.queryNorm && (await norm(block.queryNorm)),
        keyNorm: block.keyNorm && (await norm(block.keyNorm)),
        attentionOutput: await linear(block.attentionOutput, true),
        mlpNorm: block.mlpNorm && (await norm(block.mlpNorm)),
        gate: await linear(block.gate, true),
        up: await linear(block.up, true),
        down: await linear(block.down, true),
      });
    }
    const finalNorm = await norm(layout.finalNorm);
    const head = layout.head === layout.embedding ? embedding : await linear(layout.head, false);
    return { embedding, blocks, finalNorm, head, free: () => freeWeightMemory(kernels, memory) };
  } catch (error) {
    freeWeightMemory(kernels, memory);
    throw error;
  }
}

function requirePrecisions(name: string, wanted: readonly Precision[], found: readonly Precision[]): void {
  const missing = wanted.filter((precision) => !found.includes(precision));
  if (missing.length === 0) return;
  throw new PrecisionUnavailableError(
    `${name} can be read at ${found.join(", ")} bits; asked for ${missing.join(", ")}, too. ` +
      "Load fewer precisions, or quantize the model again.",
  );
}
