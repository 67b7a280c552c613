/**
 * Baselines: matrix times vector on half-precision and 4-bit weights, as fast as we can make them, so that a gain over
 * them is a gain. Four rows a quarter of the matrix apart are read at once, as four memory streams: one stream leaves half
 * of the memory bandwidth unused. Not part of the product: they know one layout each and check nothing.
 *
 * Constants inside loops come from a parameter that is always 0 (`zero`): as literals they are made anew at every use by
 * some engines.
 */

/** Whether this binary uses relaxed SIMD. */
export function isRelaxed(): bool {
  return ASC_FEATURE_RELAXED_SIMD;
}

/** First byte that no static data of the module occupies. */
export function heapBase(): usize {
  return __heap_base;
}

// @ts-ignore: decorator
@inline
function multiplyAdd(a: v128, b: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(sum, f32x4.mul(a, b));
}

// @ts-ignore: decorator
@inline
function sumLanes(a: v128): f32 {
  const pairs = f32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/**
 * Half-precision weights, `[rows][columns]`, in vectors of 8 weights: lane i holds weight i in its low and weight 4 + i in
 * its high half. A half's bits moved to a float32's fields are its value times 2^−112; `x` has been multiplied by 2^112
 * instead, once for all rows. `columns` is a multiple of 8.
 */
export function dotHalves(w: usize, rows: i32, columns: i32, x: usize, output: usize, zero: i32): void {
  const fields = i32x4.splat(0x8fffe000 | zero);
  const rowBytes = <usize>columns << 1;
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
    const end = x + (<usize>columns << 2);
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    do {
      const low = v128.load(at);
      const high = v128.load(at, 16);
      let v = v128.load(wa);
      a0 = multiplyAdd(v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), fields), low, a0);
      a1 = multiplyAdd(v128.and(i32x4.shr_s(v, 3), fields), high, a1);
      v = v128.load(wb);
      b0 = multiplyAdd(v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), fields), low, b0);
      b1 = multiplyAdd(v128.and(i32x4.shr_s(v, 3), fields), high, b1);
      v = v128.load(wc);
      c0 = multiplyAdd(v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), fields), low, c0);
      c1 = multiplyAdd(v128.and(i32x4.shr_s(v, 3), fields), high, c1);
      v = v128.load(wd);
      d0 = multiplyAdd(v128.and(i32x4.shr_s(i32x4.shl(v, 16), 3), fields), low, d0);
      d1 = multiplyAdd(v128.and(i32x4.shr_s(v, 3), fields), high, d1);
      at += 32;
      wa += 16;
      wb += 16;
      wc += 16;
      wd += 16;
    } while (at < end);
    f32.store(output + (<usize>i << 2), sumLanes(f32x4.add(a0, a1)));
    f32.store(output + (b << 2), sumLanes(f32x4.add(b0, b1)));
    f32.store(output + (c << 2), sumLanes(f32x4.add(c0, c1)));
    f32.store(output + (d << 2), sumLanes(f32x4.add(d0, d1)));
  }
}

/** `target = x · 2^112`; `columns` is a multiple of 4. */
export function scaleInput(x: usize, columns: i32, target: usize): void {
  const factor = f32x4.splat(reinterpret<f32>(0x77800000));
  const end = x + (<usize>columns << 2);
  for (; x < end; x += 16) {
    v128.store(target, f32x4.mul(v128.load(x), factor));
    target += 16;
  }
}

/**
 * The input in whole numbers of 8 bits with a scale per group (a multiple of 32): `codes` i8, `scales` f32, and per group
 * 16 bytes of `offsets`, −8 times the sum of its codes in the first lane: what the weights' zero point of 8 adds up to.
 */
export function quantizeInput(x: usize, columns: i32, group: i32, codes: usize, scales: usize, offsets: usize): void {
  const end = x + (<usize>columns << 2);
  const groupBytes = <usize>group << 2;
  while (x < end) {
    const groupEnd = x + groupBytes;
    let largest = f32x4.splat(0);
    for (let at = x; at < groupEnd; at += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(at)));
    const pairs = f32x4.max(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
    const most = max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
    const scale = most / 127.0;
    const inverse = f32x4.splat(most == 0 ? 0 : 127.0 / most);
    let sum = i32x4.splat(0);
    for (; x < groupEnd; x += 64) {
      const i0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
      const i1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), inverse)));
      const i2 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 32), inverse)));
      const i3 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 48), inverse)));
      sum = i32x4.add(sum, i32x4.add(i32x4.add(i0, i1), i32x4.add(i2, i3)));
      v128.store(codes, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(i0, i1), i16x8.narrow_i32x4_s(i2, i3)));
      codes += 16;
    }
    f32.store(scales, scale);
    scales += 4;
    const total =
      i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
    v128.store(offsets, i32x4.replace_lane(i32x4.splat(0), 0, -8 * total));
    offsets += 16;
  }
}

/** Adds the products of 32 weights, 16 bytes of nibbles, with 32 codes: in 32 bits where relaxed SIMD is known, else in 16. */
// @ts-ignore: decorator
@inline
function addBlock(sums: v128, w: usize, low: v128, high: v128, nibble: v128): v128 {
  const v = v128.load(w);
  const first = v128.and(v, nibble);
  const second = v128.and(i16x8.shr_u(v, 4), nibble);
  if (ASC_FEATURE_RELAXED_SIMD) {
    return i32x4.relaxed_dot_i8x16_i7x16_add_s(high, second, i32x4.relaxed_dot_i8x16_i7x16_add_s(low, first, sums));
  }
  const one = i16x8.add(i16x8.extmul_low_i8x16_s(low, first), i16x8.extmul_high_i8x16_s(low, first));
  const two = i16x8.add(i16x8.extmul_low_i8x16_s(high, second), i16x8.extmul_high_i8x16_s(high, second));
  return i16x8.add(sums, i16x8.add(one, two));
}

// @ts-ignore: decorator
@inline
function finishGroup(sum: v128, integers: v128, offset: v128, weightScale: usize, inputScale: v128): v128 {
  // Sums of 16 bits hold 128 products: 16 per lane, each at most 127 · 15.
  const whole = ASC_FEATURE_RELAXED_SIMD ? integers : i32x4.add(i32x4.extadd_pairwise_i16x8_s(integers), offset);
  return multiplyAdd(f32x4.convert_i32x4_s(whole), f32x4.mul(v128.load32_splat(weightScale), inputScale), sum);
}

/**
 * 4-bit weights `scale · (code − 8)`: 16 bytes per 32 columns, code j in the low and code 16 + j in the high half of byte
 * j; `scales` f32, `[rows][columns / group]`. `group` is a multiple of 32, at most 128, and divides `columns`.
 */
export function dotNibbles(
  w: usize,
  scales: usize,
  rows: i32,
  columns: i32,
  group: i32,
  codes: usize,
  inputScales: usize,
  offsets: usize,
  output: usize,
  zero: i32,
): void {
  const nibble = i8x16.splat(<i8>(15 | zero));
  const rowBytes = <usize>columns >> 1;
  const scaleBytes = <usize>(columns / group) << 2;
  const quarter = (rows + 3) >> 2;
  const last = rows - 1;
  const codesEnd = codes + columns;
  for (let i = 0; i < quarter; i++) {
    const b = <usize>min(i + quarter, last);
    const c = <usize>min(i + 2 * quarter, last);
    const d = <usize>min(i + 3 * quarter, last);
    let wa = w + <usize>i * rowBytes;
    let wb = w + b * rowBytes;
    let wc = w + c * rowBytes;
    let wd = w + d * rowBytes;
    let sa = scales + <usize>i * scaleBytes;
    let sb = scales + b * scaleBytes;
    let sc = scales + c * scaleBytes;
    let sd = scales + d * scaleBytes;
    let at = codes;
    let xs = inputScales;
    let off = offsets;
    let fa = f32x4.splat(0);
    let fb = fa;
    let fc = fa;
    let fd = fa;
    do {
      const offset = v128.load(off);
      let a = ASC_FEATURE_RELAXED_SIMD ? offset : i32x4.splat(0);
      let bb = a;
      let cc = a;
      let dd = a;
      const end = at + group;
      do {
        const low = v128.load(at);
        const high = v128.load(at, 16);
        a = addBlock(a, wa, low, high, nibble);
        bb = addBlock(bb, wb, low, high, nibble);
        cc = addBlock(cc, wc, low, high, nibble);
        dd = addBlock(dd, wd, low, high, nibble);
        at += 32;
        wa += 16;
        wb += 16;
        wc += 16;
        wd += 16;
      } while (at < end);
      const inputScale = v128.load32_splat(xs);
      fa = finishGroup(fa, a, offset, sa, inputScale);
      fb = finishGroup(fb, bb, offset, sb, inputScale);
      fc = finishGroup(fc, cc, offset, sc, inputScale);
      fd = finishGroup(fd, dd, offset, sd, inputScale);
      sa += 4;
      sb += 4;
      sc += 4;
      sd += 4;
      xs += 4;
      off += 16;
    } while (at < codesEnd);
    f32.store(output + (<usize>i << 2), sumLanes(fa));
    f32.store(output + (b << 2), sumLanes(fb));
    f32.store(output + (c << 2), sumLanes(fc));
    f32.store(output + (d << 2), sumLanes(fd));
  }
}
