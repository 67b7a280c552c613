import { UnsupportedError } from "@stepdown/core";
import { allocateFloat32 } from "../numbers/allocate.js";
import { convertToFloat32 } from "../safetensors/data-type.js";
import { dequantizeQ4_0, dequantizeQ4_1, dequantizeQ5_0, dequantizeQ5_1, dequantizeQ8_0 } from "./dequantize-simple.js";
import {
  dequantizeQ2K,
  dequantizeQ3K,
  dequantizeQ4K,
  dequantizeQ5K,
  dequantizeQ6K,
} from "./dequantize-super-blocks.js";
import { dequantizeIq4Nl, dequantizeIq4Xs, dequantizeMxfp4, dequantizeTq2_0 } from "./dequantize-tables.js";
import { ggufTypes } from "./types.js";

/** Writes the weights of `blocks` blocks, whose bytes are whole, into `target`. */
export type BlockDequantizer = (bytes: Uint8Array, blocks: number, target: Float32Array) => void;

const dequantizers: ReadonlyMap<string, BlockDequantizer> = new Map([
  ["Q4_0", dequantizeQ4_0],
  ["Q4_1", dequantizeQ4_1],
  ["Q5_0", dequantizeQ5_0],
  ["Q5_1", dequantizeQ5_1],
  ["Q8_0", dequantizeQ8_0],
  ["Q2_K", dequantizeQ2K],
  ["Q3_K", dequantizeQ3K],
  ["Q4_K", dequantizeQ4K],
  ["Q5_K", dequantizeQ5K],
  ["Q6_K", dequantizeQ6K],
  ["IQ4_NL", dequantizeIq4Nl],
  ["IQ4_XS", dequantizeIq4Xs],
  ["MXFP4", dequantizeMxfp4],
  ["TQ2_0", dequantizeTq2_0],
]);

const plain: ReadonlySet<string> = new Set(["F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"]);

/** Whether tensors of this type can be read as numbers. */
export function canDequantize(type: string): boolean {
  return plain.has(type) || dequantizers.has(type);
}

/** Bytes of a GGUF tensor type as float32. `name` is for the message of `UnsupportedError`. */
export function dequantize(type: string, bytes: Uint8Array, name: string): Float32Array {
  if (plain.has(type)) return convertToFloat32(type, bytes, name);
  const dequantizer = dequantizers.get(type);
  const layout = [...ggufTypes.values()].find((candidate) => candidate.name === type);
  if (dequantizer === undefined || layout === undefined) {
    const known = ["F32", "F16", "BF16", ...dequantizers.keys()].join(", ");
    throw new UnsupportedError(
      `${name}: tensors of type ${type} cannot be read here, only ${known}; use a file with those`,
    );
  }
  const blocks = Math.floor(bytes.byteLength / layout.blockBytes);
  const target = allocateFloat32(blocks * layout.blockWeights, name);
  dequantizer(bytes, blocks, target);
  return target;
}
