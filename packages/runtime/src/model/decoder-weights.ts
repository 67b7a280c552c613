import type { FloatBuffer, KernelSet, Precision, PreparedLinear } from "@stepdown/core";
import type { DecoderLayout } from "./decoder-layout.js";

/** A linear layer in a kernel set's memory. */
export interface LoadedLinear {
  readonly name: string;
  readonly weight: PreparedLinear;
  readonly bias: FloatBuffer | undefined;
  /** Where the layer does not follow decisions (embedding, head): the precision it is always read at. */
  readonly ownPrecision: Precision;
}

/** A norm in a kernel set's memory. */
export interface LoadedNorm {
  readonly weight: FloatBuffer;
  readonly bias: FloatBuffer | undefined;
}

/** All weights of a model in a kernel set's memory. A tied head is the same object as the embedding. */
export interface DecoderWeights extends DecoderLayout<LoadedLinear, LoadedNorm> {
  /** Gives all of it back. */
  free(): void;
}

/** What a kernel set has taken in for a model, so that a failed load leaves nothing behind. */
export interface WeightMemory {
  readonly linears: PreparedLinear[];
  readonly buffers: FloatBuffer[];
}

/** Gives everything back. */
export function freeWeightMemory(kernels: KernelSet, memory: WeightMemory): void {
  for (const linear of memory.linears.splice(0)) kernels.freeLinear(linear);
  for (const buffer of memory.buffers.splice(0)) kernels.free(buffer);
}
