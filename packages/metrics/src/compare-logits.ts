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

/** The softmax of one row of logits in three numbers: `ln p_i = x_i − maximum − logSum`. */
interface RowSummary {
  readonly top: number;
  readonly maximum: number;
  readonly logSum: number;
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
    const p = summarizeRow(reference, from, vocabulary);
    const q = summarizeRow(variant, from, vocabulary);
    result.referenceLosses[position] = p.logSum + (p.maximum - reference[from + target]!);
    result.losses[position] = q.logSum + (q.maximum - variant[from + target]!);
    result.divergences[position] = divergence(reference, p, variant, q, from, vocabulary);
    result.sameTop[position] = p.top === q.top ? 1 : 0;
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

/** The largest term of the sum is 1 and goes through log1p, so that probabilities near 1 keep their digits. */
function summarizeRow(logits: Float32Array, from: number, vocabulary: number): RowSummary {
  const end = from + vocabulary;
  let largest = from;
  let maximum = logits[from]!;
  for (let at = from + 1; at < end; at++) {
    const value = logits[at]!;
    if (value > maximum) {
      maximum = value;
      largest = at;
    }
  }
  let others = -1;
  for (let at = from; at < end; at++) others += Math.exp(logits[at]! - maximum);
  // The sum above carries its own rounding; where it matters (a nearly certain token) it is made again without the 1.
  if (others < NEARLY_CERTAIN) {
    others = 0;
    for (let at = from; at < end; at++) if (at !== largest) others += Math.exp(logits[at]! - maximum);
  }
  return { top: largest - from, maximum, logSum: Math.log1p(others) };
}

/** Below this sum of the other terms, the 1 would cost digits of their own: 1e-16 / 1e-3 is still far below 1e-9. */
const NEARLY_CERTAIN = 1e-3;

function divergence(
  reference: Float32Array,
  p: RowSummary,
  variant: Float32Array,
  q: RowSummary,
  from: number,
  vocabulary: number,
): number {
  let sum = 0;
  for (let at = from, end = from + vocabulary; at < end; at++) {
    const logP = reference[at]! - p.maximum - p.logSum;
    const probability = Math.exp(logP);
    // 0 · (ln 0 − …) counts as 0; without the test, differences of −1e30 would make it no number.
    if (probability > 0) sum += probability * (logP - (variant[at]! - q.maximum - q.logSum));
  }
  // Rounding of float64 can leave −1e-17 where both are the same.
  return Math.max(sum, 0);
}
