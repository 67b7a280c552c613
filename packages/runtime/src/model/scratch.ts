import type { FloatBuffer, KernelSet } from "@stepdown/core";
import type { DecoderConfiguration } from "../configuration/decoder-configuration.js";

/**
 * Activations of one chunk of tokens, taken once per sequence and used by every block in turn. They belong to a sequence
 * and not to the model, so that sequences may take turns in any way. `[tokens][…]` each, room for `tokens` tokens.
 */
export interface Scratch {
  readonly tokens: number;
  /** `[tokens][hidden]`: the residual stream. */
  readonly residual: FloatBuffer;
  /** `[tokens][hidden]`: its norm. */
  readonly normalized: FloatBuffer;
  /** `[tokens][hidden]`: what attention or MLP adds to the residual stream. */
  readonly update: FloatBuffer;
  /** `[tokens][heads][headDimension]`. */
  readonly queries: FloatBuffer;
  readonly attended: FloatBuffer;
  /** `[tokens][keyValueHeads][headDimension]`. */
  readonly keys: FloatBuffer;
  readonly values: FloatBuffer;
  /** `[tokens][intermediate]`. */
  readonly gate: FloatBuffer;
  readonly up: FloatBuffer;
  /** Gives the memory back. */
  free(): void;
}

/** Takes the buffers; if memory runs out half-way, what was taken is given back. */
export function allocateScratch(kernels: KernelSet, c: DecoderConfiguration, tokens: number): Scratch {
  const taken: FloatBuffer[] = [];
  const free = (): void => {
    for (const buffer of taken.splice(0)) kernels.free(buffer);
  };
  const take = (columns: number): FloatBuffer => {
    const buffer = kernels.allocate(tokens * columns);
    taken.push(buffer);
    return buffer;
  };
  try {
    return {
      tokens,
      residual: take(c.hiddenSize),
      normalized: take(c.hiddenSize),
      update: take(c.hiddenSize),
      queries: take(c.heads * c.headDimension),
      attended: take(c.heads * c.headDimension),
      keys: take(c.keyValueHeads * c.headDimension),
      values: take(c.keyValueHeads * c.headDimension),
      gate: take(c.intermediateSize),
      up: take(c.intermediateSize),
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}
