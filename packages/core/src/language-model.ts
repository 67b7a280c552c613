import type { CacheType, KeyValues } from "./kernel-set.js";
import type { WeightCodec } from "./linear-weight.js";
import type { Precision, PrecisionDecision } from "./precision.js";
import type { WaitOptions } from "./progress.js";

/**
 * A loaded causal language model. It turns token ids into logits and holds no precision and no sequence: both are
 * arguments. Weights are shared by all sequences.
 */
export interface LanguageModel extends AsyncDisposable {
  readonly specificationVersion: "v1";
  readonly description: ModelDescription;
  /** Precisions every forward pass may use, ascending; a float model has the single width 16 or 32. */
  readonly precisions: readonly Precision[];
  /** What a forward pass of one token reads at this decision. */
  cost(decision: PrecisionDecision): ForwardCost;
  /** Begins an empty sequence with its own key-value cache. */
  createSequence(options?: SequenceOptions): Promise<Sequence>;
}

/** Shapes and facts of a model. */
export interface ModelDescription {
  /** Architecture class as in `config.json`: "LlamaForCausalLM". */
  readonly architecture: string;
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  readonly vocabularySize: number;
  /** Positions the model was made for. */
  readonly contextLength: number;
  /** Codec of the blocks' linear layers. */
  readonly codec: WeightCodec;
  /** All parameters, a tied head counted once. */
  readonly parameters: number;
  /** Weights of the blocks' linear layers, the ones that follow the precision. */
  readonly nestedWeights: number;
  /** Ids that end a generation, from the configuration; may be empty. */
  readonly endOfSequenceIds: readonly number[];
}

/** What one forward pass of one token reads from memory. The key-value cache is not counted. */
export interface ForwardCost {
  /** Bits per nested weight, tables and scales included, averaged over all blocks. */
  readonly effectiveBits: number;
  /** Bytes of the blocks' linear layers. */
  readonly nestedBytes: number;
  /** All weight bytes: blocks, head, norms, biases, and one row of the embedding. */
  readonly bytes: number;
}

/** Options of {@link LanguageModel.createSequence}. */
export interface SequenceOptions {
  /** Positions there must be room for. Default: the model's context length. */
  readonly capacity?: number;
  /** Number format of the cache. Default `f32`. */
  readonly cacheType?: CacheType;
}

/** One sequence: the tokens cached so far. Calls must not overlap. */
export interface Sequence extends AsyncDisposable {
  /** Positions in the cache. */
  readonly length: number;
  /** Positions there is room for. */
  readonly capacity: number;
  /**
   * Runs tokens through the model after those already cached, in chunks, and caches them.
   *
   * On an abort or error the sequence is as long as before the call. Throws `ContextExceededError` before any work when
   * the tokens do not fit, `PrecisionUnavailableError` for a precision the model lacks.
   */
  forward(tokens: readonly number[], options: ForwardOptions): Promise<ForwardResult>;
  /** Forgets all positions from `length` on. */
  truncate(length: number): void;
  /** Keys and values of one block for all cached positions, copied. */
  readKeyValues(block: number): Promise<KeyValues>;
}

/** Options of {@link Sequence.forward}; `onProgress` counts tokens, chunk by chunk. */
export interface ForwardOptions extends WaitOptions {
  /** Bits to read, for all blocks or per block. */
  readonly precision: PrecisionDecision;
  /** Which positions' logits are wanted: the last one's (default), all of them, or none. */
  readonly logits?: "last" | "all" | "none";
  /** Most tokens per chunk; an abort takes effect between chunks. Default: the runtime's choice. */
  readonly chunkTokens?: number;
}

/** Result of {@link Sequence.forward}. */
export interface ForwardResult {
  /** `[positions wanted][vocabularySize]`, float32. */
  readonly logits: Float32Array;
}
