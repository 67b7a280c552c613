import {
  type FloatBuffer,
  type ForwardOptions,
  type ForwardResult,
  InvalidArgumentError,
  type KeyValues,
  OutOfMemoryError,
  type Precision,
  type Sequence,
} from "@stepdown/core";
import { yieldToEventLoop } from "../common/yield-to-event-loop.js";
import { checkPrecision, checkRoom, checkTokens } from "./check-forward.js";
import { type ForwardContext, forwardChunk, forwardHead } from "./forward-pass.js";

/** Rows of logits computed at once: more would cost rows × vocabulary × 4 bytes without being faster. */
const HEAD_ROWS = 16;

/** What a sequence is made from. */
export interface DecoderSequenceParts {
  readonly context: ForwardContext;
  readonly precisions: readonly Precision[];
  /** Called once, on disposal. */
  readonly onDispose: () => void;
}

/** One sequence of a decoder: its cache, its activations, and how many positions are in use. */
export class DecoderSequence implements Sequence {
  readonly #context: ForwardContext;
  readonly #precisions: readonly Precision[];
  readonly #onDispose: () => void;
  #length = 0;
  #logits: FloatBuffer | undefined;
  #busy = false;
  #disposed = false;

  constructor({ context, precisions, onDispose }: DecoderSequenceParts) {
    this.#context = context;
    this.#precisions = precisions;
    this.#onDispose = onDispose;
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#context.cache.shape.capacity;
  }

  async forward(tokens: readonly number[], options: ForwardOptions): Promise<ForwardResult> {
    const { configuration: c, scratch } = this.#context;
    const { precision, logits: wanted = "last", chunkTokens = scratch.tokens, signal, onProgress } = options;
    this.#requireIdle("forward");
    if (!Number.isInteger(chunkTokens) || chunkTokens < 1) {
      throw new InvalidArgumentError(`chunkTokens is ${chunkTokens}; allowed: an integer of 1 or more.`);
    }
    if (wanted !== "last" && wanted !== "all" && wanted !== "none") {
      throw new InvalidArgumentError(`logits is ${JSON.stringify(wanted)}; allowed: "last", "all", "none".`);
    }
    if (tokens.length === 0) throw new InvalidArgumentError("A forward pass needs at least one token.");
    checkTokens(tokens, c.vocabularySize);
    checkPrecision(precision, c.blocks, this.#precisions);
    checkRoom(tokens.length, this.#length, this.capacity);
    signal?.throwIfAborted();

    const start = this.#length;
    const chunk = Math.min(chunkTokens, scratch.tokens);
    const rowsWanted = wanted === "all" ? tokens.length : wanted === "last" ? 1 : 0;
    const result = allocateLogits(rowsWanted, c.vocabularySize);
    this.#busy = true;
    try {
      for (let from = 0; from < tokens.length; from += chunk) {
        if (from > 0) {
          await yieldToEventLoop();
          signal?.throwIfAborted();
        }
        const ids = tokens.slice(from, from + chunk);
        await forwardChunk(this.#context, ids, start + from, precision);
        if (wanted === "all") await this.#readLogits(result, from, 0, ids.length);
        else if (wanted === "last" && from + ids.length === tokens.length) {
          await this.#readLogits(result, 0, ids.length - 1, 1);
        }
        this.#length = start + from + ids.length;
        onProgress?.({ phase: "prefill", done: from + ids.length, total: tokens.length, unit: "tokens" });
      }
    } catch (error) {
      this.#length = start;
      throw error;
    } finally {
      this.#busy = false;
    }
    return { logits: result };
  }

  truncate(length: number): void {
    this.#requireIdle("truncate");
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw new InvalidArgumentError(`Cannot truncate to ${length} positions; allowed: 0 to ${this.#length}.`);
    }
    this.#length = length;
  }

  async readKeyValues(block: number): Promise<KeyValues> {
    this.#requireIdle("readKeyValues");
    const { kernels, configuration, cache } = this.#context;
    if (!Number.isInteger(block) || block < 0 || block >= configuration.blocks) {
      throw new InvalidArgumentError(
        `There is no block ${block}; the model has blocks 0 to ${configuration.blocks - 1}.`,
      );
    }
    return kernels.readKeyValues(cache, block, 0, this.#length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const { kernels, scratch, cache } = this.#context;
    if (this.#logits !== undefined) kernels.free(this.#logits);
    scratch.free();
    kernels.freeKeyValueCache(cache);
    this.#onDispose();
  }

  /** Computes logits of `rows` rows of the chunk and copies them to row `target` of the result and after. */
  async #readLogits(result: Float32Array, target: number, from: number, rows: number): Promise<void> {
    const { kernels, configuration, scratch } = this.#context;
    const vocabulary = configuration.vocabularySize;
    for (let row = 0; row < rows; row += HEAD_ROWS) {
      const count = Math.min(HEAD_ROWS, rows - row);
      const buffer = this.#logitsBuffer(Math.min(HEAD_ROWS, rows > 1 ? scratch.tokens : 1) * vocabulary);
      forwardHead(this.#context, from + row, count, buffer);
      result.set(await kernels.read(buffer, 0, count * vocabulary), (target + row) * vocabulary);
    }
  }

  /** One row is all that decoding needs; more is taken when logits of all positions are asked for. */
  #logitsBuffer(length: number): FloatBuffer {
    const { kernels } = this.#context;
    if (this.#logits !== undefined && this.#logits.length >= length) return this.#logits;
    const grown = kernels.allocate(length);
    if (this.#logits !== undefined) kernels.free(this.#logits);
    this.#logits = grown;
    return grown;
  }

  #requireIdle(what: string): void {
    if (this.#disposed) throw new InvalidArgumentError(`${what}: the sequence was disposed of. Create a new one.`);
    if (this.#busy) {
      throw new InvalidArgumentError(`${what}: a forward pass of this sequence is still running. Wait for it first.`);
    }
  }
}

function allocateLogits(rows: number, vocabularySize: number): Float32Array {
  try {
    return new Float32Array(rows * vocabularySize);
  } catch (cause) {
    throw new OutOfMemoryError(
      `Logits of ${rows} positions × ${vocabularySize} tokens do not fit in memory. Forward fewer tokens per call.`,
      { cause },
    );
  }
}
