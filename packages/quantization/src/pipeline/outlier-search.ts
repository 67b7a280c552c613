/**
 * Which weights of a model are outliers (dense-and-sparse, SqueezeLLM, arXiv 2306.07629, §4.2): in every layer the most
 * sensitive ones, then, over all layers, the largest by one multiple of each layer's interquartile range.
 *
 * Works on layers that are shown one at a time and keeps only the largest magnitudes of each.
 */

/** Outliers by magnitude are looked for among this multiple of their share in each layer; no layer has more. */
const KEPT_MULTIPLE = 8;

/** Multipliers reach from 0 to this; the search halves the interval. */
const LARGEST_MULTIPLIER = 32;

/** The interval is as narrow as float64 numbers allow before this. */
const HALVINGS = 60;

/** Share of all weights by which the search may miss its aim. */
const SHARE_TOLERANCE = 1e-6;

/** What the search keeps of a layer. */
export interface MagnitudeSummary {
  readonly weights: number;
  /** First and third quartile. */
  readonly quartiles: readonly [number, number];
  /** Smallest of the most negative weights and largest of the positive ones, both as magnitudes, descending. */
  readonly negative: Float32Array;
  readonly positive: Float32Array;
}

/** Positions of the `count` largest sensitivities, ascending; of equal ones the first. */
export function mostSensitive(sensitivity: Float32Array, count: number): Uint32Array {
  if (count === 0) return new Uint32Array();
  const least = sensitivity.slice().sort()[sensitivity.length - count]!;
  const positions = new Uint32Array(count);
  let above = 0;
  for (const value of sensitivity) if (value > least) above++;
  let equal = count - above;
  let found = 0;
  for (let i = 0; i < sensitivity.length && found < count; i++) {
    const value = sensitivity[i]!;
    if (value > least || (value === least && equal-- > 0)) positions[found++] = i;
  }
  return positions;
}

/** Summarizes a layer for a search of `share` of all weights; weights that are outliers already are 0 in it. */
export function summarizeMagnitudes(weight: Float32Array, share: number): MagnitudeSummary {
  const sorted = weight.slice().sort();
  const count = sorted.length;
  const kept = Math.min(count, Math.ceil(share * KEPT_MULTIPLE * count));
  return {
    weights: count,
    quartiles: [sorted[Math.floor(count / 4)]!, sorted[Math.floor((3 * count) / 4)]!],
    negative: sorted.slice(0, kept).map((w) => -w),
    positive: sorted.slice(count - kept).reverse(),
  };
}

/** From which magnitude on weights of a layer are outliers. The range is a float32 number, as in the published search. */
export function thresholdOf({ quartiles: [first, third] }: MagnitudeSummary, multiplier: number): number {
  const range = Math.fround(third - first);
  return Math.max(Math.abs(first - multiplier * range), Math.abs(third + multiplier * range));
}

/** The multiplier that makes `share` of all weights outliers, by halving. */
export function searchMultiplier(layers: readonly MagnitudeSummary[], share: number): number {
  const total = layers.reduce((sum, { weights }) => sum + weights, 0);
  let low = 0;
  let high = LARGEST_MULTIPLIER;
  let multiplier = 0;
  for (let i = 0; i < HALVINGS; i++) {
    multiplier = (low + high) / 2;
    const found = layers.reduce((sum, layer) => sum + countOutliers(layer, thresholdOf(layer, multiplier)), 0) / total;
    if (Math.abs(found - share) < SHARE_TOLERANCE) break;
    if (found > share) low = multiplier;
    else high = multiplier;
  }
  return multiplier;
}

/** Weights that are 0 are no outliers, even where half of a layer is 0 and so its range. */
function countOutliers({ negative, positive }: MagnitudeSummary, threshold: number): number {
  const below = firstNot(negative, (w) => w > threshold);
  return below + firstNot(positive, (w) => w >= threshold && w > 0);
}

/** How many of the first entries satisfy a condition that no entry satisfies after the first that does not. */
function firstNot(values: Float32Array, condition: (value: number) => boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (condition(values[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
