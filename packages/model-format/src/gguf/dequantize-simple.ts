/**
 * GGUF's block types with one scale per 32 weights. Layout of a block, little-endian; `h` is a half-precision number:
 *
 * | type | bytes | fields | weight i (of 32) |
 * |---|---|---|---|
 * | Q4_0 | 18 | h d, 16 × q | `d · (q_i − 8)` |
 * | Q4_1 | 20 | h d, h m, 16 × q | `d · q_i + m` |
 * | Q5_0 | 22 | h d, u32 high bits, 16 × q | `d · (q_i + 16·high_i − 16)` |
 * | Q5_1 | 24 | h d, h m, u32 high bits, 16 × q | `d · (q_i + 16·high_i) + m` |
 * | Q8_0 | 34 | h d, 32 × i8 | `d · q_i` |
 *
 * Four-bit codes: byte j holds weight j in its low and weight j + 16 in its high half. Effective bits per weight: bytes / 4.
 * Products of scale and code are exact in float32; one rounding follows where a minimum is added, as in ggml.
 */
import { float16Table } from "../numbers/float16.js";

/** Q4_0 blocks to float32. */
export function dequantizeQ4_0(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 18, y += 32) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[o + 2 + j]!;
      target[y + j] = d * ((q & 15) - 8);
      target[y + 16 + j] = d * ((q >> 4) - 8);
    }
  }
}

/** Q4_1 blocks to float32. */
export function dequantizeQ4_1(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 20, y += 32) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    const m = half[bytes[o + 2]! | (bytes[o + 3]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[o + 4 + j]!;
      target[y + j] = d * (q & 15) + m;
      target[y + 16 + j] = d * (q >> 4) + m;
    }
  }
}

/** Q5_0 blocks to float32. */
export function dequantizeQ5_0(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 22, y += 32) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    const h = bytes[o + 2]! | (bytes[o + 3]! << 8) | (bytes[o + 4]! << 16) | (bytes[o + 5]! << 24);
    for (let j = 0; j < 16; j++) {
      const q = bytes[o + 6 + j]!;
      target[y + j] = d * (((q & 15) | (((h >> j) & 1) << 4)) - 16);
      target[y + 16 + j] = d * (((q >> 4) | (((h >> (j + 16)) & 1) << 4)) - 16);
    }
  }
}

/** Q5_1 blocks to float32. */
export function dequantizeQ5_1(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 24, y += 32) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    const m = half[bytes[o + 2]! | (bytes[o + 3]! << 8)]!;
    const h = bytes[o + 4]! | (bytes[o + 5]! << 8) | (bytes[o + 6]! << 16) | (bytes[o + 7]! << 24);
    for (let j = 0; j < 16; j++) {
      const q = bytes[o + 8 + j]!;
      target[y + j] = d * ((q & 15) | (((h >> j) & 1) << 4)) + m;
      target[y + 16 + j] = d * ((q >> 4) | (((h >> (j + 16)) & 1) << 4)) + m;
    }
  }
}

/** Q8_0 blocks to float32. */
export function dequantizeQ8_0(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 34, y += 32) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    for (let j = 0; j < 32; j++) target[y + j] = d * ((bytes[o + 2 + j]! << 24) >> 24);
  }
}
