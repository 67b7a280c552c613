/**
 * Perplexity of a text, the protocol of Any-Precision LLM (arXiv 2402.10517): the ids are cut into consecutive chunks that
 * do not overlap, the remainder is dropped, every chunk is scored alone from an empty sequence. A chunk of n tokens has
 * n − 1 targets; its loss is their mean; perplexity is e to the mean of the chunks' losses.
 */
import {
  InvalidArgumentError,
  type LanguageModel,
  type PrecisionDecision,
  type Sequence,
  type WaitOptions,
} from "@stepdown/core";
import { forwardSlices } from "./forward-slices.js";
import { negativeLogLikelihoods } from "./negative-log-likelihood.js";

/** Options of {@link perplexity}. */
export interface PerplexityOptions extends WaitOptions {
  /** Precision of every forward pass. */
  readonly precision: PrecisionDecision;
  /** Tokens per chunk. Default 2048, the published protocol's. */
  readonly tokensPerChunk?: number;
  /** Chunks to score, from the beginning. Default: all. */
  readonly chunks?: number;
  /** Tokens whose logits are asked for at once, which bounds memory: 256 × 50,000 logits are 51 MB. Default 256. */
  readonly tokensPerForward?: number;
}

/** What {@link perplexity} finds. */
export interface PerplexityResult {
  /** e to the mean loss. */
  readonly perplexity: number;
  /** Mean of the chunks' losses, in nats per token. */
  readonly meanLoss: number;
  /** Mean negative log likelihood of each chunk. */
  readonly chunkLosses: readonly number[];
  /** Targets scored: chunks · (tokensPerChunk − 1). */
  readonly tokensScored: number;
  /** Ids behind the last chunk that was scored. */
  readonly tokensDropped: number;
  /** Wall-clock milliseconds. */
  readonly milliseconds: number;
}

/**
 * Scores token ids, made from the whole text at once with the special tokens the model expects at its beginning.
 *
 * `onProgress` counts targets. Throws `InvalidArgumentError` where the ids do not fill a chunk.
 */
export async function perplexity(
  model: LanguageModel,
  ids: ArrayLike<number>,
  options: PerplexityOptions,
): Promise<PerplexityResult> {
  const { tokensPerChunk = 2048, tokensPerForward = 256, signal } = options;
  requireWhole(tokensPerChunk, 2, "tokensPerChunk");
  requireWhole(tokensPerForward, 1, "tokensPerForward");
  const chunks = countChunks(ids.length, tokensPerChunk, options.chunks);
  const total = chunks * (tokensPerChunk - 1);
  const start = performance.now();
  const chunkLosses: number[] = [];
  signal?.throwIfAborted();
  await using sequence = await model.createSequence({ capacity: tokensPerChunk });
  for (let chunk = 0; chunk < chunks; chunk++) {
    const from = chunk * tokensPerChunk;
    const tokens = Array.from({ length: tokensPerChunk }, (_, index) => ids[from + index]!);
    sequence.truncate(0);
    const report = (scored: number): void => {
      const done = chunk * (tokensPerChunk - 1) + scored;
      const detail = `chunk ${chunk + 1} of ${chunks}`;
      options.onProgress?.({ phase: "scoring", done, total, unit: "tokens", detail });
    };
    chunkLosses.push(await scoreChunk(sequence, tokens, { ...options, tokensPerForward }, report));
  }
  const meanLoss = chunkLosses.reduce((sum, loss) => sum + loss, 0) / chunks;
  return {
    perplexity: Math.exp(meanLoss),
    meanLoss,
    chunkLosses,
    tokensScored: total,
    tokensDropped: ids.length - chunks * tokensPerChunk,
    milliseconds: performance.now() - start,
  };
}

/** Mean loss of one chunk. */
async function scoreChunk(
  sequence: Sequence,
  tokens: readonly number[],
  options: PerplexityOptions & { readonly tokensPerForward: number },
  report: (scored: number) => void,
): Promise<number> {
  let sum = 0;
  for await (const { logits, targets, position } of forwardSlices(sequence, tokens, options)) {
    for (const loss of negativeLogLikelihoods(logits, targets)) sum += loss;
    report(position + targets.length);
  }
  return sum / (tokens.length - 1);
}

/** Whole chunks in some tokens, at most as many as wanted; throws when there is none or there are too few. */
export function countChunks(tokens: number, tokensPerChunk: number, wanted?: number): number {
  const available = Math.floor(tokens / tokensPerChunk);
  if (wanted !== undefined) requireWhole(wanted, 1, "chunks");
  if (available < (wanted ?? 1))
    throw new InvalidArgumentError(
      `The text has ${tokens} tokens, too few for ${wanted ?? 1} chunk${(wanted ?? 1) > 1 ? "s" : ""} of ${tokensPerChunk}. ` +
        "Use a longer text or smaller tokensPerChunk.",
    );
  return wanted ?? available;
}

function requireWhole(value: number, least: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`${what} must be a whole number of at least ${least}, got ${value}.`);
}
