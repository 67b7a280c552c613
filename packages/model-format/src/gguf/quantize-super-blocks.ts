/**
 * Float32 to GGUF's K types; layouts in `dequantize-super-blocks.ts`, the search for a group's scale in `group-scales.ts`.
 * The groups' scales are rounded to their few bits under one half-precision number of the super-block, then every code is
 * made again for the scale that is really stored, as ggml's reference quantizers do (without an importance matrix).
 */
import { float16Table } from "../numbers/float16.js";
import {
  clamp,
  clampSigned,
  largestOf,
  refineSymmetricScale,
  roundHalfEven,
  type ScaleSearch,
  searchScaleAndMinimum,
  searchSymmetricScale,
} from "./group-scales.js";
import { writeHalf } from "./quantize-simple.js";

const SUPER_BLOCK = 256;

/** Parameters of the types with scale and minimum per group. */
interface AsymmetricType extends ScaleSearch {
  readonly groupWeights: number;
  /** Highest integer that stands for a group's scale or minimum. */
  readonly highestScale: number;
}

const typeQ2K: AsymmetricType = {
  groupWeights: 16,
  highestScale: 15,
  highest: 3,
  first: -0.5,
  steps: 15,
  absolute: true,
};
const typeQ4K: AsymmetricType = {
  groupWeights: 32,
  highestScale: 63,
  highest: 15,
  first: -1,
  steps: 20,
  absolute: false,
};
const typeQ5K: AsymmetricType = {
  groupWeights: 32,
  highestScale: 63,
  highest: 31,
  first: -0.5,
  steps: 15,
  absolute: false,
};

/** Float32 to Q2_K super-blocks. */
export function quantizeQ2K(values: Float32Array, blocks: number, target: Uint8Array): void {
  const work = asymmetricWork(typeQ2K);
  for (let b = 0, o = 0; b < blocks; b++, o += 84) {
    const { codes, scales, minimums } = quantizeAsymmetric(values, b * SUPER_BLOCK, typeQ2K, work, target, o + 80);
    target.fill(0, o, o + 80);
    for (let group = 0; group < 16; group++) {
      target[o + group] = scales[group]! | (minimums[group]! << 4);
      const q = o + 16 + (group >> 3) * 32 + (group & 1) * 16;
      const shift = ((group >> 1) & 3) * 2;
      for (let j = 0; j < 16; j++) target[q + j]! |= codes[group * 16 + j]! << shift;
    }
  }
}

/** Float32 to Q4_K super-blocks. */
export function quantizeQ4K(values: Float32Array, blocks: number, target: Uint8Array): void {
  const work = asymmetricWork(typeQ4K);
  for (let b = 0, o = 0; b < blocks; b++, o += 144) {
    const { codes, scales, minimums } = quantizeAsymmetric(values, b * SUPER_BLOCK, typeQ4K, work, target, o);
    target.fill(0, o + 4, o + 144);
    packScalesAndMinimums(scales, minimums, target, o + 4);
    packHalves(codes, target, o + 16);
  }
}

/** Float32 to Q5_K super-blocks. */
export function quantizeQ5K(values: Float32Array, blocks: number, target: Uint8Array): void {
  const work = asymmetricWork(typeQ5K);
  for (let b = 0, o = 0; b < blocks; b++, o += 176) {
    const { codes, scales, minimums } = quantizeAsymmetric(values, b * SUPER_BLOCK, typeQ5K, work, target, o);
    target.fill(0, o + 4, o + 176);
    packScalesAndMinimums(scales, minimums, target, o + 4);
    packHalves(codes, target, o + 48);
    for (let i = 0; i < SUPER_BLOCK; i++) target[o + 16 + (i & 31)]! |= (codes[i]! >> 4) << (i >> 5);
  }
}

/** Float32 to Q3_K super-blocks. */
export function quantizeQ3K(values: Float32Array, blocks: number, target: Uint8Array): void {
  const found = new Float64Array(16);
  const half = float16Table();
  for (let b = 0, o = 0; b < blocks; b++, o += 110) {
    const from = b * SUPER_BLOCK;
    target.fill(0, o, o + 110);
    for (let group = 0; group < 16; group++) found[group] = refineSymmetricScale(values, from + group * 16, 16, 4);
    const largest = largestOf(found, 0, 16);
    const unit = half[writeHalf(target, o + 108, largest / -32)]!;
    for (let group = 0; group < 16; group++) {
      const scale = largest === 0 ? 0 : clampSigned(roundHalfEven((-32 / largest) * found[group]!), 32);
      const stored = scale + 32;
      target[o + 96 + (group & 7)]! |= (stored & 15) << (group < 8 ? 0 : 4);
      target[o + 104 + (group & 3)]! |= (stored >> 4) << (2 * (group >> 2));
      const start = (group & 1) * 16;
      const q = o + 32 + (group >> 3) * 32 + start;
      for (let j = 0; j < 16; j++) {
        const code = symmetricCode(values[from + group * 16 + j]!, unit * scale, 4) + 4;
        target[q + j]! |= (code & 3) << (((group >> 1) & 3) * 2);
        target[o + start + j]! |= (code >> 2) << (group >> 1);
      }
    }
  }
}

/** Float32 to Q6_K super-blocks. */
export function quantizeQ6K(values: Float32Array, blocks: number, target: Uint8Array): void {
  const found = new Float64Array(16);
  const half = float16Table();
  for (let b = 0, o = 0; b < blocks; b++, o += 210) {
    const from = b * SUPER_BLOCK;
    target.fill(0, o, o + 210);
    for (let group = 0; group < 16; group++) found[group] = searchSymmetricScale(values, from + group * 16, 16, 32);
    const largest = largestOf(found, 0, 16);
    const unit = half[writeHalf(target, o + 208, largest / -128)]!;
    for (let group = 0; group < 16; group++) {
      const scale = largest === 0 ? 0 : Math.min(127, roundHalfEven((-128 / largest) * found[group]!));
      target[o + 192 + group] = scale;
      const section = group >> 3;
      const quarter = (group >> 1) & 3;
      const start = (group & 1) * 16;
      const low = o + section * 64 + (quarter & 1) * 32 + start;
      const high = o + 128 + section * 32 + start;
      for (let j = 0; j < 16; j++) {
        const code = symmetricCode(values[from + group * 16 + j]!, unit * scale, 32) + 32;
        target[low + j]! |= (code & 15) << ((quarter >> 1) * 4);
        target[high + j]! |= (code >> 4) << (2 * quarter);
      }
    }
  }
}

function symmetricCode(value: number, scale: number, half: number): number {
  return scale === 0 ? 0 : clampSigned(roundHalfEven(value / scale), half);
}

/** Arrays of one super-block, made once per call. */
function asymmetricWork({ groupWeights }: AsymmetricType) {
  const groups = SUPER_BLOCK / groupWeights;
  return {
    weights: new Float64Array(groupWeights),
    foundScales: new Float64Array(groups),
    foundMinimums: new Float64Array(groups),
    scales: new Uint8Array(groups),
    minimums: new Uint8Array(groups),
    codes: new Uint8Array(SUPER_BLOCK),
  };
}

/** Codes, scales and minimums of a super-block; its two half-precision numbers are written at `at`. */
function quantizeAsymmetric(
  values: Float32Array,
  from: number,
  type: AsymmetricType,
  work: ReturnType<typeof asymmetricWork>,
  target: Uint8Array,
  at: number,
) {
  const { groupWeights, highestScale, highest, absolute } = type;
  const { weights, foundScales, foundMinimums, scales, minimums, codes } = work;
  const groups = SUPER_BLOCK / groupWeights;
  for (let group = 0; group < groups; group++) {
    const start = from + group * groupWeights;
    // Large weights count for more: by their magnitude, in the types of squared errors on top of the group's own.
    let squares = 0;
    for (let i = 0; i < groupWeights; i++) squares += values[start + i]! ** 2;
    const base = absolute ? 0 : Math.sqrt(squares / groupWeights);
    for (let i = 0; i < groupWeights; i++) weights[i] = base + Math.abs(values[start + i]!);
    const found = searchScaleAndMinimum(values, start, groupWeights, weights, type);
    foundScales[group] = Math.max(0, found.scale);
    foundMinimums[group] = Math.max(0, found.minimum);
  }
  const [largestScale, largestMinimum] = [largestOf(foundScales, 0, groups), largestOf(foundMinimums, 0, groups)];
  const half = float16Table();
  const scaleUnit = half[writeHalf(target, at, largestScale / highestScale)]!;
  const minimumUnit = half[writeHalf(target, at + 2, largestMinimum / highestScale)]!;
  for (let group = 0; group < groups; group++) {
    const share = (found: number, largest: number): number =>
      largest === 0 ? 0 : clamp(roundHalfEven((highestScale / largest) * found), highestScale);
    scales[group] = share(foundScales[group]!, largestScale);
    minimums[group] = share(foundMinimums[group]!, largestMinimum);
    const scale = scaleUnit * scales[group]!;
    const minimum = minimumUnit * minimums[group]!;
    for (let i = group * groupWeights; i < (group + 1) * groupWeights; i++) {
      codes[i] = scale === 0 ? 0 : clamp(roundHalfEven((values[from + i]! + minimum) / scale), highest);
    }
  }
  return work;
}

/** Twelve bytes of eight 6-bit scales and minimums. */
function packScalesAndMinimums(scales: Uint8Array, minimums: Uint8Array, target: Uint8Array, at: number): void {
  for (let group = 0; group < 4; group++) {
    const [laterScale, laterMinimum] = [scales[group + 4]!, minimums[group + 4]!];
    target[at + group] = scales[group]! | ((laterScale >> 4) << 6);
    target[at + 4 + group] = minimums[group]! | ((laterMinimum >> 4) << 6);
    target[at + 8 + group] = (laterScale & 15) | ((laterMinimum & 15) << 4);
  }
}

/** Low four bits, 64 weights in 32 bytes: the first half below, the second above. */
function packHalves(codes: Uint8Array, target: Uint8Array, at: number): void {
  for (let i = 0; i < SUPER_BLOCK; i++) {
    target[at + (i >> 6) * 32 + (i & 31)]! |= (codes[i]! & 15) << (((i >> 5) & 1) * 4);
  }
}
