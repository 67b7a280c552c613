/**
 * Searches for the scale (and minimum) of one group of weights, as ggml's reference quantizers for the K types make them:
 * a grid of trial scales gives codes, least squares gives the best scale for those codes, the smallest weighted error wins.
 * Here in float64; ggml computes in float32, so single codes may differ where two choices are equally good.
 */

/** Result of {@link searchScaleAndMinimum}: weight ≈ `scale · code − minimum`, both not negative. */
export interface ScaleAndMinimum {
  readonly scale: number;
  readonly minimum: number;
}

/** How {@link searchScaleAndMinimum} searches. */
export interface ScaleSearch {
  /** Codes run from 0 to this. */
  readonly highest: number;
  /** Trial scales put the range on `highest + first`, `highest + first + 0.1`, … codes. */
  readonly first: number;
  readonly steps: number;
  /** Compare errors by magnitude instead of square. */
  readonly absolute: boolean;
}

const STEP = 0.1;

/** Asymmetric codes with a minimum of at most 0. `weights` say how much each error counts. */
export function searchScaleAndMinimum(
  values: Float32Array,
  from: number,
  count: number,
  weights: Float64Array,
  { highest, first, steps, absolute }: ScaleSearch,
): ScaleAndMinimum {
  let [low, high] = [values[from]!, values[from]!];
  let [sumW, sumX] = [0, 0];
  for (let i = 0; i < count; i++) {
    const x = values[from + i]!;
    low = Math.min(low, x);
    high = Math.max(high, x);
    sumW += weights[i]!;
    sumX += weights[i]! * x;
  }
  low = Math.min(low, 0);
  if (high === low) return { scale: 0, minimum: -low };
  const code = (i: number, inverse: number): number =>
    clamp(roundHalfEven(inverse * (values[from + i]! - low)), highest);
  const errorOf = (scale: number, minimum: number, inverse: number): number => {
    let error = 0;
    for (let i = 0; i < count; i++) {
      const difference = Math.abs(scale * code(i, inverse) + minimum - values[from + i]!);
      error += weights[i]! * (absolute ? difference : difference * difference);
    }
    return error;
  };
  const range = high - low;
  let best = { scale: range / highest, minimum: low };
  let bestError = errorOf(best.scale, low, highest / range);
  for (let step = 0; step <= steps; step++) {
    const inverse = (highest + first + STEP * step) / range;
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const l = code(i, inverse);
      const w = weights[i]!;
      sumL += w * l;
      sumL2 += w * l * l;
      sumXL += w * l * values[from + i]!;
    }
    const determinant = sumW * sumL2 - sumL * sumL;
    if (determinant <= 0) continue;
    let scale = (sumW * sumXL - sumX * sumL) / determinant;
    let minimum = (sumL2 * sumX - sumL * sumXL) / determinant;
    if (minimum > 0) {
      minimum = 0;
      scale = sumXL / sumL2;
    }
    const error = errorOf(scale, minimum, inverse);
    if (error < bestError) {
      bestError = error;
      best = { scale, minimum };
    }
  }
  return { scale: best.scale, minimum: -best.minimum };
}

/** Trial scales on either side of the one that puts the largest weight on the lowest code. */
const SYMMETRIC_STEPS = 9;

/** Signed scale for codes −half … half − 1; errors count by the square of the weight. 0: all weights are 0. */
export function searchSymmetricScale(values: Float32Array, from: number, count: number, half: number): number {
  const largest = largestOf(values, from, count);
  if (largest === 0) return 0;
  let [bestScale, best] = [0, 0];
  // The plain scale first: others have to be better, not as good.
  for (let trial = 0; trial <= 2 * SYMMETRIC_STEPS; trial++) {
    const step = trial === 0 ? 0 : trial <= SYMMETRIC_STEPS ? trial - SYMMETRIC_STEPS - 1 : trial - SYMMETRIC_STEPS;
    const inverse = -(half + STEP * step) / largest;
    let [sumXL, sumL2] = [0, 0];
    for (let i = 0; i < count; i++) {
      const x = values[from + i]!;
      const l = clampSigned(roundHalfEven(inverse * x), half);
      sumXL += x * x * x * l;
      sumL2 += x * x * l * l;
    }
    if (sumL2 > 0 && (sumXL * sumXL) / sumL2 > best) {
      best = (sumXL * sumXL) / sumL2;
      bestScale = sumXL / sumL2;
    }
  }
  return bestScale;
}

/** Rounds of single changes of codes at most. */
const MAXIMUM_ROUNDS = 5;

/** Like {@link searchSymmetricScale}, but starting from one scale and then moving single codes while that helps. */
export function refineSymmetricScale(values: Float32Array, from: number, count: number, half: number): number {
  const largest = largestOf(values, from, count);
  if (largest === 0) return 0;
  const codes = new Int8Array(count);
  let [sumXL, sumL2] = [0, 0];
  for (let i = 0; i < count; i++) {
    const x = values[from + i]!;
    const l = clampSigned(roundHalfEven((-half / largest) * x), half);
    codes[i] = l;
    sumXL += x * x * x * l;
    sumL2 += x * x * l * l;
  }
  for (let round = 0; round < MAXIMUM_ROUNDS; round++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      const x = values[from + i]!;
      const [restXL, restL2] = [sumXL - x * x * x * codes[i]!, sumL2 - x * x * codes[i]! ** 2];
      if (restXL <= 0) continue;
      const l = clampSigned(roundHalfEven((x * restL2) / restXL), half);
      if (l === codes[i]) continue;
      const [newXL, newL2] = [restXL + x * x * x * l, restL2 + x * x * l * l];
      if (newL2 <= 0 || newXL * newXL * sumL2 <= sumXL * sumXL * newL2) continue;
      codes[i] = l;
      [sumXL, sumL2] = [newXL, newL2];
      changed = true;
    }
    if (!changed) break;
  }
  return sumL2 > 0 ? sumXL / sumL2 : 0;
}

/** The number of largest magnitude, with its sign. */
export function largestOf(values: ArrayLike<number>, from: number, count: number): number {
  let largest = 0;
  for (let i = from; i < from + count; i++) if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
  return largest;
}

/** To the nearest integer, halves to the even one, as ggml's rounding by adding a large float does. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** Into 0 … highest. */
export function clamp(code: number, highest: number): number {
  return code < 0 ? 0 : Math.min(code, highest);
}

/** Into −half … half − 1. */
export function clampSigned(code: number, half: number): number {
  return code < -half ? -half : Math.min(code, half - 1);
}
