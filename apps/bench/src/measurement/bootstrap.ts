/**
 * How sure a ratio of two medians is: percentile bootstrap (Efron 1979). Both samples are drawn again with replacement,
 * independently, and the middle 95 % of the ratios of their medians is the interval.
 */
import { createRandomNumbers } from "../random-numbers.js";
import { median, quantile } from "./statistics.js";

/** Draws; enough for interval ends that do not move in the third digit. */
const RESAMPLES = 2000;
/** Share of the draws that the interval covers. */
const CONFIDENCE = 0.95;
/** With fewer values per sample a bootstrap interval of medians is far too narrow; none is given then. */
export const MINIMUM_INTERVAL_SAMPLES = 5;

/** A ratio of medians with its interval; the ends are absent when a sample is too small to have one. */
export interface RatioEstimate {
  readonly ratio: number;
  readonly low?: number;
  readonly high?: number;
}

/** `median(numerator) / median(denominator)`, reproducible for the same seed. All values must be above 0. */
export function ratioOfMedians(numerator: readonly number[], denominator: readonly number[], seed = 1): RatioEstimate {
  const ratio = median(numerator) / median(denominator);
  if (Math.min(numerator.length, denominator.length) < MINIMUM_INTERVAL_SAMPLES) return { ratio };
  const random = createRandomNumbers(seed);
  const draw = (values: readonly number[], into: Float64Array): number => {
    for (let i = 0; i < into.length; i++) into[i] = values[Math.floor(random.uniform() * values.length)] as number;
    return quantile(into.sort(), 0.5);
  };
  const top = new Float64Array(numerator.length);
  const bottom = new Float64Array(denominator.length);
  const ratios = Float64Array.from({ length: RESAMPLES }, () => draw(numerator, top) / draw(denominator, bottom));
  ratios.sort();
  const tail = (1 - CONFIDENCE) / 2;
  return { ratio, low: quantile(ratios, tail), high: quantile(ratios, 1 - tail) };
}
