/**
 * Dense weights: `[rows][columns]`, float32, half or bfloat16, columns padded with zeros to a multiple of 16. Effective
 * bits per weight: 32 or 16. One token reads four rows a quarter of the matrix apart, as four memory streams: one stream
 * leaves half of the memory bandwidth unused.
 */
import { widenFinite } from "./float16";
import { sumLanes4 } from "./sums";

/** Stores four sums at rows that lie `quarter` rows apart. */
// @ts-ignore: decorator
@inline
function storeApart(output: usize, bias: usize, i: usize, b: usize, c: usize, d: usize, sums: v128): void {
  let s0 = f32x4.extract_lane(sums, 0);
  let s1 = f32x4.extract_lane(sums, 1);
  let s2 = f32x4.extract_lane(sums, 2);
  let s3 = f32x4.extract_lane(sums, 3);
  if (bias) {
    s0 += f32.load(bias + (i << 2));
    s1 += f32.load(bias + (b << 2));
    s2 += f32.load(bias + (c << 2));
    s3 += f32.load(bias + (d << 2));
  }
  f32.store(output + (i << 2), s0);
  f32.store(output + (b << 2), s1);
  f32.store(output + (c << 2), s2);
  f32.store(output + (d << 2), s3);
}

/** One token, float32 weights. */
export function dotDense32(w: usize, rows: i32, columns: i32, x: usize, output: usize, bias: usize): void {
  const rowBytes = <usize>columns << 2;
  const quarter = (rows + 3) >> 2;
  const last = rows - 1;
  for (let i = 0; i < quarter; i++) {
    // The last quarters may be short: they compute the last row again.
    const b = <usize>min(i + quarter, last);
    const c = <usize>min(i + 2 * quarter, last);
    const d = <usize>min(i + 3 * quarter, last);
    let wa = w + <usize>i * rowBytes;
    let wb = w + b * rowBytes;
    let wc = w + c * rowBytes;
    let wd = w + d * rowBytes;
    let at = x;
    const end = x + rowBytes;
    let a0 = f32x4.splat(0);
    let b0 = a0;
    let c0 = a0;
    let d0 = a0;
    let a1 = a0;
    let b1 = a0;
    let c1 = a0;
    let d1 = a0;
    do {
      const x0 = v128.load(at);
      a0 = f32x4.add(a0, f32x4.mul(v128.load(wa), x0));
      b0 = f32x4.add(b0, f32x4.mul(v128.load(wb), x0));
      c0 = f32x4.add(c0, f32x4.mul(v128.load(wc), x0));
      d0 = f32x4.add(d0, f32x4.mul(v128.load(wd), x0));
      const x1 = v128.load(at, 16);
      a1 = f32x4.add(a1, f32x4.mul(v128.load(wa, 16), x1));
      b1 = f32x4.add(b1, f32x4.mul(v128.load(wb, 16), x1));
      c1 = f32x4.add(c1, f32x4.mul(v128.load(wc, 16), x1));
      d1 = f32x4.add(d1, f32x4.mul(v128.load(wd, 16), x1));
      at += 32;
      wa += 32;
      wb += 32;
      wc += 32;
      wd += 32;
    } while (at < end);
    storeApart(output, bias, <usize>i, b, c, d, sumLanes4(f32x4.add(a0, a1), f32x4.add(b0, b1), f32x4.add(c0, c1), f32x4.add(d0, d1)));
  }
}

/** Four 16-bit numbers as float32. */
// @ts-ignore: decorator
@inline
function load16(at: usize, brain: bool): v128 {
  return brain ? i32x4.shl(v128.load16x4_u(at), 16) : widenFinite(v128.load16x4_s(at));
}

// @ts-ignore: decorator
@inline
function dotRows16(w: usize, rows: i32, columns: i32, x: usize, output: usize, bias: usize, brain: bool): void {
  const rowBytes = <usize>columns << 1;
  const quarter = (rows + 3) >> 2;
  const last = rows - 1;
  for (let i = 0; i < quarter; i++) {
    const b = <usize>min(i + quarter, last);
    const c = <usize>min(i + 2 * quarter, last);
    const d = <usize>min(i + 3 * quarter, last);
    let wa = w + <usize>i * rowBytes;
    let wb = w + b * rowBytes;
    let wc = w + c * rowBytes;
    let wd = w + d * rowBytes;
    let at = x;
    const end = x + (<usize>columns << 2);
    let a0 = f32x4.splat(0);
    let b0 = a0;
    let c0 = a0;
    let d0 = a0;
    do {
      const x0 = v128.load(at);
      a0 = f32x4.add(a0, f32x4.mul(load16(wa, brain), x0));
      b0 = f32x4.add(b0, f32x4.mul(load16(wb, brain), x0));
      c0 = f32x4.add(c0, f32x4.mul(load16(wc, brain), x0));
      d0 = f32x4.add(d0, f32x4.mul(load16(wd, brain), x0));
      at += 16;
      wa += 8;
      wb += 8;
      wc += 8;
      wd += 8;
    } while (at < end);
    storeApart(output, bias, <usize>i, b, c, d, sumLanes4(a0, b0, c0, d0));
  }
}

/** One token, 16-bit weights: bfloat16 if `brain`, else halves, which must be finite. */
export function dotDense16(w: usize, rows: i32, columns: i32, x: usize, output: usize, bias: usize, brain: bool): void {
  if (brain) dotRows16(w, rows, columns, x, output, bias, true);
  else dotRows16(w, rows, columns, x, output, bias, false);
}

/** Rows of 16-bit weights as float32, `[rows][columns]` at `target`. */
export function dequantizeDense(w: usize, rows: i32, columns: i32, brain: bool, target: usize): void {
  const end = w + ((<usize>rows * <usize>columns) << 1);
  for (; w < end; w += 8) {
    v128.store(target, brain ? load16(w, true) : load16(w, false));
    target += 16;
  }
}

/** Whether one of `count` halves (a multiple of 8) is an infinity or NaN. */
export function hasNonFiniteHalf(w: usize, count: i32): bool {
  const exponent = i16x8.splat(0x7c00);
  for (let left = count; left > 0; left -= 8) {
    if (v128.any_true(i16x8.eq(v128.and(v128.load(w), exponent), exponent))) return true;
    w += 16;
  }
  return false;
}
