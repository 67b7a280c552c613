/** A model's float weights in the memory of gradient kernels, each held once, in float32. */
import {
  type Checkpoint,
  type FloatBuffer,
  type GradientKernels,
  InvalidFileError,
  UnsupportedError,
  type WaitOptions,
} from "@stepdown/core";
import type { DecoderConfiguration } from "../../configuration/decoder-configuration.js";
import { readDecoderConfiguration } from "../../configuration/read-decoder-configuration.js";
import { checkCheckpoint } from "../../model/check-checkpoint.js";
import {
  type BlockLayout,
  countParameters,
  type DecoderLayout,
  decoderLayout,
  type LinearLayout,
  type NormLayout,
} from "../../model/decoder-layout.js";

/** A linear layer: `[rows][columns]`. */
export interface GradientLinear {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly weight: FloatBuffer;
  readonly bias: FloatBuffer | undefined;
}

/** A norm. */
export interface GradientNormWeights {
  readonly weight: FloatBuffer;
  readonly bias: FloatBuffer | undefined;
}

/** A loaded model; a tied head is the same object as the embedding. */
export interface GradientModel {
  readonly configuration: DecoderConfiguration;
  readonly weights: DecoderLayout<GradientLinear, GradientNormWeights>;
  /** Gives the memory back. */
  free(): void;
}

/** Names and shapes of a float checkpoint's model, everything checked. Throws `UnsupportedError` for nested weights. */
export function readGradientLayout(checkpoint: Checkpoint): {
  readonly configuration: DecoderConfiguration;
  readonly layout: DecoderLayout;
} {
  if (checkpoint.kind !== "float") {
    throw new UnsupportedError(
      `${checkpoint.location} holds nested weights; gradients are taken of the float model it was made from.`,
    );
  }
  const configuration = readDecoderConfiguration(checkpoint.config, `${checkpoint.location}: config.json`);
  const layout = decoderLayout(configuration, (name) => checkpoint.has(name));
  checkCheckpoint(checkpoint, layout);
  return { configuration, layout };
}

/** Loads all weights; `onProgress` counts weights. On an error nothing stays in the kernels' memory. */
export async function loadGradientModel(
  checkpoint: Checkpoint,
  kernels: GradientKernels,
  { signal, onProgress }: WaitOptions = {},
): Promise<GradientModel> {
  const { configuration, layout } = readGradientLayout(checkpoint);
  const total = countParameters(layout).parameters;
  const taken: FloatBuffer[] = [];
  const free = (): void => {
    for (const buffer of taken.splice(0)) kernels.free(buffer);
  };
  let done = 0;
  const load = async (name: string, length: number): Promise<FloatBuffer> => {
    signal?.throwIfAborted();
    const values = await checkpoint.readFloat32(name, { signal });
    if (values.length !== length) {
      throw new InvalidFileError(`${checkpoint.location}: ${name} has ${values.length} numbers instead of ${length}.`);
    }
    const buffer = kernels.allocate(length);
    taken.push(buffer);
    kernels.write(buffer, values);
    done += length;
    onProgress?.({ phase: "loading weights", done, total, unit: "weights", detail: name });
    return buffer;
  };
  const linear = async ({ name, rows, columns, bias }: LinearLayout): Promise<GradientLinear> => {
    const weight = await load(`${name}.weight`, rows * columns);
    return { name, rows, columns, weight, bias: bias ? await load(`${name}.bias`, rows) : undefined };
  };
  const norm = async ({ name, length, bias }: NormLayout): Promise<GradientNormWeights> => ({
    weight: await load(`${name}.weight`, length),
    bias: bias ? await load(`${name}.bias`, length) : undefined,
  });
  try {
    const embedding = await linear(layout.embedding);
    const blocks: BlockLayout<GradientLinear, GradientNormWeights>[] = [];
    for (const block of layout.blocks) {
      blocks.push({
        attentionNorm: await norm(block.attentionNorm),
        query: await linear(block.query),
        key: await linear(block.key),
        value: await linear(block.value),
        queryNorm: block.queryNorm && (await norm(block.queryNorm)),
        keyNorm: block.keyNorm && (await norm(block.keyNorm)),
        attentionOutput: await linear(block.attentionOutput),
        mlpNorm: block.mlpNorm && (await norm(block.mlpNorm)),
        gate: await linear(block.gate),
        up: await linear(block.up),
        down: await linear(block.down),
      });
    }
    const finalNorm = await norm(layout.finalNorm);
    const head = layout.head === layout.embedding ? embedding : await linear(layout.head);
    return { configuration, weights: { embedding, blocks, finalNorm, head }, free };
  } catch (error) {
    free();
    throw error;
  }
}
