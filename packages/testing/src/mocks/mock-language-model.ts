import type { CacheType, LanguageModel, Precision, PrecisionDecision } from "@stepdown/core";
import type { MockAnswers } from "./mock-answers.js";
import { MockModel } from "./mock-model.js";

/** Options of {@link createMockLanguageModel}. */
export interface MockLanguageModelOptions {
  /** How it answers. */
  readonly answers: MockAnswers;
  /** Precisions it offers. Default 2, 3, 4, 8. */
  readonly precisions?: readonly Precision[];
  /** Default 258, the size of the mock tokenizer's vocabulary. */
  readonly vocabularySize?: number;
  /** Positions it was made for. Default 4096. */
  readonly contextLength?: number;
  /** Ids that end a generation. Default: none. */
  readonly endOfSequenceIds?: readonly number[];
  /** Decoder blocks. Default 2. */
  readonly blocks?: number;
  /** Heads, for queries as for keys and values. Default 2. */
  readonly heads?: number;
  /** Default 4. */
  readonly headDimension?: number;
  /** Tokens between two looks at the abort signal, where a call does not say. Default 16. */
  readonly chunkTokens?: number;
}

/** One `forward` call that a mock model finished. */
export interface MockForward {
  /** Which of the model's sequences, in order of creation, from 0. */
  readonly sequence: number;
  /** Positions cached before. */
  readonly position: number;
  readonly tokens: readonly number[];
  readonly precision: PrecisionDecision;
  readonly logits: "last" | "all" | "none";
}

/** A {@link LanguageModel} that says what was done to it. */
export interface MockLanguageModel extends LanguageModel {
  /** Every finished `forward` call of every sequence, in order. */
  readonly forwards: readonly MockForward[];
  /** Cache types asked for, one per sequence. */
  readonly cacheTypes: readonly CacheType[];
  /** Sequences that were created and not yet disposed of. */
  readonly openSequences: number;
}

/**
 * A language model without weights: tokens come from a script, a table or a function, keys and values from a hash of
 * token, position and precision. It keeps the contract (capacity, truncation, aborts between chunks, refusals), so that
 * whatever drives a model can be tested in milliseconds.
 */
export function createMockLanguageModel(options: MockLanguageModelOptions): MockLanguageModel {
  return new MockModel(options);
}
