/**
 * Causal attention and its gradients, one query head at a time, without a cache: all tokens of a sequence are here. Blocks
 * of ROWS queries meet all keys they can see; probabilities are computed again for the gradients instead of being kept.
 *
 * queries, output and their gradients `[tokens][heads][d]`, keys and values `[tokens][keyValueHeads][d]`. Gradients of keys
 * and values are written per query head, `[tokens][heads][d]`, and summed over a group afterwards, in the order of heads,
 * so that they do not depend on which thread computes which head.
 */
import { exponential } from "./exponential";
import { ADD, multiplyAdd, multiplySmall, STORE } from "./gradient-multiply";
import { largestOf } from "./elementwise";
import { sumLanes } from "./sums";

/** Queries per block. */
const ROWS: i32 = 64;

/** Scores of queries `first … last − 1` with keys `low … last − 1`, softmax in place; zeros where a query must not look. */
function probabilities(
  query: usize,
  queryBytes: usize,
  key: usize,
  keyBytes: usize,
  scores: usize,
  first: i32,
  last: i32,
  low: i32,
  d: i32,
  window: i32,
  scale: f32,
  scratch: usize,
): void {
  const width = last - low;
  const rowBytes = <usize>width << 2;
  multiplySmall(
    query + <usize>first * queryBytes,
    queryBytes,
    4,
    key + <usize>low * keyBytes,
    keyBytes,
    4,
    scores,
    rowBytes,
    last - first,
    width,
    d,
    STORE,
    scratch,
  );
  const scales = f32x4.splat(scale);
  for (let t = first; t < last; t++) {
    const row = scores + <usize>(t - first) * rowBytes;
    // Of the row's `width` columns a query sees [begin, end).
    const begin = max(0, t - window + 1 - low);
    const end = t + 1 - low;
    const count = end - begin;
    if (begin > 0) memory.fill(row, 0, <usize>begin << 2);
    if (end < width) memory.fill(row + (<usize>end << 2), 0, <usize>(width - end) << 2);
    const from = row + (<usize>begin << 2);
    const largest = f32x4.splat(largestOf(from, count));
    let sums = f32x4.splat(0);
    let sum: f32 = 0;
    let i = 0;
    for (; i + 4 <= count; i += 4) {
      const at = from + (<usize>i << 2);
      const e = exponential(f32x4.mul(f32x4.sub(v128.load(at), largest), scales));
      v128.store(at, e);
      sums = f32x4.add(sums, e);
    }
    for (; i < count; i++) {
      const at = from + (<usize>i << 2);
      const e = f32x4.extract_lane(exponential(f32x4.mul(f32x4.sub(v128.load32_splat(at), largest), scales)), 0);
      f32.store(at, e);
      sum += e;
    }
    const factor = <f32>1 / (sum + sumLanes(sums));
    for (i = 0; i + 4 <= count; i += 4) {
      const at = from + (<usize>i << 2);
      v128.store(at, f32x4.mul(v128.load(at), f32x4.splat(factor)));
    }
    for (; i < count; i++) {
      const at = from + (<usize>i << 2);
      f32.store(at, f32.load(at) * factor);
    }
  }
}

/** Output of one head. `scratch`: ROWS × tokens scores, then what products need. */
export function attendHead(
  query: usize,
  queryBytes: usize,
  key: usize,
  value: usize,
  keyBytes: usize,
  output: usize,
  tokens: i32,
  d: i32,
  window: i32,
  scale: f32,
  scratch: usize,
): void {
  const work = scratch + ((<usize>ROWS * <usize>tokens) << 2);
  for (let first = 0; first < tokens; first += ROWS) {
    const last = min(first + ROWS, tokens);
    const low = max(0, first - window + 1);
    probabilities(query, queryBytes, key, keyBytes, scratch, first, last, low, d, window, scale, work);
    multiplySmall(
      scratch,
      <usize>(last - low) << 2,
      4,
      value + <usize>low * keyBytes,
      4,
      keyBytes,
      output + <usize>first * queryBytes,
      queryBytes,
      last - first,
      d,
      last - low,
      STORE,
      work,
    );
  }
}

/**
 * Gradients of one head from that of its output: with P = softmax(s Q Kᵀ), dV = Pᵀ dO, dP = dO Vᵀ,
 * dS = s P ⊙ (dP − rowsum(dP ⊙ P)), dQ = dS K, dK = dSᵀ Q. `scratch`: 2 × ROWS × tokens, then what products need.
 */
export function attendHeadBackward(
  query: usize,
  queryBytes: usize,
  key: usize,
  value: usize,
  keyBytes: usize,
  outputGradient: usize,
  queryGradient: usize,
  keyGradient: usize,
  valueGradient: usize,
  tokens: i32,
  d: i32,
  window: i32,
  scale: f32,
  scratch: usize,
): void {
  const slopes = scratch + ((<usize>ROWS * <usize>tokens) << 2);
  const work = slopes + ((<usize>ROWS * <usize>tokens) << 2);
  for (let t = 0; t < tokens; t++) {
    memory.fill(keyGradient + <usize>t * queryBytes, 0, <usize>d << 2);
    memory.fill(valueGradient + <usize>t * queryBytes, 0, <usize>d << 2);
  }
  for (let first = 0; first < tokens; first += ROWS) {
    const last = min(first + ROWS, tokens);
    const low = max(0, first - window + 1);
    const width = last - low;
    const rows = last - first;
    const rowBytes = <usize>width << 2;
    const keyFrom = <usize>low * keyBytes;
    const gradientFrom = <usize>low * queryBytes;
    const queryFrom = <usize>first * queryBytes;
    probabilities(query, queryBytes, key, keyBytes, scratch, first, last, low, d, window, scale, work);
    const output = outputGradient + queryFrom;
    multiplySmall(output, queryBytes, 4, value + keyFrom, keyBytes, 4, slopes, rowBytes, rows, width, d, STORE, work);
    multiplySmall(scratch, 4, rowBytes, output, 4, queryBytes, valueGradient + gradientFrom, queryBytes, width, d, rows, ADD, work);
    for (let t = 0; t < rows; t++) {
      const p = scratch + <usize>t * rowBytes;
      const s = slopes + <usize>t * rowBytes;
      let sums = f32x4.splat(0);
      let sum: f32 = 0;
      let i = 0;
      for (; i + 4 <= width; i += 4) {
        const at = <usize>i << 2;
        sums = multiplyAdd(v128.load(p + at), v128.load(s + at), sums);
      }
      for (; i < width; i++) sum += f32.load(p + (<usize>i << 2)) * f32.load(s + (<usize>i << 2));
      sum += sumLanes(sums);
      for (i = 0; i + 4 <= width; i += 4) {
        const at = <usize>i << 2;
        const slope = f32x4.mul(v128.load(p + at), f32x4.sub(v128.load(s + at), f32x4.splat(sum)));
        v128.store(s + at, f32x4.mul(slope, f32x4.splat(scale)));
      }
      for (; i < width; i++) {
        const at = <usize>i << 2;
        f32.store(s + at, f32.load(p + at) * (f32.load(s + at) - sum) * scale);
      }
    }
    multiplySmall(slopes, rowBytes, 4, key + keyFrom, 4, keyBytes, queryGradient + queryFrom, queryBytes, rows, d, width, STORE, work);
    multiplySmall(slopes, 4, rowBytes, query + queryFrom, 4, queryBytes, keyGradient + gradientFrom, queryBytes, width, d, rows, ADD, work);
  }
}

/** `to[t][g]` = sum over the heads of group g of `from[t][head]`, for `tokens` tokens. */
export function sumHeads(from: usize, to: usize, tokens: i32, heads: i32, groups: i32, d: i32): void {
  const group = heads / groups;
  for (let left = tokens * groups; left > 0; left--) {
    for (let i = 0; i < d; i++) {
      let sum: f32 = 0;
      for (let h = 0; h < group; h++) sum += f32.load(from + (<usize>(h * d + i) << 2));
      f32.store(to + (<usize>i << 2), sum);
    }
    from += <usize>(group * d) << 2;
    to += <usize>d << 2;
  }
}
