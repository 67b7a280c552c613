import {
  ContextExceededError,
  type ForwardCost,
  InvalidArgumentError,
  type KernelSet,
  type LanguageModel,
  type ModelDescription,
  type Precision,
  type PrecisionDecision,
  type Sequence,
  type SequenceOptions,
  UnsupportedError,
} from "@stepdown/core";
import type { DecoderConfiguration } from "../configuration/decoder-configuration.js";
import type { RotaryTables } from "../rotary/rotary-tables.js";
import { checkPrecision } from "./check-forward.js";
import { DecoderSequence } from "./decoder-sequence.js";
import type { DecoderWeights } from "./decoder-weights.js";
import type { InputObserver } from "./input-observer.js";
import { allocateScratch } from "./scratch.js";
import type { WeightBytes } from "./weight-bytes.js";

/** Most tokens of a chunk unless the kernel set allows fewer: enough to use a weight well, little to wait for an abort. */
export const DEFAULT_CHUNK_TOKENS = 256;

/** Options of {@link DecoderModel.createSequence}. */
export interface DecoderSequenceOptions extends SequenceOptions {
  /** Sees the inputs of all linear layers of the blocks. Default: nobody looks. */
  readonly observe?: InputObserver;
}

/** A language model that lets its linear layers' inputs be observed. */
export interface ObservableLanguageModel extends LanguageModel {
  /** The kernel set it runs on, for reading what an observer is shown. */
  readonly kernels: KernelSet;
  createSequence(options?: DecoderSequenceOptions): Promise<Sequence>;
}

/** What a model is made from. */
export interface DecoderModelParts {
  readonly kernels: KernelSet;
  readonly configuration: DecoderConfiguration;
  readonly description: ModelDescription;
  readonly precisions: readonly Precision[];
  readonly weights: DecoderWeights;
  readonly rotary: RotaryTables;
  readonly bytes: WeightBytes;
}

/** A decoder in memory: weights and rotary tables shared by all its sequences. It holds no precision. */
export class DecoderModel implements ObservableLanguageModel {
  readonly specificationVersion = "v1";
  readonly description: ModelDescription;
  readonly precisions: readonly Precision[];
  readonly kernels: KernelSet;
  readonly #parts: DecoderModelParts;
  readonly #sequences = new Set<DecoderSequence>();
  #disposed = false;

  constructor(parts: DecoderModelParts) {
    this.#parts = parts;
    this.kernels = parts.kernels;
    this.description = parts.description;
    this.precisions = parts.precisions;
  }

  cost(decision: PrecisionDecision): ForwardCost {
    checkPrecision(decision, this.description.blocks, this.precisions);
    return this.#parts.bytes.cost(decision);
  }

  async createSequence(options: DecoderSequenceOptions = {}): Promise<DecoderSequence> {
    const { kernels, configuration, weights, rotary } = this.#parts;
    if (this.#disposed) throw new InvalidArgumentError("The model was disposed of. Load it again.");
    const { capacity = configuration.contextLength, cacheType: type = "f32", observe } = options;
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new InvalidArgumentError(`capacity is ${capacity}; allowed: an integer of 1 or more.`);
    }
    if (capacity > configuration.contextLength) {
      throw new ContextExceededError(
        `A sequence of ${capacity} positions was asked for; the model was made for ${configuration.contextLength}.`,
      );
    }
    if (!kernels.capabilities.cacheTypes.includes(type)) {
      throw new UnsupportedError(
        `Kernel set ${kernels.name} has no ${type} cache; it has ${kernels.capabilities.cacheTypes.join(", ")}.`,
      );
    }
    const { blocks, keyValueHeads, headDimension } = configuration;
    const tokens = Math.min(DEFAULT_CHUNK_TOKENS, kernels.capabilities.maximumTokens, capacity);
    const cache = kernels.createKeyValueCache({ blocks, keyValueHeads, headDimension, capacity, type });
    try {
      const scratch = allocateScratch(kernels, configuration, tokens);
      const sequence: DecoderSequence = new DecoderSequence({
        context: { kernels, configuration, weights, rotary, scratch, cache, observe },
        precisions: this.precisions,
        onDispose: () => this.#sequences.delete(sequence),
      });
      this.#sequences.add(sequence);
      return sequence;
    } catch (error) {
      kernels.freeKeyValueCache(cache);
      throw error;
    }
  }

  /** Gives back the weights and whatever sequences are still open. The kernel set stays: it was passed in. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const sequence of [...this.#sequences]) await sequence[Symbol.asyncDispose]();
    this.#parts.weights.free();
    this.#parts.rotary.free();
  }
}
