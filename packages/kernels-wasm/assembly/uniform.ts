/**
 * Uniform weights: `w = scale · (2u + 1 − 2^p) / 2^p`, u the first p bits of the label. Here those of up to 4 bits, as
 * nibbles `[rows][columns / 2]`, label left-aligned to 4 bits and its first bit inverted: of 32 columns in 16 bytes, byte j
 * holds column j in its low half and column 16 + j in its high half. More bits: `uniform-bytes.ts`. Effective bits per
 * weight: 4, plus 32 / columns.
 *
 * With s = (label cut to p bits) − 128 a signed byte, `w = scale / 256 · (2s + 2^(8−p))`, so that
 * `w · x = scale / 256 · (2 Σ s x + 2^(8−p) Σ x)`. The codes are integers, and integer products are exact and cheap
 * (`i32x4.dot_i16x8_s`): activations are split into two 16-bit parts, `x = step · (h + l / 65534)` with
 * `step = max |x| / 32767`, which keeps them to 2^-31 of the largest, finer than float32 itself keeps the largest.
 */
import { sumLanes } from "./sums";

/** Columns after which 32-bit sums are flushed: 1024 / 4 lanes · 128 · 32767 < 2^30 · 2. */
const FLUSH: i32 = 1024;

/** Largest |x| outside of which the split would lose precision or overflow. */
const LARGEST: f32 = 1e30;
const SMALLEST: f32 = 1e-30;

/**
 * Splits activations. Memory at `target`: step, Σ x (f32 each), then from byte 64 on per 16 columns h[0..7], h[8..15],
 * l[0..7], l[8..15] as int16. Returns 0, with nothing usable written, where the numbers are too large, too small or not
 * finite: the caller then takes the float path.
 */
export function splitActivations(x: usize, columns: i32, target: usize): i32 {
  const end = x + (<usize>columns << 2);
  let largest = f32x4.splat(0);
  let sums = f64x2.splat(0);
  let at = x;
  do {
    const v = v128.load(at);
    largest = f32x4.max(largest, f32x4.abs(v));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(v));
    sums = f64x2.add(sums, f64x2.promote_low_f32x4(i64x2.shuffle(v, v, 1, 0)));
    at += 16;
  } while (at < end);
  largest = f32x4.max(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  largest = f32x4.max(largest, i32x4.shuffle(largest, largest, 1, 0, 3, 2));
  const most = f32x4.extract_lane(largest, 0);
  if (most != 0 && !(most >= SMALLEST && most <= LARGEST)) return 0;
  f32.store(target, most / 32767);
  f32.store(target, <f32>(f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)), 4);
  const inverse = f32x4.splat(most == 0 ? 0 : 32767 / most);
  const fine = f32x4.splat(65534);
  target += 64;
  do {
    const q0 = f32x4.mul(v128.load(x), inverse);
    const q1 = f32x4.mul(v128.load(x, 16), inverse);
    const q2 = f32x4.mul(v128.load(x, 32), inverse);
    const q3 = f32x4.mul(v128.load(x, 48), inverse);
    const h0 = f32x4.nearest(q0);
    const h1 = f32x4.nearest(q1);
    const h2 = f32x4.nearest(q2);
    const h3 = f32x4.nearest(q3);
    v128.store(target, i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(h0), i32x4.trunc_sat_f32x4_s(h1)));
    v128.store(target, i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(h2), i32x4.trunc_sat_f32x4_s(h3)), 16);
    const l0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(q0, h0), fine)));
    const l1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(q1, h1), fine)));
    const l2 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(q2, h2), fine)));
    const l3 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.sub(q3, h3), fine)));
    v128.store(target, i16x8.narrow_i32x4_s(l0, l1), 32);
    v128.store(target, i16x8.narrow_i32x4_s(l2, l3), 48);
    x += 64;
    target += 64;
  } while (x < end);
  return 1;
}

/** Signed codes of columns 0 … 15 of 32; the mask keeps the first bits. */
// @ts-ignore: decorator
@inline
function firstCodes(nibbles: v128, mask: v128): v128 {
  return v128.and(i16x8.shl(nibbles, 4), mask);
}

/** Sums of a row's codes times split activations, as floats in units of the step. */
// @ts-ignore: decorator
@inline
function fold(h: v128, l: v128): v128 {
  return f32x4.add(f32x4.convert_i32x4_s(h), f32x4.mul(f32x4.convert_i32x4_s(l), f32x4.splat(<f32>(1.0 / 65534.0))));
}

/** Two rows at once, so that activations are loaded once for both; the rows lie far apart, as two memory streams. */
// @ts-ignore: decorator
@inline
function dotPair(
  nibblesA: usize,
  nibblesB: usize,
  columns: i32,
  bits: i32,
  x: usize,
  factors: usize,
  scaleA: usize,
  scaleB: usize,
  biasA: usize,
  biasB: usize,
  outputA: usize,
  outputB: usize,
): void {
  const mask = i8x16.splat(<i8>(0xff << (8 - bits)));
  let totalA = f32x4.splat(0);
  let totalB = f32x4.splat(0);
  let left = columns;
  do {
    let hA = i32x4.splat(0);
    let lA = hA;
    let hB = hA;
    let lB = hA;
    const end = x + (<usize>min(left, FLUSH) << 2);
    do {
      const nA = v128.load(nibblesA);
      const nB = v128.load(nibblesB);
      let cA = firstCodes(nA, mask);
      let cB = firstCodes(nB, mask);
      let wA = i16x8.extend_low_i8x16_s(cA);
      let wB = i16x8.extend_low_i8x16_s(cB);
      let xh = v128.load(x);
      let xl = v128.load(x, 32);
      hA = i32x4.add(hA, i32x4.dot_i16x8_s(wA, xh));
      lA = i32x4.add(lA, i32x4.dot_i16x8_s(wA, xl));
      hB = i32x4.add(hB, i32x4.dot_i16x8_s(wB, xh));
      lB = i32x4.add(lB, i32x4.dot_i16x8_s(wB, xl));
      wA = i16x8.extend_high_i8x16_s(cA);
      wB = i16x8.extend_high_i8x16_s(cB);
      xh = v128.load(x, 16);
      xl = v128.load(x, 48);
      hA = i32x4.add(hA, i32x4.dot_i16x8_s(wA, xh));
      lA = i32x4.add(lA, i32x4.dot_i16x8_s(wA, xl));
      hB = i32x4.add(hB, i32x4.dot_i16x8_s(wB, xh));
      lB = i32x4.add(lB, i32x4.dot_i16x8_s(wB, xl));
      cA = v128.and(nA, mask);
      cB = v128.and(nB, mask);
      wA = i16x8.extend_low_i8x16_s(cA);
      wB = i16x8.extend_low_i8x16_s(cB);
      xh = v128.load(x, 64);
      xl = v128.load(x, 96);
      hA = i32x4.add(hA, i32x4.dot_i16x8_s(wA, xh));
      lA = i32x4.add(lA, i32x4.dot_i16x8_s(wA, xl));
      hB = i32x4.add(hB, i32x4.dot_i16x8_s(wB, xh));
      lB = i32x4.add(lB, i32x4.dot_i16x8_s(wB, xl));
      wA = i16x8.extend_high_i8x16_s(cA);
      wB = i16x8.extend_high_i8x16_s(cB);
      xh = v128.load(x, 80);
      xl = v128.load(x, 112);
      hA = i32x4.add(hA, i32x4.dot_i16x8_s(wA, xh));
      lA = i32x4.add(lA, i32x4.dot_i16x8_s(wA, xl));
      hB = i32x4.add(hB, i32x4.dot_i16x8_s(wB, xh));
      lB = i32x4.add(lB, i32x4.dot_i16x8_s(wB, xl));
      x += 128;
      nibblesA += 16;
      nibblesB += 16;
    } while (x < end);
    totalA = f32x4.add(totalA, fold(hA, lA));
    totalB = f32x4.add(totalB, fold(hB, lB));
    left -= FLUSH;
  } while (left > 0);
  const twice = f32.load(factors) * 2;
  const shift = f32.load(factors, 4) * <f32>(1 << (8 - bits));
  let a = (sumLanes(totalA) * twice + shift) * (f32.load(scaleA) * <f32>(1.0 / 256.0));
  let b = (sumLanes(totalB) * twice + shift) * (f32.load(scaleB) * <f32>(1.0 / 256.0));
  if (biasA) {
    a += f32.load(biasA);
    b += f32.load(biasB);
  }
  f32.store(outputA, a);
  f32.store(outputB, b);
}

/** One token: `output[i] = row i · x (+ bias[i])`; `split` is what {@link splitActivations} wrote. */
export function dotUniform(
  nibbles: usize,
  scales: usize,
  rows: i32,
  columns: i32,
  bits: i32,
  split: usize,
  output: usize,
  bias: usize,
): void {
  const rowBytes = <usize>(columns >> 1);
  // An odd last row is computed as a pair with itself.
  const second = rows >> 1;
  const pairs = (rows + 1) >> 1;
  for (let i = 0; i < pairs; i++) {
    const a = <usize>i;
    const b = <usize>(i + second);
    const biasA = bias ? bias + (a << 2) : 0;
    const biasB = bias ? bias + (b << 2) : 0;
    dotPair(nibbles + a * rowBytes, nibbles + b * rowBytes, columns, bits, split + 64, split, scales + (a << 2), scales + (b << 2), biasA, biasB, output + (a << 2), output + (b << 2));
  }
}

/** Four codes, sign-extended to 32 bits, as weights. */
// @ts-ignore: decorator
@inline
function weightsOf(codes: v128, offset: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(i32x4.shl(codes, 1), offset)), scale);
}

// @ts-ignore: decorator
@inline
function writeCodes(codes: v128, offset: v128, scale: v128, target: usize): void {
  const first = i16x8.extend_low_i8x16_s(codes);
  const last = i16x8.extend_high_i8x16_s(codes);
  v128.store(target, weightsOf(i32x4.extend_low_i16x8_s(first), offset, scale));
  v128.store(target, weightsOf(i32x4.extend_high_i16x8_s(first), offset, scale), 16);
  v128.store(target, weightsOf(i32x4.extend_low_i16x8_s(last), offset, scale), 32);
  v128.store(target, weightsOf(i32x4.extend_high_i16x8_s(last), offset, scale), 48);
}

/** Rows as float32, `[rows][columns]` at `target`: one rounding per weight, as in the definition. */
export function dequantizeUniform(
  nibbles: usize,
  scales: usize,
  rows: i32,
  columns: i32,
  bits: i32,
  target: usize,
): void {
  const mask = i8x16.splat(<i8>(0xff << (8 - bits)));
  const offset = i32x4.splat(1 << (8 - bits));
  for (; rows > 0; rows--) {
    const scale = f32x4.splat(f32.load(scales) * <f32>(1.0 / 256.0));
    for (let k = 0; k < columns; k += 32) {
      const n = v128.load(nibbles);
      writeCodes(firstCodes(n, mask), offset, scale, target);
      writeCodes(v128.and(n, mask), offset, scale, target + 64);
      nibbles += 16;
      target += 128;
    }
    scales += 4;
  }
}
