import {
  type CacheType,
  type ForwardCost,
  InvalidArgumentError,
  type ModelDescription,
  type Precision,
  type PrecisionDecision,
  PrecisionUnavailableError,
  precisionOfBlock,
  type Sequence,
  type SequenceOptions,
} from "@stepdown/core";
import type { MockAnswers } from "./mock-answers.js";
import type { MockForward, MockLanguageModel, MockLanguageModelOptions } from "./mock-language-model.js";
import { MockSequence } from "./mock-sequence.js";

/** Nested weights per block in units of hidden size squared, as in a block with a four times wider middle. */
const WEIGHTS_PER_BLOCK = 12;

/** Implementation of {@link MockLanguageModel}. */
export class MockModel implements MockLanguageModel {
  readonly specificationVersion = "v1";
  readonly description: ModelDescription;
  readonly precisions: readonly Precision[];
  readonly answers: MockAnswers;
  readonly chunkTokens: number;
  readonly forwards: MockForward[] = [];
  readonly cacheTypes: CacheType[] = [];
  openSequences = 0;
  #disposed = false;

  constructor(options: MockLanguageModelOptions) {
    const { vocabularySize = 258, blocks = 2, heads = 2, headDimension = 4 } = options;
    const hiddenSize = heads * headDimension;
    const nestedWeights = blocks * WEIGHTS_PER_BLOCK * hiddenSize ** 2;
    this.answers = options.answers;
    this.precisions = [...(options.precisions ?? [2, 3, 4, 8])].sort((one, other) => one - other);
    this.chunkTokens = options.chunkTokens ?? 16;
    this.description = {
      architecture: "MockForCausalLM",
      blocks,
      hiddenSize,
      intermediateSize: 4 * hiddenSize,
      heads,
      keyValueHeads: heads,
      headDimension,
      vocabularySize,
      contextLength: options.contextLength ?? 4096,
      codec: "codebook",
      parameters: nestedWeights + vocabularySize * hiddenSize,
      nestedWeights,
      endOfSequenceIds: options.endOfSequenceIds ?? [],
    };
  }

  cost(decision: PrecisionDecision): ForwardCost {
    this.requireDecision(decision);
    const { blocks, nestedWeights, vocabularySize, hiddenSize } = this.description;
    let bits = 0;
    for (let block = 0; block < blocks; block++) bits += precisionOfBlock(decision, block);
    const effectiveBits = bits / blocks;
    const nestedBytes = (effectiveBits * nestedWeights) / 8;
    return { effectiveBits, nestedBytes, bytes: nestedBytes + (vocabularySize + 1) * hiddenSize };
  }

  async createSequence(options: SequenceOptions = {}): Promise<Sequence> {
    if (this.#disposed) throw new InvalidArgumentError("The mock model was disposed of. Create a new one.");
    const { capacity = this.description.contextLength, cacheType = "f32" } = options;
    if (!Number.isSafeInteger(capacity) || capacity < 1)
      throw new InvalidArgumentError(`A sequence needs a positive whole capacity, got ${capacity}.`);
    this.cacheTypes.push(cacheType);
    this.openSequences += 1;
    return new MockSequence(this, this.cacheTypes.length - 1, capacity);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
  }

  /** Throws unless a decision fits the blocks and names only precisions of this model. */
  requireDecision(decision: PrecisionDecision): void {
    const { blocks } = this.description;
    if (typeof decision !== "number" && decision.length !== blocks)
      throw new InvalidArgumentError(`A decision of ${decision.length} precisions was made for ${blocks} blocks.`);
    for (const precision of typeof decision === "number" ? [decision] : decision)
      if (!this.precisions.includes(precision))
        throw new PrecisionUnavailableError(
          `Precision ${precision} was asked for, the mock model offers ${this.precisions.join(", ")}.`,
        );
  }
}
