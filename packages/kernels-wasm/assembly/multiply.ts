/**
 * Many tokens: a tile of float32 rows times activations. The block held in registers is 4 rows × 2 tokens, eight partial
 * sums of four lanes along the columns: 6 loads for 8 multiply-adds, no transposition of either side. Multiply and add are
 * rounded separately (fused multiply-add is relaxed SIMD).
 */
import { storeLanes, sumLanes4 } from "./sums";

/**
 * `output[t][i] = w[i] · x[t] (+ bias[i])` for all rows of the tile; `output` points at the tile's first row of token 0.
 * The activations of two tokens stay in the first-level cache while the rows pass.
 */
export function multiplyTile(
  w: usize,
  rows: i32,
  columns: i32,
  x: usize,
  tokens: i32,
  output: usize,
  outputBytes: usize,
  bias: usize,
): void {
  const rowBytes = <usize>columns << 2;
  const last = rows - 1;
  let t = 0;
  for (; t + 1 < tokens; t += 2) {
    for (let i = 0; i < rows; i += 4) {
      let wa = w + <usize>i * rowBytes;
      let wb = w + <usize>min(i + 1, last) * rowBytes;
      let wc = w + <usize>min(i + 2, last) * rowBytes;
      let wd = w + <usize>min(i + 3, last) * rowBytes;
      let xa = x;
      let xb = x + rowBytes;
      const end = xb;
      let a0 = f32x4.splat(0);
      let b0 = a0;
      let c0 = a0;
      let d0 = a0;
      let a1 = a0;
      let b1 = a0;
      let c1 = a0;
      let d1 = a0;
      do {
        const x0 = v128.load(xa);
        const x1 = v128.load(xb);
        const va = v128.load(wa);
        a0 = f32x4.add(a0, f32x4.mul(va, x0));
        a1 = f32x4.add(a1, f32x4.mul(va, x1));
        const vb = v128.load(wb);
        b0 = f32x4.add(b0, f32x4.mul(vb, x0));
        b1 = f32x4.add(b1, f32x4.mul(vb, x1));
        const vc = v128.load(wc);
        c0 = f32x4.add(c0, f32x4.mul(vc, x0));
        c1 = f32x4.add(c1, f32x4.mul(vc, x1));
        const vd = v128.load(wd);
        d0 = f32x4.add(d0, f32x4.mul(vd, x0));
        d1 = f32x4.add(d1, f32x4.mul(vd, x1));
        xa += 16;
        xb += 16;
        wa += 16;
        wb += 16;
        wc += 16;
        wd += 16;
      } while (xa < end);
      put(output + (<usize>i << 2), bias, i, sumLanes4(a0, b0, c0, d0), rows - i);
      put(output + outputBytes + (<usize>i << 2), bias, i, sumLanes4(a1, b1, c1, d1), rows - i);
    }
    x += rowBytes << 1;
    output += outputBytes << 1;
  }
  if (t < tokens) multiplyOne(w, rows, columns, x, output, bias);
}

/** A last single token. */
function multiplyOne(w: usize, rows: i32, columns: i32, x: usize, output: usize, bias: usize): void {
  const rowBytes = <usize>columns << 2;
  const last = rows - 1;
  for (let i = 0; i < rows; i += 4) {
    let wa = w + <usize>i * rowBytes;
    let wb = w + <usize>min(i + 1, last) * rowBytes;
    let wc = w + <usize>min(i + 2, last) * rowBytes;
    let wd = w + <usize>min(i + 3, last) * rowBytes;
    let at = x;
    const end = x + rowBytes;
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    do {
      const v = v128.load(at);
      a = f32x4.add(a, f32x4.mul(v128.load(wa), v));
      b = f32x4.add(b, f32x4.mul(v128.load(wb), v));
      c = f32x4.add(c, f32x4.mul(v128.load(wc), v));
      d = f32x4.add(d, f32x4.mul(v128.load(wd), v));
      at += 16;
      wa += 16;
      wb += 16;
      wc += 16;
      wd += 16;
    } while (at < end);
    put(output + (<usize>i << 2), bias, i, sumLanes4(a, b, c, d), rows - i);
  }
}

// @ts-ignore: decorator
@inline
function put(target: usize, bias: usize, i: i32, sums: v128, count: i32): void {
  if (bias) {
    // Lane by lane: a vector load could reach behind the bias.
    const at = bias + (<usize>i << 2);
    let b = v128.load32_zero(at);
    if (count > 1) b = v128.load32_lane(at, b, 1, 4);
    if (count > 2) b = v128.load32_lane(at, b, 2, 8);
    if (count > 3) b = v128.load32_lane(at, b, 3, 12);
    sums = f32x4.add(sums, b);
  }
  storeLanes(target, sums, count);
}
