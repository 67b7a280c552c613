import { InvalidArgumentError } from "@stepdown/core";

/**
 * Negative log probability of each target under the softmax of its row of logits, natural logarithm.
 *
 * `logits` is `[targets.length][vocabulary]`. Computed in float64 as `ln Σ_j e^(x_j − max) + (max − x_target)`; the
 * largest term of the sum is 1 and goes through log1p, so that probabilities near 1 keep their digits.
 */
export function negativeLogLikelihoods(logits: Float32Array, targets: ArrayLike<number>): Float64Array {
  const vocabulary = logits.length / targets.length;
  if (!Number.isInteger(vocabulary) || vocabulary < 1)
    throw new InvalidArgumentError(
      `${logits.length} logits cannot belong to ${targets.length} targets: every target needs one row of the same length.`,
    );
  return Float64Array.from(targets, (target, position) => {
    if (!Number.isInteger(target) || target < 0 || target >= vocabulary)
      throw new InvalidArgumentError(
        `Target ${target} at position ${position} is outside the vocabulary of ${vocabulary}.`,
      );
    return rowLoss(logits, position * vocabulary, vocabulary, target);
  });
}

/** Mean of {@link negativeLogLikelihoods}. */
export function meanNegativeLogLikelihood(logits: Float32Array, targets: ArrayLike<number>): number {
  const losses = negativeLogLikelihoods(logits, targets);
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

function rowLoss(logits: Float32Array, from: number, vocabulary: number, target: number): number {
  let largest = from;
  for (let at = from + 1; at < from + vocabulary; at++) if (logits[at]! > logits[largest]!) largest = at;
  const maximum = logits[largest]!;
  let others = 0;
  for (let at = from; at < from + vocabulary; at++) if (at !== largest) others += Math.exp(logits[at]! - maximum);
  return Math.log1p(others) + (maximum - logits[from + target]!);
}
