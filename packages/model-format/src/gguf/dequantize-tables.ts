/**
 * GGUF's types whose codes are looked up or are ternary. Layout of a block; `h` is a half-precision number:
 *
 * | type | weights | bytes | fields | weight |
 * |---|---|---|---|---|
 * | IQ4_NL | 32 | 18 | h d, 16 × q | `d · level[q]` |
 * | IQ4_XS | 256 | 136 | h d, u16 and 4 bytes of eight 6-bit scales, 128 × q | `d · (scale − 32) · level[q]` |
 * | MXFP4 | 32 | 17 | u8 e, 16 × q | `2^(e − 128) · doubled[q]` (E2M1 values doubled) |
 * | TQ2_0 | 256 | 66 | 64 × q, h d | `d · (q − 1)` |
 */
import { float16Table } from "../numbers/float16.js";

/** The sixteen levels of the non-linear 4-bit types: a constant of the format. */
const levels = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/** Twice the values of the 4-bit float E2M1, by pattern. */
const doubled = Float32Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** IQ4_NL blocks to float32. */
export function dequantizeIq4Nl(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 18, y += 32) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[o + 2 + j]!;
      target[y + j] = d * levels[q & 15]!;
      target[y + 16 + j] = d * levels[q >> 4]!;
    }
  }
}

/** IQ4_XS super-blocks to float32. */
export function dequantizeIq4Xs(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 136) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    const high = bytes[o + 2]! | (bytes[o + 3]! << 8);
    for (let group = 0; group < 8; group++, y += 32) {
      const low = (bytes[o + 4 + (group >> 1)]! >> (4 * (group & 1))) & 15;
      const dl = d * ((low | (((high >> (2 * group)) & 3) << 4)) - 32);
      for (let j = 0; j < 16; j++) {
        const q = bytes[o + 8 + group * 16 + j]!;
        target[y + j] = dl * levels[q & 15]!;
        target[y + 16 + j] = dl * levels[q >> 4]!;
      }
    }
  }
}

/** MXFP4 blocks to float32. */
export function dequantizeMxfp4(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 17, y += 32) {
    const d = 2 ** (bytes[o]! - 128);
    for (let j = 0; j < 16; j++) {
      const q = bytes[o + 1 + j]!;
      target[y + j] = d * doubled[q & 15]!;
      target[y + 16 + j] = d * doubled[q >> 4]!;
    }
  }
}

/** TQ2_0 super-blocks to float32. */
export function dequantizeTq2_0(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 66) {
    const d = half[bytes[o + 64]! | (bytes[o + 65]! << 8)]!;
    for (let part = 0; part < 8; part++, y += 32) {
      const q = o + (part >> 2) * 32;
      const shift = (part & 3) * 2;
      for (let j = 0; j < 32; j++) target[y + j] = d * (((bytes[q + j]! >> shift) & 3) - 1);
    }
  }
}
