/**
 * Uniform weights of 5 to 8 bits (the code: `uniform.ts`), as a head has them: signed bytes `[rows][columns]`, the label
 * left-aligned to 8 bits and bit 7 inverted. Reading p bits masks the others away, so that every precision reads 8 bits
 * per weight: a byte is widened by the load itself, and a head is read at one precision only.
 *
 * Four rows a quarter of the matrix apart are four memory streams; with several tokens they come from cache after the
 * first. Activations are split as in `uniform.ts`; `fine` adds the second 16 bits.
 */
import { unpackRow } from "./unpack";
import { sumLanes } from "./sums";

/** Columns after which 32-bit sums are flushed: 1024 / 4 lanes · 128 · 32767 < 2^30 · 2. */
const FLUSH: i32 = 1024;

/** Rows of transposed planes as signed bytes. */
export function packBytes(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  columns: i32,
  bits: i32,
  target: usize,
  labels: usize,
): void {
  const up = 8 - bits;
  const flip = i8x16.splat(<i8>0x80);
  for (; rows > 0; rows--) {
    unpackRow(planes, planeBytes, columns, bits, labels);
    for (let k = 0; k < columns; k += 16) {
      v128.store(target, v128.xor(i8x16.shl(v128.load(labels + k), up), flip));
      target += 16;
    }
    planes += <usize>(columns >> 3);
  }
}

// @ts-ignore: decorator
@inline
function codesOf(at: usize, mask: v128, masked: bool): v128 {
  // The mask keeps high bits, so that it may be applied after the sign has been extended.
  const codes = v128.load8x8_s(at);
  return masked ? v128.and(codes, mask) : codes;
}

// @ts-ignore: decorator
@inline
function fold(h: v128, l: v128, fine: bool): v128 {
  const whole = f32x4.convert_i32x4_s(h);
  if (!fine) return whole;
  return f32x4.add(whole, f32x4.mul(f32x4.convert_i32x4_s(l), f32x4.splat(<f32>(1.0 / 65534.0))));
}

// @ts-ignore: decorator
@inline
function put(total: v128, row: usize, factors: usize, bits: i32, scales: usize, output: usize, bias: usize): void {
  const twice = f32.load(factors) * 2;
  const shift = f32.load(factors, 4) * <f32>(1 << (8 - bits));
  let y = (sumLanes(total) * twice + shift) * (f32.load(scales + (row << 2)) * <f32>(1.0 / 256.0));
  if (bias) y += f32.load(bias + (row << 2));
  f32.store(output + (row << 2), y);
}

/** Four rows times one token. */
// @ts-ignore: decorator
@inline
function dotRows(
  w: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  columns: i32,
  bits: i32,
  masked: bool,
  fine: bool,
  split: usize,
  scales: usize,
  output: usize,
  bias: usize,
): void {
  const mask = i16x8.splat(<i16>(<i32>-1 << (8 - bits)));
  let wa = w + a * <usize>columns;
  let wb = w + b * <usize>columns;
  let wc = w + c * <usize>columns;
  let wd = w + d * <usize>columns;
  let x = split + 64;
  let ta = f32x4.splat(0);
  let tb = ta;
  let tc = ta;
  let td = ta;
  for (let left = columns; left > 0; left -= FLUSH) {
    const end = x + (<usize>min(left, FLUSH) << 2);
    let ha = i32x4.splat(0);
    let hb = ha;
    let hc = ha;
    let hd = ha;
    let la = ha;
    let lb = ha;
    let lc = ha;
    let ld = ha;
    do {
      let h = v128.load(x);
      let va = codesOf(wa, mask, masked);
      let vb = codesOf(wb, mask, masked);
      let vc = codesOf(wc, mask, masked);
      let vd = codesOf(wd, mask, masked);
      ha = i32x4.add(ha, i32x4.dot_i16x8_s(va, h));
      hb = i32x4.add(hb, i32x4.dot_i16x8_s(vb, h));
      hc = i32x4.add(hc, i32x4.dot_i16x8_s(vc, h));
      hd = i32x4.add(hd, i32x4.dot_i16x8_s(vd, h));
      if (fine) {
        const l = v128.load(x, 32);
        la = i32x4.add(la, i32x4.dot_i16x8_s(va, l));
        lb = i32x4.add(lb, i32x4.dot_i16x8_s(vb, l));
        lc = i32x4.add(lc, i32x4.dot_i16x8_s(vc, l));
        ld = i32x4.add(ld, i32x4.dot_i16x8_s(vd, l));
      }
      h = v128.load(x, 16);
      va = codesOf(wa + 8, mask, masked);
      vb = codesOf(wb + 8, mask, masked);
      vc = codesOf(wc + 8, mask, masked);
      vd = codesOf(wd + 8, mask, masked);
      ha = i32x4.add(ha, i32x4.dot_i16x8_s(va, h));
      hb = i32x4.add(hb, i32x4.dot_i16x8_s(vb, h));
      hc = i32x4.add(hc, i32x4.dot_i16x8_s(vc, h));
      hd = i32x4.add(hd, i32x4.dot_i16x8_s(vd, h));
      if (fine) {
        const l = v128.load(x, 48);
        la = i32x4.add(la, i32x4.dot_i16x8_s(va, l));
        lb = i32x4.add(lb, i32x4.dot_i16x8_s(vb, l));
        lc = i32x4.add(lc, i32x4.dot_i16x8_s(vc, l));
        ld = i32x4.add(ld, i32x4.dot_i16x8_s(vd, l));
      }
      x += 64;
      wa += 16;
      wb += 16;
      wc += 16;
      wd += 16;
    } while (x < end);
    ta = f32x4.add(ta, fold(ha, la, fine));
    tb = f32x4.add(tb, fold(hb, lb, fine));
    tc = f32x4.add(tc, fold(hc, lc, fine));
    td = f32x4.add(td, fold(hd, ld, fine));
  }
  put(ta, a, split, bits, scales, output, bias);
  put(tb, b, split, bits, scales, output, bias);
  put(tc, c, split, bits, scales, output, bias);
  put(td, d, split, bits, scales, output, bias);
}

/** `output[t][i] = row i · x[t] (+ bias[i])`; split activations of tokens lie `splitBytes` apart. */
export function dotBytes(
  w: usize,
  scales: usize,
  rows: i32,
  columns: i32,
  bits: i32,
  fine: bool,
  split: usize,
  splitBytes: usize,
  tokens: i32,
  output: usize,
  outputBytes: usize,
  bias: usize,
): void {
  const quarter = (rows + 3) >> 2;
  const last = rows - 1;
  for (let i = 0; i < quarter; i++) {
    // The last quarters may be short: they compute the last row again.
    const b = <usize>min(i + quarter, last);
    const c = <usize>min(i + 2 * quarter, last);
    const d = <usize>min(i + 3 * quarter, last);
    let x = split;
    let y = output;
    for (let t = tokens; t > 0; t--) {
      if (fine) dotRows(w, i, b, c, d, columns, bits, true, true, x, scales, y, bias);
      else if (bits < 8) dotRows(w, i, b, c, d, columns, bits, true, false, x, scales, y, bias);
      else dotRows(w, i, b, c, d, columns, bits, false, false, x, scales, y, bias);
      x += splitBytes;
      y += outputBytes;
    }
  }
}

/** Four codes, sign-extended to 32 bits, as weights. */
// @ts-ignore: decorator
@inline
function weightsOf(codes: v128, offset: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(i32x4.shl(codes, 1), offset)), scale);
}

/** Rows as float32, `[rows][columns]` at `target`: one rounding per weight, as in the definition. */
export function dequantizeBytes(w: usize, scales: usize, rows: i32, columns: i32, bits: i32, target: usize): void {
  const mask = i16x8.splat(<i16>(<i32>-1 << (8 - bits)));
  const offset = i32x4.splat(1 << (8 - bits));
  for (; rows > 0; rows--) {
    const scale = f32x4.splat(f32.load(scales) * <f32>(1.0 / 256.0));
    for (let k = 0; k < columns; k += 8) {
      const codes = codesOf(w, mask, true);
      v128.store(target, weightsOf(i32x4.extend_low_i16x8_s(codes), offset, scale));
      v128.store(target, weightsOf(i32x4.extend_high_i16x8_s(codes), offset, scale), 16);
      w += 8;
      target += 32;
    }
    scales += 4;
  }
}
