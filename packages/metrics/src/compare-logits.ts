import { InvalidArgumentError } from "@stepdown/core";

/** What is compared per token; arrays of one length, one entry per scored position. */
export interface TokenComparison {
  /** Negative log likelihood of the target under the variant, nats. */
  readonly losses: Float64Array;
  /** The same under the reference. */
  readonly referenceLosses: Float64Array;
  /** KL(reference ‖ variant) of the next token's distribution, nats; never negative. */
  readonly divergences: Float64Array;
  /** 1 where both find the same token most likely (the lowest id on ties), else 0. */
  readonly sameTop: Uint8Array;
}

/**
 * Compares a variant's logits with those of a reference (the float model) on the same positions.
 *
 * Both are `[targets.length][vocabulary]`. `KL(P ‖ Q) = Σ_i p_i (ln p_i − ln q_i)` with float64 sums over float32 logits;
 * each row's maximum is subtracted before it is exponentiated, so that logits of any size are safe.
 */
export function compareLogits(
  reference: Float32Array,
  variant: Float32Array,
  targets: ArrayLike<number>,
): TokenComparison {
  const count = targets.length;
  const vocabulary = reference.length / count;
  if (!Number.isInteger(vocabulary) || vocabulary < 1 || variant.length !== reference.length)
    throw new InvalidArgumentError(
      `${reference.length} and ${variant.length} logits cannot belong to ${count} targets: both need one row of the same length per target.`,
    );
  const result = createTokenComparison(count);
  for (let position = 0; position < count; position++) {
    const from = position * vocabulary;
    const target = targets[position]!;
    if (!Number.isInteger(target) || target < 0 || target >= vocabulary)
      throw new InvalidArgumentError(
        `Target ${target} at position ${position} is outside the vocabulary of ${vocabulary}.`,
      );
    compareRow(reference, variant, from, vocabulary, target, position, result);
  }
  return result;
}

/** A comparison with room for so many positions, all zero. */
export function createTokenComparison(positions: number): TokenComparison {
  return {
    losses: new Float64Array(positions),
    referenceLosses: new Float64Array(positions),
    divergences: new Float64Array(positions),
    sameTop: new Uint8Array(positions),
  };
}

/** Copies a comparison of some positions into a longer one. */
export function placeTokenComparison(target: TokenComparison, part: TokenComparison, position: number): void {
  target.losses.set(part.losses, position);
  target.referenceLosses.set(part.referenceLosses, position);
  target.divergences.set(part.divergences, position);
  target.sameTop.set(part.sameTop, position);
}

/** KL(softmax(reference) ‖ softmax(variant)) of one position, nats. */
export function klDivergence(reference: Float32Array, variant: Float32Array): number {
  return compareLogits(reference, variant, [0]).divergences[0]!;
}

/**
 * One position in two passes, since exponentials are what takes the time: with `e_i = exp(x_i − max x)` and `S = Σ e_i`,
 * KL = `Σ e_i ((x_i − max x) − (y_i − max y)) / S − ln S + ln S_y`.
 */
function compareRow(
  reference: Float32Array,
  variant: Float32Array,
  from: number,
  vocabulary: number,
  target: number,
  position: number,
  result: TokenComparison,
): void {
  const end = from + vocabulary;
  const topP = indexOfLargest(reference, from, end);
  const topQ = indexOfLargest(variant, from, end);
  const maximumP = reference[topP]!;
  const maximumQ = variant[topQ]!;
  let othersP = -1;
  let othersQ = -1;
  let weighted = 0;
  for (let at = from; at < end; at++) {
    const x = reference[at]! - maximumP;
    const y = variant[at]! - maximumQ;
    const e = Math.exp(x);
    othersP += e;
    othersQ += Math.exp(y);
    // 0 · (−∞ − y) counts as 0; without the test, differences of −1e30 would make it no number.
    if (e > 0) weighted += e * (x - y);
  }
  const logSumP = logOfSum(othersP, reference, topP, from, end);
  const logSumQ = logOfSum(othersQ, variant, topQ, from, end);
  result.referenceLosses[position] = logSumP + (maximumP - reference[from + target]!);
  result.losses[position] = logSumQ + (maximumQ - variant[from + target]!);
  // Rounding of float64 can leave −1e-17 where both are the same.
  result.divergences[position] = Math.max(weighted / Math.exp(logSumP) - logSumP + logSumQ, 0);
  result.sameTop[position] = topP === topQ ? 1 : 0;
}

/** Below this sum of the other terms, the rounding of a sum that held the 1 would show: it is made again without. */
const NEARLY_CERTAIN = 1e-3;

/** ln(1 + others): the largest term is 1 and goes through log1p, so that probabilities near 1 keep their digits. */
function logOfSum(others: number, logits: Float32Array, top: number, from: number, end: number): number {
  if (others >= NEARLY_CERTAIN) return Math.log1p(others);
  let exact = 0;
  for (let at = from; at < end; at++) if (at !== top) exact += Math.exp(logits[at]! - logits[top]!);
  return Math.log1p(exact);
}

function indexOfLargest(logits: Float32Array, from: number, end: number): number {
  let largest = from;
  for (let at = from + 1; at < end; at++) if (logits[at]! > logits[largest]!) largest = at;
  return largest;
}
