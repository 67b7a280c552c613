/**
 * Binary-coded weights times many tokens. Few planes: the look-ups of `paired-dot.ts` token by token, 32 rows at a time, so
 * that weights come from the nearest cache. More planes: 32 rows of one part are widened once to whole numbers of 16 bits
 * (signed sums of codes) and multiplied with activations that were rounded to whole numbers of 15 bits per part; this
 * costs the same at every precision, and the rounding is 100 times finer than that of tables.
 *
 * Rounded activations: `[tokens][4 · blocks]` int16, factors as in `paired-tables.ts`. Tile: per pair of columns 32 rows
 * of two int16, rows in byte order (first the 16 of low nibbles, then the 16 of high ones).
 */
import { widen } from "./float16";
import { dotPaired, rowOfByte } from "./paired-dot";
import { isMeasurable, largestMagnitude } from "./paired-tables";
import { storeLanes } from "./sums";

/**
 * Largest rounded activation. A sum over a part of 144 columns stays in 32 bits: 144 · 12900 · (8 · 128 + 128) < 2^31.
 */
const LARGEST_ACTIVATION: f32 = 12900;
/** Parts whose largest activation is smaller count as zero, as in `paired-tables.ts`. */
const NOTHING: f32 = 1e-36;

/** Bytes of a tile: 144 columns of 32 rows. */
const TILE_BYTES: usize = 144 * 64;
/** Bytes of the doubled codes of 8 planes and the sum that remains, 32 int16 each. */
const CODE_BYTES: usize = 9 * 64;

/** {@link dotPaired} for several tokens, whose factors, tables and outputs lie `…Bytes` apart. */
export function dotPairedTokens(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  blocks: i32,
  groupBlocks: i32,
  partBlocks: i32,
  bits: i32,
  codes: usize,
  steps: usize,
  offsets: usize,
  factors: usize,
  factorBytes: usize,
  tables: usize,
  tableBytes: usize,
  tokens: i32,
  output: usize,
  outputBytes: usize,
  bias: usize,
  scratch: usize,
): void {
  const groups = <usize>(blocks / groupBlocks);
  const codeBytes = (<usize>((bits + 1) >> 1) << 6) * groups;
  for (; rows > 0; rows -= 32) {
    for (let t = 0; t < tokens; t++) {
      dotPaired(planes, planeBytes, min(rows, 32), blocks, groupBlocks, partBlocks, bits, codes, steps, offsets, factors + <usize>t * factorBytes, tables + <usize>t * tableBytes, output + <usize>t * outputBytes, bias, scratch);
    }
    planes += <usize>blocks << 4;
    codes += codeBytes;
    steps += 64;
    if (offsets) offsets += groups << 5;
    output += 128;
    if (bias) bias += 128;
  }
}

/** Rounds one token's activations. Returns 0, with nothing usable written, where they do not suit. */
export function roundActivations(
  x: usize,
  blocks: i32,
  groupBlocks: i32,
  partBlocks: i32,
  factors: usize,
  target: usize,
): i32 {
  if (!isMeasurable(largestMagnitude(x, blocks << 2))) return 0;
  while (blocks > 0) {
    for (let left = groupBlocks; left > 0; left -= partBlocks) {
      const count = min(partBlocks, left);
      const most = largestMagnitude(x, count << 2);
      const isNothing = most < NOTHING;
      f32.store(factors, isNothing ? 0 : most / LARGEST_ACTIVATION);
      factors += 8;
      const inverse = f32x4.splat(isNothing ? 0 : LARGEST_ACTIVATION / most);
      for (let i = 0; i < count; i++) {
        const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
        v128.store64_lane(target, i16x8.narrow_i32x4_s(whole, whole), 0);
        x += 16;
        target += 8;
      }
      blocks -= count;
    }
  }
  return 1;
}

/** Doubled codes `[bits][32]` and, behind them, offset − Σ codes `[32]`, in byte order. */
function spreadCodes(codes: usize, offsets: usize, bits: i32, target: usize): void {
  for (let byte = 0; byte < 32; byte++) {
    const row = <usize>(rowOfByte(byte & 15) + (byte & 16));
    let rest: i32 = offsets ? <i32>load<i8>(offsets + row) : 0;
    let at = target + (<usize>byte << 1);
    for (let i = 0; i < bits; i++) {
      const code: i32 = load<i8>(codes + (<usize>(i >> 1) << 6) + (row << 1) + <usize>(i & 1));
      store<i16>(at, <i16>(code << 1));
      rest -= code;
      at += 64;
    }
    store<i16>(at, <i16>rest);
  }
}

/** Two columns of 16 rows of `count` blocks; the columns' bits of a nibble are `first` and `second`. */
// @ts-ignore: decorator
@inline
function fillColumns(
  plane: usize,
  planeBytes: usize,
  bits: i32,
  count: i32,
  codes: usize,
  first: v128,
  second: v128,
  target: usize,
): void {
  const rest = codes + (<usize>bits << 6);
  const rest0 = v128.load(rest);
  const rest1 = v128.load(rest, 16);
  for (; count > 0; count--) {
    let even0 = rest0;
    let even1 = rest1;
    let odd0 = rest0;
    let odd1 = rest1;
    let w = plane;
    let c = codes;
    do {
      const n = v128.load(w);
      const c0 = v128.load(c);
      const c1 = v128.load(c, 16);
      const isEven = i8x16.eq(v128.and(n, first), first);
      const isOdd = i8x16.eq(v128.and(n, second), second);
      even0 = i16x8.add(even0, v128.and(i16x8.extend_low_i8x16_s(isEven), c0));
      even1 = i16x8.add(even1, v128.and(i16x8.extend_high_i8x16_s(isEven), c1));
      odd0 = i16x8.add(odd0, v128.and(i16x8.extend_low_i8x16_s(isOdd), c0));
      odd1 = i16x8.add(odd1, v128.and(i16x8.extend_high_i8x16_s(isOdd), c1));
      w += planeBytes;
      c += 64;
    } while (c < rest);
    v128.store(target, i16x8.shuffle(even0, odd0, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(target, i16x8.shuffle(even0, odd0, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    v128.store(target, i16x8.shuffle(even1, odd1, 0, 8, 1, 9, 2, 10, 3, 11), 32);
    v128.store(target, i16x8.shuffle(even1, odd1, 4, 12, 5, 13, 6, 14, 7, 15), 48);
    plane += 16;
    target += 256;
  }
}

/** The weights of 32 rows and `count` blocks as whole numbers. */
function fillTile(plane: usize, planeBytes: usize, bits: i32, count: i32, codes: usize, target: usize): void {
  const one = i8x16.splat(<i8>(1 + (bits >>> 31)));
  fillColumns(plane, planeBytes, bits, count, codes, one, i8x16.shl(one, 1), target);
  fillColumns(plane, planeBytes, bits, count, codes, i8x16.shl(one, 2), i8x16.shl(one, 3), target + 128);
  fillColumns(plane, planeBytes, bits, count, codes + 32, i8x16.shl(one, 4), i8x16.shl(one, 5), target + 64);
  fillColumns(plane, planeBytes, bits, count, codes + 32, i8x16.shl(one, 6), i8x16.shl(one, 7), target + 192);
}

// @ts-ignore: decorator
@inline
function accumulate(sums: usize, whole: v128, step: v128): void {
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.mul(f32x4.convert_i32x4_s(whole), step)));
}

/** 16 rows of the tile times two tokens, added to `[16]` float32 sums of each. */
// @ts-ignore: decorator
@inline
function multiplyTwo(w: usize, x0: usize, x1: usize, end: usize, step0: f32, step1: f32, sums0: usize, sums1: usize): void {
  let a0 = i32x4.splat(0);
  let b0 = a0;
  let c0 = a0;
  let d0 = a0;
  let a1 = a0;
  let b1 = a0;
  let c1 = a0;
  let d1 = a0;
  do {
    const p0 = v128.load32_splat(x0);
    const p1 = v128.load32_splat(x1);
    const a = v128.load(w);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(a, p0));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(a, p1));
    const b = v128.load(w, 16);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(b, p0));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(b, p1));
    const c = v128.load(w, 32);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(c, p0));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(c, p1));
    const d = v128.load(w, 48);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(d, p0));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(d, p1));
    x0 += 4;
    x1 += 4;
    w += 128;
  } while (x0 < end);
  let step = f32x4.splat(step0);
  accumulate(sums0, a0, step);
  accumulate(sums0 + 16, b0, step);
  accumulate(sums0 + 32, c0, step);
  accumulate(sums0 + 48, d0, step);
  step = f32x4.splat(step1);
  accumulate(sums1, a1, step);
  accumulate(sums1 + 16, b1, step);
  accumulate(sums1 + 32, c1, step);
  accumulate(sums1 + 48, d1, step);
}

/** Stores 16 rows of sums in byte order as products in row order. */
// @ts-ignore: decorator
@inline
function finish(sums: usize, steps: usize, output: usize, bias: usize, rows: i32): void {
  const a = v128.load(sums);
  const b = v128.load(sums, 16);
  const c = v128.load(sums, 32);
  const d = v128.load(sums, 48);
  put(i32x4.shuffle(a, b, 0, 2, 4, 6), steps, output, bias, rows);
  put(i32x4.shuffle(c, d, 0, 2, 4, 6), steps + 8, output + 16, bias ? bias + 16 : 0, rows - 4);
  put(i32x4.shuffle(a, b, 1, 3, 5, 7), steps + 16, output + 32, bias ? bias + 32 : 0, rows - 8);
  put(i32x4.shuffle(c, d, 1, 3, 5, 7), steps + 24, output + 48, bias ? bias + 48 : 0, rows - 12);
}

// @ts-ignore: decorator
@inline
function put(sums: v128, steps: usize, output: usize, bias: usize, rows: i32): void {
  if (rows <= 0) return;
  let y = f32x4.mul(sums, widen(v128.load16x4_s(steps)));
  if (bias) y = f32x4.add(y, v128.load(bias));
  storeLanes(output, y, rows);
}

/**
 * `output[t][i] = row i · x[t] (+ bias[i])` from rounded activations; parts of at most 36 blocks. Factors of tokens lie
 * `factorBytes` apart, outputs `outputBytes`. Scratch: a tile, spread codes, and sums of 128 bytes per
 * token and one more.
 */
export function multiplyPaired(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  blocks: i32,
  groupBlocks: i32,
  partBlocks: i32,
  bits: i32,
  codes: usize,
  steps: usize,
  offsets: usize,
  factors: usize,
  factorBytes: usize,
  rounded: usize,
  tokens: i32,
  output: usize,
  outputBytes: usize,
  bias: usize,
  scratch: usize,
): void {
  const spread = scratch + TILE_BYTES;
  const sums = spread + CODE_BYTES;
  const roundedBytes = <usize>blocks << 3;
  for (; rows > 0; rows -= 32) {
    memory.fill(sums, 0, <usize>(tokens + 1) << 7);
    let x = rounded;
    let factor = factors;
    for (let passed = 0; passed < blocks; passed += groupBlocks) {
      spreadCodes(codes, offsets, bits, spread);
      for (let left = groupBlocks; left > 0; left -= partBlocks) {
        const count = min(partBlocks, left);
        fillTile(planes, planeBytes, bits, count, spread, scratch);
        const length = <usize>count << 3;
        let at = x;
        let sum = sums;
        let step = factor;
        for (let t = 0; t < tokens; t += 2) {
          // An odd last token is multiplied as a pair with itself, the second sums going to a place not read.
          const isPair = t + 1 < tokens;
          const other = isPair ? at + roundedBytes : at;
          const otherStep = f32.load(isPair ? step + factorBytes : step);
          multiplyTwo(scratch, at, other, at + length, f32.load(step), otherStep, sum, sum + 128);
          multiplyTwo(scratch + 64, at, other, at + length, f32.load(step), otherStep, sum + 64, sum + 192);
          at += roundedBytes << 1;
          sum += 256;
          step += factorBytes << 1;
        }
        x += length;
        factor += 8;
        planes += <usize>count << 4;
      }
      codes += <usize>((bits + 1) >> 1) << 6;
      if (offsets) offsets += 32;
    }
    for (let t = 0; t < tokens; t++) {
      const sum = sums + (<usize>t << 7);
      const target = output + <usize>t * outputBytes;
      finish(sum, steps, target, bias, rows);
      finish(sum + 64, steps + 32, target + 64, bias ? bias + 64 : 0, rows - 16);
    }
    steps += 64;
    output += 128;
    if (bias) bias += 128;
  }
}
