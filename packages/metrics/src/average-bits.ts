/**
 * How many bits a weight had on average while a generation ran. There is no single answer, so there are four:
 *
 * | number | counts |
 * |---|---|
 * | `reference` | decode forward passes without the first: the published figures of PMPD (arXiv 2410.13461) |
 * | `decode` | all decode forward passes |
 * | `withPrompt` | all tokens run through the model, each prompt token at the prefill's precision |
 * | `bytesWeighted` | nested bytes read, prefill as one pass: what memory sees, tables and scales included |
 *
 * A decision per block counts as the mean over its blocks.
 */
import { type ForwardCost, InvalidArgumentError, type PrecisionDecision, type PrecisionTrace } from "@stepdown/core";

/** Options of {@link averageBits}: both or none. A language model has them as `cost` and `description.nestedWeights`. */
export interface AverageBitsOptions {
  /** What a forward pass reads; absent: no bytes are counted. */
  readonly cost?: (decision: PrecisionDecision) => Pick<ForwardCost, "nestedBytes">;
  /** Weights that the nested bytes hold. */
  readonly nestedWeights?: number;
}

/** Averages of one generation; a member is `undefined` where nothing was counted. */
export interface AverageBits {
  readonly reference: number | undefined;
  readonly decode: number | undefined;
  readonly withPrompt: number | undefined;
  /** `8 · bytesRead / (nestedWeights · forward passes)`. */
  readonly bytesWeighted: number | undefined;
  /** Nested bytes read by prefill, counted as one pass, and all decode passes. */
  readonly bytesRead: number | undefined;
}

/** Averages of a generation, or of several turns that count as one. */
export function averageBits(
  traces: PrecisionTrace | readonly PrecisionTrace[],
  { cost, nestedWeights }: AverageBitsOptions = {},
): AverageBits {
  const turns = isList(traces) ? traces : [traces];
  if ((cost === undefined) !== (nestedWeights === undefined))
    throw new InvalidArgumentError("averageBits needs cost and nestedWeights together, or neither of them.");
  const prompt = turns.map(({ prefill, promptTokens }) => [bitsOf(prefill), promptTokens] as const);
  const decode = turns.flatMap((turn) => turn.decode.map(once));
  const passes = turns.flatMap((turn) => [turn.prefill, ...turn.decode]);
  const bytesRead = cost && passes.reduce<number>((sum, decision) => sum + cost(decision).nestedBytes, 0);
  const weightsRead = (nestedWeights ?? 0) * passes.length;
  return {
    reference: mean(turns.flatMap((turn) => turn.decode.slice(1).map(once))),
    decode: mean(decode),
    withPrompt: mean([...prompt, ...decode]),
    bytesWeighted: bytesRead === undefined || weightsRead === 0 ? undefined : (8 * bytesRead) / weightsRead,
    bytesRead,
  };
}

/** Plain mean over generations, each member over those that have it: every question counts the same, however long. */
export function meanAverageBits(generations: readonly AverageBits[]): AverageBits {
  const over = (member: keyof AverageBits): number | undefined =>
    mean(generations.flatMap((averages) => (averages[member] === undefined ? [] : [[averages[member], 1] as const])));
  return {
    reference: over("reference"),
    decode: over("decode"),
    withPrompt: over("withPrompt"),
    bytesWeighted: over("bytesWeighted"),
    bytesRead: over("bytesRead"),
  };
}

function bitsOf(decision: PrecisionDecision): number {
  if (typeof decision === "number") return decision;
  return decision.reduce((sum, precision) => sum + precision, 0) / decision.length;
}

const once = (decision: PrecisionDecision): readonly [bits: number, count: number] => [bitsOf(decision), 1];

function mean(entries: readonly (readonly [bits: number, count: number])[]): number | undefined {
  let sum = 0;
  let counts = 0;
  for (const [bits, count] of entries) {
    sum += bits * count;
    counts += count;
  }
  return counts === 0 ? undefined : sum / counts;
}

const isList = (traces: PrecisionTrace | readonly PrecisionTrace[]): traces is readonly PrecisionTrace[] =>
  Array.isArray(traces);
