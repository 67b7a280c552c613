/**
 * Causal grouped-query attention over the cache, with the softmax computed on the way (maximum and sum of the scores so
 * far, earlier sums rescaled when the maximum grows), so that no row of scores is longer than a block.
 *
 * Per key-value head and group of up to ROWS query rows (a row = one query head of one token), per block of BLOCK
 * positions: halves of the block are widened once for all rows; four rows at a time: scores (4 rows × 2 keys in
 * registers), softmax, weighted values (4 rows × 8 numbers in registers). Keys and values of a block stay in cache.
 *
 * Scratch, in float32 (`padded` = head dimension rounded up to 4, for bytes to 16): sums [ROWS][padded], maxima [ROWS],
 * totals [ROWS], queries [ROWS][padded], scores [4][BLOCK], then keys [BLOCK][padded] and values [BLOCK][padded], or for
 * bytes steps of queries [ROWS] and weights [4], rounded weights [4][BLOCK / 2], rounded queries [ROWS][padded / 2].
 */
import { gatherBytes, roundQuery, roundWeights, scoreBytes } from "./attention-bytes";
import { largestOf } from "./elementwise";
import { exponential } from "./exponential";
import { widen, widenFinite } from "./float16";
import { loadLanes, storeLanes, sumLanes, sumLanes4 } from "./sums";

/** Positions per block; the TypeScript side sizes the scratch memory with the same number. */
const BLOCK: i32 = 64;

// @ts-ignore: decorator
@inline
function widenBlock(source: usize, count: i32, target: usize): void {
  for (; count > 0; count -= 4) {
    v128.store(target, widen(v128.load16x4_s(source)));
    source += 8;
    target += 16;
  }
}

// @ts-ignore: decorator
@inline
function widenFiniteBlock(source: usize, count: i32, target: usize): void {
  for (; count > 0; count -= 4) {
    v128.store(target, widenFinite(v128.load16x4_s(source)));
    source += 8;
    target += 16;
  }
}

/** scores[r][from … to) of four query rows. */
function scoreFour(q: usize, k: usize, rowBytes: usize, scores: usize, from: i32, to: i32): void {
  let s = from;
  for (; s + 1 < to; s += 2) {
    let ka = k + <usize>s * rowBytes;
    let kb = ka + rowBytes;
    const end = kb;
    let qa = q;
    let qb = q + rowBytes;
    let qc = qb + rowBytes;
    let qd = qc + rowBytes;
    let a0 = f32x4.splat(0);
    let b0 = a0;
    let c0 = a0;
    let d0 = a0;
    let a1 = a0;
    let b1 = a0;
    let c1 = a0;
    let d1 = a0;
    do {
      const k0 = v128.load(ka);
      const k1 = v128.load(kb);
      const va = v128.load(qa);
      a0 = f32x4.add(a0, f32x4.mul(va, k0));
      a1 = f32x4.add(a1, f32x4.mul(va, k1));
      const vb = v128.load(qb);
      b0 = f32x4.add(b0, f32x4.mul(vb, k0));
      b1 = f32x4.add(b1, f32x4.mul(vb, k1));
      const vc = v128.load(qc);
      c0 = f32x4.add(c0, f32x4.mul(vc, k0));
      c1 = f32x4.add(c1, f32x4.mul(vc, k1));
      const vd = v128.load(qd);
      d0 = f32x4.add(d0, f32x4.mul(vd, k0));
      d1 = f32x4.add(d1, f32x4.mul(vd, k1));
      ka += 16;
      kb += 16;
      qa += 16;
      qb += 16;
      qc += 16;
      qd += 16;
    } while (ka < end);
    const first = sumLanes4(a0, a1, b0, b1);
    const second = sumLanes4(c0, c1, d0, d1);
    const at = scores + (<usize>s << 2);
    v128.store64_lane(at, first, 0);
    v128.store64_lane(at, first, 1, BLOCK * 4);
    v128.store64_lane(at, second, 0, BLOCK * 8);
    v128.store64_lane(at, second, 1, BLOCK * 12);
  }
  if (s < to)
    for (let r: usize = 0; r < 4; r++)
      f32.store(scores + r * BLOCK * 4 + (<usize>s << 2), dot(q + r * rowBytes, k + <usize>s * rowBytes, rowBytes));
}

function dot(q: usize, k: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0);
  const end = q + bytes;
  do {
    sum = f32x4.add(sum, f32x4.mul(v128.load(q), v128.load(k)));
    q += 16;
    k += 16;
  } while (q < end);
  return sumLanes(sum);
}

/** scores[from … to) of one query row, four keys at a time. */
function scoreOne(q: usize, k: usize, rowBytes: usize, scores: usize, from: i32, to: i32): void {
  let s = from;
  for (; s + 3 < to; s += 4) {
    let ka = k + <usize>s * rowBytes;
    let kb = ka + rowBytes;
    let kc = kb + rowBytes;
    let kd = kc + rowBytes;
    const end = kb;
    let at = q;
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    do {
      const v = v128.load(at);
      a = f32x4.add(a, f32x4.mul(v128.load(ka), v));
      b = f32x4.add(b, f32x4.mul(v128.load(kb), v));
      c = f32x4.add(c, f32x4.mul(v128.load(kc), v));
      d = f32x4.add(d, f32x4.mul(v128.load(kd), v));
      at += 16;
      ka += 16;
      kb += 16;
      kc += 16;
      kd += 16;
    } while (ka < end);
    v128.store(scores + (<usize>s << 2), sumLanes4(a, b, c, d));
  }
  for (; s < to; s++) f32.store(scores + (<usize>s << 2), dot(q, k + <usize>s * rowBytes, rowBytes));
}

/**
 * Scores of one row to weights relative to its largest score so far, zeros outside of `first … last`; rescales the row's
 * sums. `from` and `to` bound what the weighted sum will read.
 */
function weigh(scores: usize, from: i32, to: i32, first: i32, last: i32, maximum: usize, total: usize, sums: usize, padded: i32): void {
  const wholeFrom = from & ~3;
  const wholeTo = (to + 3) & ~3;
  if (first >= last) {
    for (let s = wholeFrom; s < wholeTo; s++) f32.store(scores + (<usize>s << 2), 0);
    return;
  }
  const before = f32.load(maximum);
  const largest = max<f32>(before, largestOf(scores + (<usize>first << 2), last - first));
  for (let s = wholeFrom; s < first; s++) f32.store(scores + (<usize>s << 2), -Infinity);
  for (let s = last; s < wholeTo; s++) f32.store(scores + (<usize>s << 2), -Infinity);
  const shift = f32x4.splat(largest);
  let added = f32x4.splat(0);
  for (let s = wholeFrom; s < wholeTo; s += 4) {
    const at = scores + (<usize>s << 2);
    const e = exponential(f32x4.sub(v128.load(at), shift));
    v128.store(at, e);
    added = f32x4.add(added, e);
  }
  if (before == largest) {
    f32.store(total, f32.load(total) + sumLanes(added));
    return;
  }
  const factor = exponential(f32x4.splat(before - largest));
  f32.store(maximum, largest);
  f32.store(total, f32.load(total) * f32x4.extract_lane(factor, 0) + sumLanes(added));
  const end = sums + (<usize>padded << 2);
  for (; sums < end; sums += 16) v128.store(sums, f32x4.mul(v128.load(sums), factor));
}

/** sums[r] += Σ weights[r][s] · v[s] for four rows. */
function gatherFour(weights: usize, v: usize, rowBytes: usize, sums: usize, from: i32, to: i32): void {
  const start = weights + (<usize>from << 2);
  const stop = weights + (<usize>to << 2);
  v += <usize>from * rowBytes;
  const sb = sums + rowBytes;
  const sc = sb + rowBytes;
  const sd = sc + rowBytes;
  let d: usize = 0;
  for (; d + 32 <= rowBytes; d += 32) {
    let a0 = v128.load(sums + d);
    let a1 = v128.load(sums + d, 16);
    let b0 = v128.load(sb + d);
    let b1 = v128.load(sb + d, 16);
    let c0 = v128.load(sc + d);
    let c1 = v128.load(sc + d, 16);
    let d0 = v128.load(sd + d);
    let d1 = v128.load(sd + d, 16);
    let at = v + d;
    let w = start;
    do {
      const v0 = v128.load(at);
      const v1 = v128.load(at, 16);
      const wa = v128.load32_splat(w);
      a0 = f32x4.add(a0, f32x4.mul(wa, v0));
      a1 = f32x4.add(a1, f32x4.mul(wa, v1));
      const wb = v128.load32_splat(w, BLOCK * 4);
      b0 = f32x4.add(b0, f32x4.mul(wb, v0));
      b1 = f32x4.add(b1, f32x4.mul(wb, v1));
      const wc = v128.load32_splat(w, BLOCK * 8);
      c0 = f32x4.add(c0, f32x4.mul(wc, v0));
      c1 = f32x4.add(c1, f32x4.mul(wc, v1));
      const wd = v128.load32_splat(w, BLOCK * 12);
      d0 = f32x4.add(d0, f32x4.mul(wd, v0));
      d1 = f32x4.add(d1, f32x4.mul(wd, v1));
      at += rowBytes;
      w += 4;
    } while (w < stop);
    v128.store(sums + d, a0);
    v128.store(sums + d, a1, 16);
    v128.store(sb + d, b0);
    v128.store(sb + d, b1, 16);
    v128.store(sc + d, c0);
    v128.store(sc + d, c1, 16);
    v128.store(sd + d, d0);
    v128.store(sd + d, d1, 16);
  }
  if (d < rowBytes) for (let r: usize = 0; r < 4; r++) gatherRest(weights + r * BLOCK * 4, v, rowBytes, sums + r * rowBytes, from, to, d);
}

/** The last numbers of one row; `v` is already at position `from`. */
function gatherRest(weights: usize, v: usize, rowBytes: usize, sums: usize, from: i32, to: i32, d: usize): void {
  for (; d < rowBytes; d += 16) {
    let a = v128.load(sums + d);
    let at = v + d;
    for (let s = from; s < to; s++) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(weights + (<usize>s << 2)), v128.load(at)));
      at += rowBytes;
    }
    v128.store(sums + d, a);
  }
}

/** sums += Σ weights[s] · v[s] for one row. */
function gatherOne(weights: usize, v: usize, rowBytes: usize, sums: usize, from: i32, to: i32): void {
  v += <usize>from * rowBytes;
  const stop = weights + (<usize>to << 2);
  let d: usize = 0;
  for (; d + 64 <= rowBytes; d += 64) {
    let a0 = v128.load(sums + d);
    let a1 = v128.load(sums + d, 16);
    let a2 = v128.load(sums + d, 32);
    let a3 = v128.load(sums + d, 48);
    let at = v + d;
    let w = weights + (<usize>from << 2);
    do {
      const p = v128.load32_splat(w);
      a0 = f32x4.add(a0, f32x4.mul(p, v128.load(at)));
      a1 = f32x4.add(a1, f32x4.mul(p, v128.load(at, 16)));
      a2 = f32x4.add(a2, f32x4.mul(p, v128.load(at, 32)));
      a3 = f32x4.add(a3, f32x4.mul(p, v128.load(at, 48)));
      at += rowBytes;
      w += 4;
    } while (w < stop);
    v128.store(sums + d, a0);
    v128.store(sums + d, a1, 16);
    v128.store(sums + d, a2, 32);
    v128.store(sums + d, a3, 48);
  }
  gatherRest(weights, v, rowBytes, sums, from, to, d);
}

/** Forms of cached numbers, as `cache.ts` numbers them. */
const HALVES: i32 = 1;
const WILD_HALVES: i32 = 2;
const BYTES: i32 = 3;

/**
 * All query heads of one key-value head for at most `rowLimit / group` tokens, over the positions `least … limit` of those
 * they may see. `keys` and `values` point at position 0; `queries` and `output` at the first of the `group` query heads of
 * token 0. `window` is at least 1; `scaleBits` is a float32. With `keep` sums, maxima and totals are left in the scratch
 * memory for {@link mergeAttention} instead of being finished; for bytes, `keyScales` and `valueScales` are theirs.
 */
export function attend(
  keys: usize,
  values: usize,
  keyScales: usize,
  valueScales: usize,
  form: i32,
  dimension: i32,
  padded: i32,
  queries: usize,
  output: usize,
  tokenBytes: usize,
  tokens: i32,
  group: i32,
  position: i32,
  window: i32,
  scaleBits: i32,
  scratch: usize,
  rowLimit: i32,
  least: i32,
  limit: i32,
  keep: bool,
): void {
  const rowBytes = <usize>padded << 2;
  const headBytes = <usize>dimension << 2;
  const positionBytes = form == BYTES ? <usize>padded : form ? <usize>padded << 1 : rowBytes;
  const sums = scratch;
  const maxima = sums + <usize>rowLimit * rowBytes;
  const totals = maxima + (<usize>rowLimit << 2);
  const q = totals + (<usize>rowLimit << 2);
  const scores = q + <usize>rowLimit * rowBytes;
  const wideKeys = scores + 4 * BLOCK * 4;
  const wideValues = wideKeys + <usize>BLOCK * rowBytes;
  // Bytes need no wide block, but rounded queries with their steps, and rounded weights.
  const querySteps = wideKeys;
  const weightSteps = querySteps + (<usize>rowLimit << 2);
  const roundedWeights = weightSteps + 16;
  const rounded = roundedWeights + 4 * BLOCK * 2;
  const factor = f32x4.splat(reinterpret<f32>(scaleBits));
  const rows = tokens * group;
  for (let r = 0; r < rows; r++) {
    const from = queries + <usize>(r / group) * tokenBytes + <usize>(r % group) * headBytes;
    const to = q + <usize>r * rowBytes;
    for (let d = 0; d < padded; d += 4) {
      const v = d < dimension ? loadLanes(from + (<usize>d << 2), dimension - d) : f32x4.splat(0);
      v128.store(to + (<usize>d << 2), f32x4.mul(v, factor));
      v128.store(sums + <usize>r * rowBytes + (<usize>d << 2), f32x4.splat(0));
    }
    f32.store(maxima + (<usize>r << 2), -Infinity);
    f32.store(totals + (<usize>r << 2), 0);
    if (form == BYTES) f32.store(querySteps + (<usize>r << 2), roundQuery(to, padded, rounded + (<usize>(r * padded) << 1)));
  }
  const lastPosition = min(limit, position + tokens);
  // Blocks begin at multiples of four, so that bytes can be read in pairs and their scales in fours.
  for (let block = max(least, position + 1 - window) & ~3; block < lastPosition; block += BLOCK) {
    const count = min(BLOCK, lastPosition - block);
    let k = keys + <usize>block * positionBytes;
    let v = values + <usize>block * positionBytes;
    const ks = keyScales + (<usize>block << 2);
    const vs = valueScales + (<usize>block << 2);
    if (form == HALVES || form == WILD_HALVES) {
      if (form == HALVES) {
        widenFiniteBlock(k, count * padded, wideKeys);
        widenFiniteBlock(v, count * padded, wideValues);
      } else {
        widenBlock(k, count * padded, wideKeys);
        widenBlock(v, count * padded, wideValues);
      }
      k = wideKeys;
      v = wideValues;
    }
    for (let r = 0; r < rows; ) {
      const many = form == BYTES ? min(4, rows - r) : rows - r >= 4 ? 4 : 1;
      // What the first and the last row of the tile may see, relative to the block.
      const early = position + r / group + 1 - block;
      const late = position + (r + many - 1) / group + 1 - block;
      const from = max(0, early - window);
      const to = min(count, late);
      if (from < to) {
        const rowQueries = q + <usize>r * rowBytes;
        const rowSums = sums + <usize>r * rowBytes;
        const at = <usize>r << 2;
        if (form == BYTES) scoreBytes(many, rounded + (<usize>(r * padded) << 1), querySteps + at, k, ks, padded, scores, from, to);
        else if (many == 4) scoreFour(rowQueries, k, rowBytes, scores, from, to);
        else scoreOne(rowQueries, k, rowBytes, scores, from, to);
        for (let i = 0; i < many; i++) {
          const seen = position + (r + i) / group + 1 - block;
          const row = <usize>(r + i) << 2;
          const rowScores = scores + <usize>i * BLOCK * 4;
          weigh(
            rowScores,
            from,
            to,
            max(0, seen - window),
            min(count, seen),
            maxima + row,
            totals + row,
            rowSums + <usize>i * rowBytes,
            padded,
          );
          if (form == BYTES)
            f32.store(weightSteps + (<usize>i << 2), roundWeights(rowScores, vs, from, to, roundedWeights + <usize>i * BLOCK * 2));
        }
        if (form == BYTES) gatherBytes(many, roundedWeights, weightSteps, v, padded, rowSums, from, to);
        else if (many == 4) gatherFour(scores, v, rowBytes, rowSums, from, to);
        else gatherOne(scores, v, rowBytes, rowSums, from, to);
      }
      r += many;
    }
  }
  if (keep) return;
  for (let r = 0; r < rows; r++) {
    const to = output + <usize>(r / group) * tokenBytes + <usize>(r % group) * headBytes;
    const from = sums + <usize>r * rowBytes;
    const inverse = f32x4.splat(<f32>1 / f32.load(totals + (<usize>r << 2)));
    for (let d = 0; d < dimension; d += 4)
      storeLanes(to + (<usize>d << 2), f32x4.mul(v128.load(from + (<usize>d << 2)), inverse), dimension - d);
  }
}

/** One result from what `parts` calls of {@link attend} kept, `partBytes` apart, for consecutive ranges of positions. */
export function mergeAttention(
  scratch: usize,
  partBytes: usize,
  parts: i32,
  dimension: i32,
  padded: i32,
  output: usize,
  tokenBytes: usize,
  tokens: i32,
  group: i32,
  rowLimit: i32,
): void {
  const rowBytes = <usize>padded << 2;
  const maxima = scratch + <usize>rowLimit * rowBytes;
  const totals = maxima + (<usize>rowLimit << 2);
  for (let r = 0; r < tokens * group; r++) {
    const row = <usize>r << 2;
    const to = output + <usize>(r / group) * tokenBytes + <usize>(r % group) * (<usize>dimension << 2);
    const sums = scratch + <usize>r * rowBytes;
    let largest: f32 = -Infinity;
    for (let i = 0; i < parts; i++) largest = max<f32>(largest, f32.load(maxima + row + <usize>i * partBytes));
    let total: f32 = 0;
    for (let i = 0; i < parts; i++) {
      const part = <usize>i * partBytes;
      const factor = exponential(f32x4.splat(f32.load(maxima + row + part) - largest));
      total += f32.load(totals + row + part) * f32x4.extract_lane(factor, 0);
      for (let d = 0; d < padded; d += 4) {
        const at = sums + (<usize>d << 2);
        const share = f32x4.mul(v128.load(at + part), factor);
        v128.store(at, i == 0 ? share : f32x4.add(v128.load(at), share));
      }
    }
    const inverse = f32x4.splat(<f32>1 / total);
    for (let d = 0; d < dimension; d += 4)
      storeLanes(to + (<usize>d << 2), f32x4.mul(v128.load(sums + (<usize>d << 2)), inverse), dimension - d);
  }
}
