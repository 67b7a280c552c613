/**
 * GGUF's K types: super-blocks of 256 weights in groups of 16 or 32, the groups' scales quantized once more. Layout of a
 * super-block; `h` is a half-precision number:
 *
 * | type | bytes | fields |
 * |---|---|---|
 * | Q2_K | 84 | 16 × (4-bit scale, 4-bit minimum), 64 × q, h d, h dmin |
 * | Q3_K | 110 | 32 × high bits, 64 × q, 12 bytes of sixteen 6-bit scales, h d |
 * | Q4_K | 144 | h d, h dmin, 12 bytes of eight 6-bit scales and minimums, 128 × q |
 * | Q5_K | 176 | h d, h dmin, the same 12 bytes, 32 × high bits, 128 × q |
 * | Q6_K | 210 | 128 × low 4 bits, 64 × high 2 bits, 16 × i8 scale, h d |
 *
 * Weight = `d · scale · q (− dmin · minimum)`; both products are exact in float32, so one rounding remains, as in ggml.
 */
import { float16Table } from "../numbers/float16.js";

/** Q2_K super-blocks to float32. */
export function dequantizeQ2K(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 84) {
    const d = half[bytes[o + 80]! | (bytes[o + 81]! << 8)]!;
    const minimum = half[bytes[o + 82]! | (bytes[o + 83]! << 8)]!;
    for (let group = 0; group < 16; group++, y += 16) {
      const scale = bytes[o + group]!;
      const dl = d * (scale & 15);
      const ml = minimum * (scale >> 4);
      // Groups go in pairs over 32 bytes: each pair takes the next two bits, each eight groups the next 32 bytes.
      const q = o + 16 + (group >> 3) * 32 + (group & 1) * 16;
      const shift = ((group >> 1) & 3) * 2;
      for (let j = 0; j < 16; j++) target[y + j] = dl * ((bytes[q + j]! >> shift) & 3) - ml;
    }
  }
}

/** Q3_K super-blocks to float32. */
export function dequantizeQ3K(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 110) {
    const d = half[bytes[o + 108]! | (bytes[o + 109]! << 8)]!;
    const scales = o + 96;
    for (let group = 0; group < 16; group++, y += 16) {
      const low = group < 8 ? bytes[scales + group]! & 15 : bytes[scales + group - 8]! >> 4;
      const high = (bytes[scales + 8 + (group & 3)]! >> (2 * (group >> 2))) & 3;
      const dl = d * ((low | (high << 4)) - 32);
      const start = (group & 1) * 16;
      const q = o + 32 + (group >> 3) * 32 + start;
      const shift = ((group >> 1) & 3) * 2;
      const bit = group >> 1;
      for (let j = 0; j < 16; j++) {
        const code = ((bytes[q + j]! >> shift) & 3) | (((bytes[o + start + j]! >> bit) & 1) << 2);
        target[y + j] = dl * (code - 4);
      }
    }
  }
}

/** Q4_K super-blocks to float32. */
export function dequantizeQ4K(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 144) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    const minimum = half[bytes[o + 2]! | (bytes[o + 3]! << 8)]!;
    for (let group = 0; group < 8; group++, y += 32) {
      const dl = d * scaleOf(bytes, o + 4, group);
      const ml = minimum * minimumOf(bytes, o + 4, group);
      const q = o + 16 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let j = 0; j < 32; j++) target[y + j] = dl * ((bytes[q + j]! >> shift) & 15) - ml;
    }
  }
}

/** Q5_K super-blocks to float32. */
export function dequantizeQ5K(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 176) {
    const d = half[bytes[o]! | (bytes[o + 1]! << 8)]!;
    const minimum = half[bytes[o + 2]! | (bytes[o + 3]! << 8)]!;
    for (let group = 0; group < 8; group++, y += 32) {
      const dl = d * scaleOf(bytes, o + 4, group);
      const ml = minimum * minimumOf(bytes, o + 4, group);
      const q = o + 48 + (group >> 1) * 32;
      const shift = (group & 1) * 4;
      for (let j = 0; j < 32; j++) {
        const high = ((bytes[o + 16 + j]! >> group) & 1) << 4;
        target[y + j] = dl * (((bytes[q + j]! >> shift) & 15) | high) - ml;
      }
    }
  }
}

/** Q6_K super-blocks to float32. */
export function dequantizeQ6K(bytes: Uint8Array, blocks: number, target: Float32Array): void {
  const half = float16Table();
  for (let b = 0, o = 0, y = 0; b < blocks; b++, o += 210) {
    const d = half[bytes[o + 208]! | (bytes[o + 209]! << 8)]!;
    for (let group = 0; group < 16; group++, y += 16) {
      const dl = d * ((bytes[o + 192 + group]! << 24) >> 24);
      // Within a half of 128 weights: quarter 0 … 3 of 32 weights; quarters 0, 1 lie in low nibbles, 2, 3 in high ones.
      const section = group >> 3;
      const quarter = (group >> 1) & 3;
      const start = (group & 1) * 16;
      const low = o + section * 64 + (quarter & 1) * 32 + start;
      const lowShift = (quarter >> 1) * 4;
      const high = o + 128 + section * 32 + start;
      for (let j = 0; j < 16; j++) {
        const code = ((bytes[low + j]! >> lowShift) & 15) | (((bytes[high + j]! >> (2 * quarter)) & 3) << 4);
        target[y + j] = dl * (code - 32);
      }
    }
  }
}

/** 6-bit scale of a group of Q4_K and Q5_K: the first four in bytes 0 … 3, the others in bytes 8 … 11 and spare bits. */
function scaleOf(bytes: Uint8Array, at: number, group: number): number {
  return group < 4 ? bytes[at + group]! & 63 : (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

/** 6-bit minimum of a group of Q4_K and Q5_K. */
function minimumOf(bytes: Uint8Array, at: number, group: number): number {
  return group < 4 ? bytes[at + group + 4]! & 63 : (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
}
