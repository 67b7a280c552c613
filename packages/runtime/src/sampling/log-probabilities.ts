import { InvalidArgumentError, type LogitStatistics, type TokenLogProbability } from "@stepdown/core";
import { largestFirst } from "./largest-first.js";

/**
 * The model's own distribution, from raw logits: natural logarithms, sums in float64, the maximum subtracted first.
 * Sampling options play no part here.
 */

/** `ln Σ exp(logit)`; the log probability of token i is `logits[i] − logSumExp(logits)`. */
export function logSumExp(logits: Float32Array): number {
  const maximum = checkedMaximum(logits);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - maximum);
  return maximum + Math.log(sum);
}

/** The `count` most likely tokens, best first. */
export function topLogProbabilities(logits: Float32Array, count: number): TokenLogProbability[] {
  const normalizer = logSumExp(logits);
  return largestFirst(logits, count).map((id) => ({ id, logProbability: (logits[id] as number) - normalizer }));
}

/** Largest probability, margin to the second largest, and entropy of the softmax. */
export function computeLogitStatistics(logits: Float32Array): LogitStatistics {
  const normalizer = logSumExp(logits);
  let first = 0;
  let second = 0;
  let entropy = 0;
  for (const logit of logits) {
    const logProbability = logit - normalizer;
    const probability = Math.exp(logProbability);
    // p ln p → 0; a probability of exactly 0 would give 0 · −∞.
    if (probability > 0) entropy -= probability * logProbability;
    if (probability > first) {
      second = first;
      first = probability;
    } else if (probability > second) {
      second = probability;
    }
  }
  return { maximumProbability: first, margin: first - second, entropy };
}

/** The largest logit. Throws when the logits are no distribution: NaN, +Infinity, or nothing but −Infinity. */
export function checkedMaximum(logits: ArrayLike<number>): number {
  let maximum = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit > maximum) maximum = logit;
    else if (Number.isNaN(logit)) throw notADistribution(`the logit of token ${id} is NaN`);
  }
  if (maximum === Number.POSITIVE_INFINITY) throw notADistribution("a logit is +Infinity");
  if (maximum === Number.NEGATIVE_INFINITY) {
    throw notADistribution(logits.length === 0 ? "there are no logits" : "all logits are −Infinity");
  }
  return maximum;
}

function notADistribution(found: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `Cannot choose a token: ${found}. Check that the weights are finite and that logitBias leaves a token to choose.`,
  );
}
