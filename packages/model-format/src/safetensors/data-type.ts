import { UnsupportedError } from "@stepdown/core";
import { allocateFloat32 } from "../numbers/allocate.js";
import { bfloat16ToFloat32 } from "../numbers/bfloat16.js";
import { float16ToFloat32 } from "../numbers/float16.js";
import { align, asFloat32, asUint16 } from "../numbers/views.js";

/** Bits per element of every type of the safetensors format. Types below 8 bits are packed; they can be listed, not converted. */
export const safetensorsBits: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["U8", 8],
  ["I8", 8],
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["F8_E4M3", 8],
  ["F8_E5M2", 8],
  ["F8_E8M0", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2FNUZ", 8],
  ["I16", 16],
  ["U16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["I32", 32],
  ["U32", 32],
  ["F32", 32],
  ["C64", 64],
  ["I64", 64],
  ["U64", 64],
  ["F64", 64],
]);

/** Little-endian bytes of a safetensors type as float32 (64-bit values are rounded). Throws `UnsupportedError`. */
export function convertToFloat32(type: string, bytes: Uint8Array, name: string): Float32Array {
  switch (type) {
    case "F32":
      return asFloat32(bytes);
    case "F16":
      return float16ToFloat32(asUint16(bytes), allocateFloat32(bytes.byteLength / 2, name));
    case "BF16":
      return bfloat16ToFloat32(asUint16(bytes), allocateFloat32(bytes.byteLength / 2, name));
    case "BOOL":
    case "U8":
      return Float32Array.from(bytes);
    case "I8":
      return Float32Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    case "U16":
      return Float32Array.from(asUint16(bytes));
    case "I16":
      return Float32Array.from(wide(bytes, Int16Array, 2));
    case "I32":
      return Float32Array.from(wide(bytes, Int32Array, 4));
    case "U32":
      return Float32Array.from(wide(bytes, Uint32Array, 4));
    case "F64":
      return Float32Array.from(wide(bytes, Float64Array, 8));
    case "I64":
      return fromBigIntegers(wide(bytes, BigInt64Array, 8));
    case "U64":
      return fromBigIntegers(wide(bytes, BigUint64Array, 8));
    default:
      throw new UnsupportedError(
        `${name}: tensors of type ${type} cannot be read as numbers here; convert the checkpoint to F32, F16 or BF16`,
      );
  }
}

function wide<T>(
  bytes: Uint8Array,
  view: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
  size: number,
): T {
  const aligned = align(bytes, size);
  return new view(aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

function fromBigIntegers(values: BigInt64Array | BigUint64Array): Float32Array {
  const numbers = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) numbers[i] = Number(values[i]);
  return numbers;
}
