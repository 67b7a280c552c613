import { InvalidArgumentError, UnsupportedError } from "@stepdown/core";
import { dequantize } from "./dequantize.js";
import { quantizeQ4_0, quantizeQ4_1, quantizeQ5_0, quantizeQ5_1, quantizeQ8_0 } from "./quantize-simple.js";
import { quantizeQ2K, quantizeQ3K, quantizeQ4K, quantizeQ5K, quantizeQ6K } from "./quantize-super-blocks.js";
import { type GgufType, ggufTypes } from "./types.js";

type BlockQuantizer = (values: Float32Array, blocks: number, target: Uint8Array) => void;

const quantizers: ReadonlyMap<string, BlockQuantizer> = new Map([
  ["Q4_0", quantizeQ4_0],
  ["Q4_1", quantizeQ4_1],
  ["Q5_0", quantizeQ5_0],
  ["Q5_1", quantizeQ5_1],
  ["Q8_0", quantizeQ8_0],
  ["Q2_K", quantizeQ2K],
  ["Q3_K", quantizeQ3K],
  ["Q4_K", quantizeQ4K],
  ["Q5_K", quantizeQ5K],
  ["Q6_K", quantizeQ6K],
]);

/** Types that {@link quantizeToGguf} can make. */
export const quantizableGgufTypes: readonly string[] = [...quantizers.keys()];

/** Weights per block and bytes per block of a type, or `UnsupportedError` where it cannot be made here. */
export function quantizableGgufType(type: string): GgufType {
  const layout = [...ggufTypes.values()].find(({ name }) => name === type);
  if (layout === undefined || !quantizers.has(type)) {
    throw new UnsupportedError(
      `tensors of type ${JSON.stringify(type)} cannot be made here; choose one of ${quantizableGgufTypes.join(", ")}`,
    );
  }
  return layout;
}

/** Float32 numbers, a whole number of blocks, as the bytes of a GGUF tensor of this type. */
export function quantizeToGguf(type: string, values: Float32Array): Uint8Array {
  const { blockWeights, blockBytes } = quantizableGgufType(type);
  if (values.length % blockWeights !== 0) {
    throw new InvalidArgumentError(
      `${values.length} numbers are no whole number of ${type} blocks of ${blockWeights}; choose a type with smaller blocks`,
    );
  }
  const blocks = values.length / blockWeights;
  const bytes = new Uint8Array(blocks * blockBytes);
  quantizers.get(type)!(values, blocks, bytes);
  return bytes;
}

/** What is left of float32 numbers after a round trip through a GGUF type. */
export function roundTripGguf(type: string, values: Float32Array): Float32Array {
  return dequantize(type, quantizeToGguf(type, values), "round trip");
}
