/**
 * Codebook weights: planes (layout: `unpack.ts`) and per precision a table of halves `[rows][groups][2^p]`. Effective bits per
 * weight read at precision p: p + 16 · 2^p · groups / columns. Every group of a row lies like a row of its own.
 *
 * Every centroid is a half, so its float32 form has three bytes that are not zero. Up to 4 bits the table of a row is held
 * as three byte vectors, and 16 labels become 16 exact float32 centroids by three byte shuffles and interleaving; at 5
 * bits by six. Above, the table is widened to float32 in scratch memory and labels are looked up one by one: a shuffle per
 * 16 entries would be slower. All sums are float32, four partial sums per row.
 *
 * Scratch: labels `[columns]` bytes, then (at `scratch + columns`) the widened table, 1024 bytes.
 */
import { widen, widenFinite } from "./float16";
import { gather } from "./gather";
import { sumLanes } from "./sums";
import { unpackRow } from "./unpack";

/** Entries 4i … 4i+3 of a table of 2^bits halves; what lies behind a short table repeats it or is zero and is never used. */
// @ts-ignore: decorator
@inline
function loadEntries(table: usize, bits: i32): v128 {
  if (bits == 1) {
    const pair = v128.load32_zero(table);
    return widen(i32x4.extend_low_i16x8_s(pair));
  }
  return widen(v128.load16x4_s(table));
}

/** Byte `index` of each of 16 float32 numbers in four vectors, for index 1 to 3. */
// @ts-ignore: decorator
@inline
function byte1(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i8x16.shuffle(a, b, 1, 5, 9, 13, 17, 21, 25, 29, 0, 0, 0, 0, 0, 0, 0, 0);
  const cd = i8x16.shuffle(c, d, 1, 5, 9, 13, 17, 21, 25, 29, 0, 0, 0, 0, 0, 0, 0, 0);
  return i64x2.shuffle(ab, cd, 0, 2);
}
// @ts-ignore: decorator
@inline
function byte2(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i8x16.shuffle(a, b, 2, 6, 10, 14, 18, 22, 26, 30, 0, 0, 0, 0, 0, 0, 0, 0);
  const cd = i8x16.shuffle(c, d, 2, 6, 10, 14, 18, 22, 26, 30, 0, 0, 0, 0, 0, 0, 0, 0);
  return i64x2.shuffle(ab, cd, 0, 2);
}
// @ts-ignore: decorator
@inline
function byte3(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i8x16.shuffle(a, b, 3, 7, 11, 15, 19, 23, 27, 31, 0, 0, 0, 0, 0, 0, 0, 0);
  const cd = i8x16.shuffle(c, d, 3, 7, 11, 15, 19, 23, 27, 31, 0, 0, 0, 0, 0, 0, 0, 0);
  return i64x2.shuffle(ab, cd, 0, 2);
}

// @ts-ignore: decorator
@inline
function bytesLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
// @ts-ignore: decorator
@inline
function bytesHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
// @ts-ignore: decorator
@inline
function wordsLow(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
// @ts-ignore: decorator
@inline
function wordsHigh(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Widens a table of 2^bits halves (bits ≥ 3) to float32; `finite` tables, which nearly all are, take fewer operations. */
function widenTable(table: usize, bits: i32, finite: bool, target: usize): void {
  const end = target + (<usize>4 << bits);
  if (finite) {
    do {
      v128.store(target, widenFinite(v128.load16x4_s(table)));
      v128.store(target, widenFinite(v128.load16x4_s(table, 8)), 16);
      table += 16;
      target += 32;
    } while (target < end);
    return;
  }
  do {
    v128.store(target, widen(v128.load16x4_s(table)));
    table += 8;
    target += 16;
  } while (target < end);
}

/** `row · x` from labels, up to 4 bits. */
function dotShuffled(labels: usize, columns: i32, table: usize, bits: i32, x: usize): f32 {
  const t0 = loadEntries(table, bits);
  const t1 = bits >= 3 ? loadEntries(table + 8, bits) : t0;
  const t2 = bits >= 4 ? loadEntries(table + 16, bits) : t0;
  const t3 = bits >= 4 ? loadEntries(table + 24, bits) : t0;
  const b1 = byte1(t0, t1, t2, t3);
  const b2 = byte2(t0, t1, t2, t3);
  const b3 = byte3(t0, t1, t2, t3);
  const zero = i8x16.splat(<i8>(columns >>> 31));
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const end = labels + <usize>columns;
  do {
    const l = v128.load(labels);
    const v1 = i8x16.swizzle(b1, l);
    const v2 = i8x16.swizzle(b2, l);
    const v3 = i8x16.swizzle(b3, l);
    const h0 = bytesLow(v2, v3);
    const h1 = bytesHigh(v2, v3);
    const g0 = bytesLow(zero, v1);
    const g1 = bytesHigh(zero, v1);
    s0 = f32x4.add(s0, f32x4.mul(wordsLow(g0, h0), v128.load(x)));
    s1 = f32x4.add(s1, f32x4.mul(wordsHigh(g0, h0), v128.load(x, 16)));
    s2 = f32x4.add(s2, f32x4.mul(wordsLow(g1, h1), v128.load(x, 32)));
    s3 = f32x4.add(s3, f32x4.mul(wordsHigh(g1, h1), v128.load(x, 48)));
    x += 64;
    labels += 16;
  } while (labels < end);
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}

/** `row · x` from labels of 5 bits; a shuffle gives 0 for indices outside its 16 entries, so two are joined by `or`. */
function dotShuffled5(labels: usize, columns: i32, table: usize, x: usize): f32 {
  const t0 = loadEntries(table, 5);
  const t1 = loadEntries(table + 8, 5);
  const t2 = loadEntries(table + 16, 5);
  const t3 = loadEntries(table + 24, 5);
  const t4 = loadEntries(table + 32, 5);
  const t5 = loadEntries(table + 40, 5);
  const t6 = loadEntries(table + 48, 5);
  const t7 = loadEntries(table + 56, 5);
  const b1 = byte1(t0, t1, t2, t3);
  const b2 = byte2(t0, t1, t2, t3);
  const b3 = byte3(t0, t1, t2, t3);
  const c1 = byte1(t4, t5, t6, t7);
  const c2 = byte2(t4, t5, t6, t7);
  const c3 = byte3(t4, t5, t6, t7);
  const zero = i8x16.splat(<i8>(columns >>> 31));
  const sixteen = i8x16.splat(<i8>(16 + (columns >>> 31)));
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = labels + <usize>columns;
  do {
    const l = v128.load(labels);
    const m = i8x16.sub(l, sixteen);
    const v1 = v128.or(i8x16.swizzle(b1, l), i8x16.swizzle(c1, m));
    const v2 = v128.or(i8x16.swizzle(b2, l), i8x16.swizzle(c2, m));
    const v3 = v128.or(i8x16.swizzle(b3, l), i8x16.swizzle(c3, m));
    const h0 = bytesLow(v2, v3);
    const g0 = bytesLow(zero, v1);
    s0 = f32x4.add(s0, f32x4.mul(wordsLow(g0, h0), v128.load(x)));
    s1 = f32x4.add(s1, f32x4.mul(wordsHigh(g0, h0), v128.load(x, 16)));
    const h1 = bytesHigh(v2, v3);
    const g1 = bytesHigh(zero, v1);
    s0 = f32x4.add(s0, f32x4.mul(wordsLow(g1, h1), v128.load(x, 32)));
    s1 = f32x4.add(s1, f32x4.mul(wordsHigh(g1, h1), v128.load(x, 48)));
    x += 64;
    labels += 16;
  } while (labels < end);
  return sumLanes(f32x4.add(s0, s1));
}

/** `row · x` from labels and a widened table. */
function dotGathered(labels: usize, columns: i32, table: usize, x: usize): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  const end = labels + <usize>columns;
  do {
    s0 = f32x4.add(s0, f32x4.mul(gather(labels, table), v128.load(x)));
    s1 = f32x4.add(s1, f32x4.mul(gather(labels + 4, table), v128.load(x, 16)));
    x += 32;
    labels += 8;
  } while (labels < end);
  return sumLanes(f32x4.add(s0, s1));
}

/**
 * One token: `output[i] = row i · x (+ bias[i])` at precision `bits`; `bias` 0 where there is none. A row is `groups` groups
 * of `columns` each.
 */
export function dotCodebook(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  groups: i32,
  columns: i32,
  bits: i32,
  table: usize,
  finite: bool,
  x: usize,
  output: usize,
  bias: usize,
  scratch: usize,
): void {
  const groupBytes = <usize>(columns >> 3);
  const tableBytes = <usize>2 << bits;
  const wide = scratch + <usize>columns;
  const end = x + ((<usize>groups * <usize>columns) << 2);
  for (let i = 0; i < rows; i++) {
    let sum: f32 = 0;
    for (let at = x; at < end; at += <usize>columns << 2) {
      unpackRow(planes, planeBytes, columns, bits, scratch);
      if (bits <= 4) {
        sum += dotShuffled(scratch, columns, table, bits, at);
      } else if (bits == 5) {
        sum += dotShuffled5(scratch, columns, table, at);
      } else {
        widenTable(table, bits, finite, wide);
        sum += dotGathered(scratch, columns, wide, at);
      }
      planes += groupBytes;
      table += tableBytes;
    }
    if (bias) sum += f32.load(bias + (<usize>i << 2));
    f32.store(output + (<usize>i << 2), sum);
  }
}

function writeShuffled(labels: usize, columns: i32, table: usize, bits: i32, target: usize): void {
  const t0 = loadEntries(table, bits);
  const t1 = bits >= 3 ? loadEntries(table + 8, bits) : t0;
  const t2 = bits >= 4 ? loadEntries(table + 16, bits) : t0;
  const t3 = bits >= 4 ? loadEntries(table + 24, bits) : t0;
  const b1 = byte1(t0, t1, t2, t3);
  const b2 = byte2(t0, t1, t2, t3);
  const b3 = byte3(t0, t1, t2, t3);
  const zero = i8x16.splat(<i8>(columns >>> 31));
  const end = labels + <usize>columns;
  do {
    const l = v128.load(labels);
    const v1 = i8x16.swizzle(b1, l);
    const v2 = i8x16.swizzle(b2, l);
    const v3 = i8x16.swizzle(b3, l);
    const h0 = bytesLow(v2, v3);
    const h1 = bytesHigh(v2, v3);
    const g0 = bytesLow(zero, v1);
    const g1 = bytesHigh(zero, v1);
    v128.store(target, wordsLow(g0, h0));
    v128.store(target, wordsHigh(g0, h0), 16);
    v128.store(target, wordsLow(g1, h1), 32);
    v128.store(target, wordsHigh(g1, h1), 48);
    target += 64;
    labels += 16;
  } while (labels < end);
}

function writeGathered(labels: usize, columns: i32, table: usize, target: usize): void {
  const end = labels + <usize>columns;
  do {
    v128.store(target, gather(labels, table));
    target += 16;
    labels += 4;
  } while (labels < end);
}

/** Rows as float32, `[rows][columns]` at `target`. */
export function dequantizeCodebook(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  columns: i32,
  bits: i32,
  table: usize,
  finite: bool,
  target: usize,
  scratch: usize,
): void {
  const rowBytes = <usize>(columns >> 3);
  const tableBytes = <usize>2 << bits;
  const wide = scratch + <usize>columns;
  for (; rows > 0; rows--) {
    unpackRow(planes, planeBytes, columns, bits, scratch);
    if (bits <= 4) {
      writeShuffled(scratch, columns, table, bits, target);
    } else {
      widenTable(table, bits, finite, wide);
      writeGathered(scratch, columns, wide, target);
    }
    planes += rowBytes;
    table += tableBytes;
    target += <usize>columns << 2;
  }
}
