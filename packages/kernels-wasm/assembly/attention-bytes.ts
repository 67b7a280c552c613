/**
 * The two products of attention over a cache of bytes (`cache.ts`): query · key and weight · value, in whole numbers. A
 * query is rounded to 16 bits by its largest number, the weights of one block of positions by their largest; both are
 * 256 times finer than the bytes they meet. Up to four query rows share every key and value that is loaded.
 *
 * `padded` is a multiple of 16 here. Queries `[rows][padded]` int16, steps `[rows]` float32, scores `[4][BLOCK]` float32,
 * weights `[4][BLOCK]` int16.
 */

/** Positions per block, as in `attention.ts`. */
const BLOCK: i32 = 64;
/** Largest rounded number. */
const LARGEST: f32 = 32767;
/** Below it a reciprocal leaves float32, and nothing would be left of the numbers. */
const NOTHING: f32 = 1e-30;

// @ts-ignore: decorator
@inline
function largestLane(a: v128): f32 {
  a = f32x4.max(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  a = f32x4.max(a, i32x4.shuffle(a, a, 1, 0, 3, 2));
  return f32x4.extract_lane(a, 0);
}

/** Rounds one query row; returns its step. Sums of `padded` products stay in 32 bits. */
export function roundQuery(q: usize, padded: i32, target: usize): f32 {
  const end = q + (<usize>padded << 2);
  let magnitude = f32x4.splat(0);
  for (let at = q; at < end; at += 16) magnitude = f32x4.max(magnitude, f32x4.abs(v128.load(at)));
  const largest = largestLane(magnitude);
  const limit = min<f32>(LARGEST, floor<f32>(<f32>16777216.0 / <f32>padded));
  const isNothing = largest < NOTHING;
  const inverse = f32x4.splat(isNothing ? 0 : limit / largest);
  for (; q < end; q += 16) {
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(q), inverse)));
    v128.store64_lane(target, i16x8.narrow_i32x4_s(whole, whole), 0);
    target += 8;
  }
  return isNothing ? 0 : largest / limit;
}

// @ts-ignore: decorator
@inline
function sumWhole4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return i32x4.add(i32x4.shuffle(ab, cd, 0, 1, 4, 5), i32x4.shuffle(ab, cd, 2, 3, 6, 7));
}

/** scores[r][from … to) of one query row and at most four rows; `rows` is a literal. Reads a multiple of two keys. */
// @ts-ignore: decorator
@inline
function score(rows: i32, q: usize, steps: usize, k: usize, scales: usize, padded: i32, scores: usize, from: i32, to: i32): void {
  const queryBytes = <usize>padded << 1;
  for (let s = from & ~1; s < to; s += 2) {
    let ka = k + <usize>s * <usize>padded;
    let kb = ka + <usize>padded;
    const end = kb;
    let at = q;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    do {
      const x = v128.load8x8_s(ka);
      const y = v128.load8x8_s(kb);
      const qa = v128.load(at);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x, qa));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(y, qa));
      if (rows > 1) {
        const qb = v128.load(at + queryBytes);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(x, qb));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(y, qb));
      }
      if (rows > 2) {
        const qc = v128.load(at + 2 * queryBytes);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x, qc));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(y, qc));
      }
      if (rows > 3) {
        const qd = v128.load(at + 3 * queryBytes);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(x, qd));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(y, qd));
      }
      ka += 8;
      kb += 8;
      at += 16;
    } while (ka < end);
    const scale = v128.load64_splat(scales + (<usize>s << 2));
    const to0 = scores + (<usize>s << 2);
    const ab = f32x4.mul(f32x4.convert_i32x4_s(sumWhole4(a0, a1, b0, b1)), scale);
    v128.store64_lane(to0, f32x4.mul(ab, v128.load32_splat(steps)), 0);
    if (rows > 1) v128.store64_lane(to0, f32x4.mul(ab, v128.load32_splat(steps, 4)), 1, BLOCK * 4);
    if (rows > 2) {
      const cd = f32x4.mul(f32x4.convert_i32x4_s(sumWhole4(c0, c1, d0, d1)), scale);
      v128.store64_lane(to0, f32x4.mul(cd, v128.load32_splat(steps, 8)), 0, BLOCK * 8);
      if (rows > 3) v128.store64_lane(to0, f32x4.mul(cd, v128.load32_splat(steps, 12)), 1, BLOCK * 12);
    }
  }
}

/** Scores of `rows`, one to four, query rows. */
export function scoreBytes(rows: i32, q: usize, steps: usize, k: usize, scales: usize, padded: i32, scores: usize, from: i32, to: i32): void {
  if (rows == 1) score(1, q, steps, k, scales, padded, scores, from, to);
  else if (rows == 2) score(2, q, steps, k, scales, padded, scores, from, to);
  else if (rows == 3) score(3, q, steps, k, scales, padded, scores, from, to);
  else score(4, q, steps, k, scales, padded, scores, from, to);
}

/** Weights of one row times the scales of the values as 16-bit numbers; returns their step. Zeros outside `from … to`. */
export function roundWeights(weights: usize, scales: usize, from: i32, to: i32, target: usize): f32 {
  const first = from & ~3;
  const last = (to + 3) & ~3;
  let magnitude = f32x4.splat(0);
  for (let s = first; s < last; s += 4) {
    const at = weights + (<usize>s << 2);
    const w = v128.load(at);
    // Scales of positions that were never stored may be anything; their weights are zero.
    const product = v128.andnot(f32x4.mul(w, v128.load(scales + (<usize>s << 2))), f32x4.eq(w, f32x4.splat(0)));
    v128.store(at, product);
    magnitude = f32x4.max(magnitude, product);
  }
  const largest = largestLane(magnitude);
  const isNothing = largest < NOTHING;
  const inverse = f32x4.splat(isNothing ? 0 : LARGEST / largest);
  for (let s = first; s < last; s += 4) {
    const q = f32x4.mul(v128.load(weights + (<usize>s << 2)), inverse);
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(q));
    v128.store64_lane(target + (<usize>s << 1), i16x8.narrow_i32x4_s(whole, whole), 0);
  }
  return isNothing ? 0 : largest / LARGEST;
}

// @ts-ignore: decorator
@inline
function addTo(sums: usize, low: v128, high: v128, step: v128): void {
  v128.store(sums, f32x4.add(v128.load(sums), f32x4.mul(f32x4.convert_i32x4_s(low), step)));
  v128.store(sums, f32x4.add(v128.load(sums, 16), f32x4.mul(f32x4.convert_i32x4_s(high), step)), 16);
}

// @ts-ignore: decorator
@inline
function gather(rows: i32, weights: usize, steps: usize, v: usize, padded: i32, sums: usize, from: i32, to: i32): void {
  const sumBytes = <usize>padded << 2;
  const first = from & ~1;
  const start = weights + (<usize>first << 1);
  const stop = weights + (<usize>((to + 1) & ~1) << 1);
  const positionBytes = <usize>padded;
  v += <usize>first * positionBytes;
  for (let d = 0; d < padded; d += 8) {
    let at = v + <usize>d;
    let w = start;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    do {
      const x = v128.load8x8_s(at);
      const y = v128.load8x8_s(at + positionBytes);
      const low = i16x8.shuffle(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
      const high = i16x8.shuffle(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
      const wa = v128.load32_splat(w);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(low, wa));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(high, wa));
      if (rows > 1) {
        const wb = v128.load32_splat(w, BLOCK * 2);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(low, wb));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(high, wb));
      }
      if (rows > 2) {
        const wc = v128.load32_splat(w, BLOCK * 4);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(low, wc));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(high, wc));
      }
      if (rows > 3) {
        const wd = v128.load32_splat(w, BLOCK * 6);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(low, wd));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(high, wd));
      }
      at += positionBytes << 1;
      w += 4;
    } while (w < stop);
    const to0 = sums + (<usize>d << 2);
    addTo(to0, a0, a1, v128.load32_splat(steps));
    if (rows > 1) addTo(to0 + sumBytes, b0, b1, v128.load32_splat(steps, 4));
    if (rows > 2) addTo(to0 + 2 * sumBytes, c0, c1, v128.load32_splat(steps, 8));
    if (rows > 3) addTo(to0 + 3 * sumBytes, d0, d1, v128.load32_splat(steps, 12));
  }
}

/** sums[r] += Σ weights[r][s] · v[s] for `rows`, one to four, rows. */
export function gatherBytes(rows: i32, weights: usize, steps: usize, v: usize, padded: i32, sums: usize, from: i32, to: i32): void {
  if (rows == 1) gather(1, weights, steps, v, padded, sums, from, to);
  else if (rows == 2) gather(2, weights, steps, v, padded, sums, from, to);
  else if (rows == 3) gather(3, weights, steps, v, padded, sums, from, to);
  else gather(4, weights, steps, v, padded, sums, from, to);
}
