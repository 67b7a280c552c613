/**
 * Perplexity and KL divergence of several precisions of a model against a reference, usually the float model it was made
 * from. All go through a chunk side by side, slice by slice, so that only one slice's logits of the reference are held:
 * `tokensPerForward · vocabulary` numbers each for the reference and the precision at hand.
 */
import {
  InvalidArgumentError,
  type LanguageModel,
  type Precision,
  type Sequence,
  type WaitOptions,
} from "@stepdown/core";
import { compareLogits, createTokenComparison, placeTokenComparison, type TokenComparison } from "./compare-logits.js";
import { forwardSlices } from "./forward-slices.js";
import { countChunks } from "./perplexity.js";

/** Options of {@link divergenceFromFloat}. */
export interface DivergenceOptions extends WaitOptions {
  /** Precisions of the model that are compared. Default: all it has. */
  readonly precisions?: readonly Precision[];
  /** Tokens per chunk. Default 2048. */
  readonly tokensPerChunk?: number;
  /** Chunks to score, from the beginning. Default: all. */
  readonly chunks?: number;
  /** Tokens whose logits are held at once. Default 256. */
  readonly tokensPerForward?: number;
}

/** What {@link divergenceFromFloat} finds of one precision. */
export interface PrecisionComparison {
  readonly precision: Precision;
  /** Every scored token of all chunks, in order. */
  readonly tokens: TokenComparison;
  /** Milliseconds in forward passes of this precision. */
  readonly milliseconds: number;
}

/** Both sides of a comparison. */
export interface DivergenceResult {
  readonly precisions: readonly PrecisionComparison[];
  /** Milliseconds in the reference's forward passes. */
  readonly referenceMilliseconds: number;
  readonly tokensScored: number;
}

/** Compares; `onProgress` counts tokens scored, those of all precisions together. */
export async function divergenceFromFloat(
  reference: LanguageModel,
  model: LanguageModel,
  ids: ArrayLike<number>,
  options: DivergenceOptions = {},
): Promise<DivergenceResult> {
  const { precisions = model.precisions, tokensPerChunk = 2048, tokensPerForward = 256, signal } = options;
  if (reference.description.vocabularySize !== model.description.vocabularySize)
    throw new InvalidArgumentError(
      `The reference has a vocabulary of ${reference.description.vocabularySize} tokens and the model of ${model.description.vocabularySize}; only models of one vocabulary can be compared.`,
    );
  const chunks = countChunks(ids.length, tokensPerChunk, options.chunks);
  const perChunk = tokensPerChunk - 1;
  const total = chunks * perChunk * precisions.length;
  const found = precisions.map((precision) => {
    return { precision, tokens: createTokenComparison(chunks * perChunk), milliseconds: 0 };
  });
  let referenceMilliseconds = 0;
  let done = 0;
  signal?.throwIfAborted();

  await using sequences = await createSequences([reference, ...precisions.map(() => model)], tokensPerChunk);
  const [referenceSequence, ...own] = sequences.list;
  for (let chunk = 0; chunk < chunks; chunk++) {
    const tokens = Array.from({ length: tokensPerChunk }, (_, index) => ids[chunk * tokensPerChunk + index]!);
    const sliced = { tokensPerForward, ...(signal === undefined ? {} : { signal }) };
    for (const sequence of sequences.list) sequence.truncate(0);
    const walks = found.map((each, index) => {
      return { each, slices: forwardSlices(own[index]!, tokens, { precision: each.precision, ...sliced }) };
    });
    let start = performance.now();
    const referencePrecision = reference.precisions.at(-1)!;
    for await (const expected of forwardSlices(referenceSequence!, tokens, {
      precision: referencePrecision,
      ...sliced,
    })) {
      referenceMilliseconds += performance.now() - start;
      for (const { each, slices } of walks) {
        const from = performance.now();
        const { logits } = (await slices.next()).value!;
        each.milliseconds += performance.now() - from;
        const compared = compareLogits(expected.logits, logits, expected.targets);
        placeTokenComparison(each.tokens, compared, chunk * perChunk + expected.position);
        done += expected.targets.length;
        const detail = `chunk ${chunk + 1} of ${chunks}, ${each.precision} bits`;
        options.onProgress?.({ phase: "scoring", done, total, unit: "tokens", detail });
      }
      start = performance.now();
    }
  }
  return { precisions: found, referenceMilliseconds, tokensScored: chunks * perChunk };
}

/** One sequence per entry, disposed of together. */
async function createSequences(
  models: readonly LanguageModel[],
  capacity: number,
): Promise<AsyncDisposable & { readonly list: readonly Sequence[] }> {
  const list: Sequence[] = [];
  const dispose = async (): Promise<void> => {
    for (const sequence of list.splice(0)) await sequence[Symbol.asyncDispose]();
  };
  try {
    for (const model of models) list.push(await model.createSequence({ capacity }));
  } catch (error) {
    await dispose();
    throw error;
  }
  return { list, [Symbol.asyncDispose]: dispose };
}
