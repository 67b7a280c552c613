/** Memory of a backward pass: what the forward pass keeps of every block, and room for gradients, which blocks share. */
import type { FloatBuffer, GradientKernels } from "@stepdown/core";
import type { DecoderConfiguration } from "../../configuration/decoder-configuration.js";
import { rotaryFrequencies } from "../../rotary/rotary-frequencies.js";

/** Numbers of logits held at once: 64 MiB. */
const LOGITS = 1 << 24;

/** Activations of one block that its backward pass needs; the rest is computed again. `[tokens][…]` each. */
export interface BlockActivations {
  /** `[hidden]`: the residual stream before attention and before the MLP (the same buffer in a parallel block). */
  readonly residual: FloatBuffer;
  readonly middle: FloatBuffer;
  /** `[heads][headDimension]`, `[keyValueHeads][headDimension]`: after norm and rotation. */
  readonly queries: FloatBuffer;
  readonly keys: FloatBuffer;
  readonly values: FloatBuffer;
  /** Before their norm, where there is one. */
  readonly rawQueries: FloatBuffer | undefined;
  readonly rawKeys: FloatBuffer | undefined;
  /** `[heads][headDimension]`. */
  readonly attended: FloatBuffer;
  /** `[intermediate]`: outputs of both layers; their gradients later. */
  readonly gate: FloatBuffer;
  readonly up: FloatBuffer;
}

/** All buffers for sequences of at most `tokens` tokens. */
export interface GradientBuffers {
  readonly tokens: number;
  readonly blocks: readonly BlockActivations[];
  /** `[tokens][hidden]`: what the last block leaves. */
  readonly final: FloatBuffer;
  readonly normalized: FloatBuffer;
  /** `[tokens][intermediate]`: input of the last layer of an MLP, and its gradient. */
  readonly activation: FloatBuffer;
  readonly activationGradient: FloatBuffer;
  /** `[tokens][hidden]`: gradients of the residual stream and of a norm's output. */
  readonly residualGradient: FloatBuffer;
  readonly normalizedGradient: FloatBuffer;
  readonly attendedGradient: FloatBuffer;
  readonly queryGradient: FloatBuffer;
  readonly keyGradient: FloatBuffer;
  readonly valueGradient: FloatBuffer;
  /** `[logitRows][vocabulary]`. */
  readonly logits: FloatBuffer;
  readonly logitRows: number;
  /** `[tokens][rotaryDimension / 2]`. */
  readonly cosines: FloatBuffer;
  readonly sines: FloatBuffer;
  free(): void;
}

/** Takes the buffers; if memory runs out half-way, what was taken is given back. */
export function allocateGradientBuffers(
  kernels: GradientKernels,
  c: DecoderConfiguration,
  tokens: number,
): GradientBuffers {
  const taken: FloatBuffer[] = [];
  const free = (): void => {
    for (const buffer of taken.splice(0)) kernels.free(buffer);
  };
  const take = (length: number): FloatBuffer => {
    const buffer = kernels.allocate(length);
    taken.push(buffer);
    return buffer;
  };
  const table = (values: Float32Array): FloatBuffer => {
    const buffer = take(values.length);
    kernels.write(buffer, values);
    return buffer;
  };
  const hidden = tokens * c.hiddenSize;
  const query = tokens * c.heads * c.headDimension;
  const key = tokens * c.keyValueHeads * c.headDimension;
  const inner = tokens * c.intermediateSize;
  const logitRows = Math.min(tokens, Math.max(4, Math.floor(LOGITS / c.vocabularySize / 4) * 4));
  const frequencies = rotaryFrequencies(c.rotary);
  const angles = Float64Array.from({ length: tokens * frequencies.length }, (_, index) => {
    return Math.floor(index / frequencies.length) * frequencies[index % frequencies.length]!;
  });
  try {
    const blocks = Array.from({ length: c.blocks }, (): BlockActivations => {
      const residual = take(hidden);
      return {
        residual,
        middle: c.parallelBlock ? residual : take(hidden),
        queries: take(query),
        keys: take(key),
        values: take(key),
        rawQueries: c.queryKeyNorm ? take(query) : undefined,
        rawKeys: c.queryKeyNorm ? take(key) : undefined,
        attended: take(query),
        gate: take(inner),
        up: take(inner),
      };
    });
    return {
      tokens,
      blocks,
      final: take(hidden),
      normalized: take(hidden),
      activation: take(inner),
      activationGradient: take(inner),
      residualGradient: take(hidden),
      normalizedGradient: take(hidden),
      attendedGradient: take(query),
      queryGradient: take(query),
      keyGradient: take(key),
      valueGradient: take(key),
      logits: take(logitRows * c.vocabularySize),
      logitRows,
      cosines: table(Float32Array.from(angles, Math.cos)),
      sines: table(Float32Array.from(angles, Math.sin)),
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}
