/**
 * Float32 to GGUF's block types with one scale per 32 weights; layouts in `dequantize-simple.ts`. The rule is the one of
 * ggml's reference quantizers, in float32 arithmetic:
 *
 * | type | scale d, minimum m | code |
 * |---|---|---|
 * | Q4_0 | d = x / −8, x the weight of largest magnitude, sign kept | min(15, ⌊w/d + 8.5⌋) |
 * | Q5_0 | d = x / −16 | min(31, ⌊w/d + 16.5⌋) |
 * | Q8_0 | d = max \|w\| / 127 | w/d rounded, halves away from zero |
 * | Q4_1, Q5_1 | m = min w, d = (max w − m) / 15 or 31 | min(15 or 31, ⌊(w − m)/d + 0.5⌋) |
 *
 * Codes are made with the scale before it is rounded to half precision. A block of equal codes' scale 0 gives weights 0.
 */
import { float32ToFloat16 } from "../numbers/float16.js";

const { fround } = Math;

/** Weights of a block. */
const BLOCK = 32;

/** Float32 to Q4_0 blocks. */
export function quantizeQ4_0(values: Float32Array, blocks: number, target: Uint8Array): void {
  const codes = new Uint8Array(BLOCK);
  for (let b = 0, o = 0; b < blocks; b++, o += 18) {
    writeHalf(target, o, symmetricCodes(values, b * BLOCK, 8, codes));
    packNibbles(codes, target, o + 2);
  }
}

/** Float32 to Q5_0 blocks. */
export function quantizeQ5_0(values: Float32Array, blocks: number, target: Uint8Array): void {
  const codes = new Uint8Array(BLOCK);
  for (let b = 0, o = 0; b < blocks; b++, o += 22) {
    writeHalf(target, o, symmetricCodes(values, b * BLOCK, 16, codes));
    packFifthBits(codes, target, o + 2);
    packNibbles(codes, target, o + 6);
  }
}

/** Float32 to Q4_1 blocks. */
export function quantizeQ4_1(values: Float32Array, blocks: number, target: Uint8Array): void {
  const codes = new Uint8Array(BLOCK);
  for (let b = 0, o = 0; b < blocks; b++, o += 20) {
    const { scale, minimum } = offsetCodes(values, b * BLOCK, 15, codes);
    writeHalf(target, o, scale);
    writeHalf(target, o + 2, minimum);
    packNibbles(codes, target, o + 4);
  }
}

/** Float32 to Q5_1 blocks. */
export function quantizeQ5_1(values: Float32Array, blocks: number, target: Uint8Array): void {
  const codes = new Uint8Array(BLOCK);
  for (let b = 0, o = 0; b < blocks; b++, o += 24) {
    const { scale, minimum } = offsetCodes(values, b * BLOCK, 31, codes);
    writeHalf(target, o, scale);
    writeHalf(target, o + 2, minimum);
    packFifthBits(codes, target, o + 4);
    packNibbles(codes, target, o + 8);
  }
}

/** Float32 to Q8_0 blocks. */
export function quantizeQ8_0(values: Float32Array, blocks: number, target: Uint8Array): void {
  for (let b = 0, o = 0; b < blocks; b++, o += 34) {
    const from = b * BLOCK;
    let largest = 0;
    for (let i = from; i < from + BLOCK; i++) largest = Math.max(largest, Math.abs(values[i]!));
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    writeHalf(target, o, scale);
    for (let i = 0; i < BLOCK; i++) {
      const scaled = fround(values[from + i]! * inverse);
      target[o + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  }
}

/** Codes around `half`, the largest weight at 0; returns the scale. */
function symmetricCodes(values: Float32Array, from: number, half: number, codes: Uint8Array): number {
  let largest = 0;
  for (let i = from; i < from + BLOCK; i++) {
    if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
  }
  const scale = fround(largest / -half);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  for (let i = 0; i < BLOCK; i++) {
    const code = Math.trunc(fround(fround(values[from + i]! * inverse) + fround(half + 0.5)));
    codes[i] = Math.min(2 * half - 1, code);
  }
  return scale;
}

/** Codes from the smallest weight up. */
function offsetCodes(values: Float32Array, from: number, highest: number, codes: Uint8Array) {
  let [minimum, maximum] = [values[from]!, values[from]!];
  for (let i = from; i < from + BLOCK; i++) {
    minimum = Math.min(minimum, values[i]!);
    maximum = Math.max(maximum, values[i]!);
  }
  const scale = fround(fround(maximum - minimum) / highest);
  const inverse = scale === 0 ? 0 : fround(1 / scale);
  for (let i = 0; i < BLOCK; i++) {
    const code = Math.trunc(fround(fround(fround(values[from + i]! - minimum) * inverse) + 0.5));
    codes[i] = Math.min(highest, code);
  }
  return { scale, minimum };
}

/** Low four bits: byte j holds weight j below and weight j + 16 above. */
function packNibbles(codes: Uint8Array, target: Uint8Array, at: number): void {
  for (let j = 0; j < 16; j++) target[at + j] = (codes[j]! & 15) | ((codes[j + 16]! & 15) << 4);
}

/** Fifth bits of 32 codes, bit i of four bytes for weight i. */
function packFifthBits(codes: Uint8Array, target: Uint8Array, at: number): void {
  for (let byte = 0; byte < 4; byte++) {
    let bits = 0;
    for (let i = 0; i < 8; i++) bits |= (codes[byte * 8 + i]! >> 4) << i;
    target[at + byte] = bits;
  }
}

const number = new Float32Array(1);
const pattern = new Uint16Array(1);

/** Writes a number in half precision and returns what it became's pattern. */
export function writeHalf(target: Uint8Array, at: number, value: number): number {
  number[0] = value;
  float32ToFloat16(number, pattern);
  target[at] = pattern[0]! & 255;
  target[at + 1] = pattern[0]! >> 8;
  return pattern[0]!;
}
