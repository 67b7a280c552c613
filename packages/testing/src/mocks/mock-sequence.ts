import {
  ContextExceededError,
  type ForwardOptions,
  type ForwardResult,
  InvalidArgumentError,
  type KeyValues,
  type PrecisionDecision,
  precisionOfBlock,
  type Sequence,
} from "@stepdown/core";
import { mockLogits } from "./mock-answers.js";
import type { MockModel } from "./mock-model.js";

/** One sequence of a mock model: the cached tokens and the precision each was forwarded at. */
export class MockSequence implements Sequence {
  readonly capacity: number;
  readonly #model: MockModel;
  readonly #number: number;
  readonly #tokens: number[] = [];
  readonly #precisions: PrecisionDecision[] = [];
  #promptTokens = 0;
  #busy = false;
  #disposed = false;

  constructor(model: MockModel, number: number, capacity: number) {
    this.#model = model;
    this.#number = number;
    this.capacity = capacity;
  }

  get length(): number {
    return this.#tokens.length;
  }

  async forward(tokens: readonly number[], options: ForwardOptions): Promise<ForwardResult> {
    this.#requireIdle();
    const { precision, logits = "last", chunkTokens = this.#model.chunkTokens, signal, onProgress } = options;
    this.#model.requireDecision(precision);
    this.#requireTokens(tokens);
    if (!Number.isSafeInteger(chunkTokens) || chunkTokens < 1)
      throw new InvalidArgumentError(`chunkTokens must be a positive whole number, got ${chunkTokens}.`);
    const position = this.length;
    const promptBefore = this.#promptTokens;
    const rows: ArrayLike<number>[] = [];
    this.#busy = true;
    try {
      if (position === 0) this.#promptTokens = tokens.length;
      for (let done = 0; done < tokens.length; done += chunkTokens) {
        // Lets other work run, as a real forward pass does, so that aborts and overlaps can happen in between.
        await Promise.resolve();
        signal?.throwIfAborted();
        const end = Math.min(done + chunkTokens, tokens.length);
        for (let index = done; index < end; index++) {
          this.#tokens.push(tokens[index]!);
          this.#precisions.push(precision);
          const isLast = index === tokens.length - 1;
          if (logits === "all" || (logits === "last" && isLast)) rows.push(this.#answer(precision));
        }
        onProgress?.({ phase: "forward", done: end, total: tokens.length, unit: "tokens" });
      }
    } catch (error) {
      this.#shorten(position);
      this.#promptTokens = promptBefore;
      throw error;
    } finally {
      this.#busy = false;
    }
    this.#model.forwards.push({ sequence: this.#number, position, tokens: [...tokens], precision, logits });
    const { vocabularySize } = this.#model.description;
    const result = new Float32Array(rows.length * vocabularySize);
    rows.forEach((row, index) => {
      result.set(row, index * vocabularySize);
    });
    return { logits: result };
  }

  truncate(length: number): void {
    this.#requireIdle();
    if (!Number.isSafeInteger(length) || length < 0 || length > this.length)
      throw new InvalidArgumentError(`A sequence of ${this.length} positions cannot be truncated to ${length}.`);
    this.#shorten(length);
  }

  async readKeyValues(block: number): Promise<KeyValues> {
    this.#requireIdle();
    const { blocks, keyValueHeads, headDimension } = this.#model.description;
    if (!Number.isSafeInteger(block) || block < 0 || block >= blocks)
      throw new InvalidArgumentError(`Block ${block} was asked for, the mock model has ${blocks}.`);
    const positions = this.length;
    const keys = new Float32Array(keyValueHeads * positions * headDimension);
    const values = new Float32Array(keys.length);
    for (let head = 0; head < keyValueHeads; head++) {
      for (let position = 0; position < positions; position++) {
        const precision = precisionOfBlock(this.#precisions[position]!, block);
        for (let d = 0; d < headDimension; d++) {
          const seed = [block, head, position, d, this.#tokens[position]!, precision];
          const at = (head * positions + position) * headDimension + d;
          keys[at] = hashToUnit([...seed, 0]);
          values[at] = hashToUnit([...seed, 1]);
        }
      }
    }
    return { keyValueHeads, positions, headDimension, keys, values };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#disposed) this.#model.openSequences -= 1;
    this.#disposed = true;
  }

  #answer(precision: PrecisionDecision): ArrayLike<number> {
    const { vocabularySize } = this.#model.description;
    const state = { tokens: this.#tokens.slice(), promptTokens: this.#promptTokens, precision };
    const row = mockLogits(this.#model.answers, state, vocabularySize);
    if (row.length !== vocabularySize)
      throw new InvalidArgumentError(`The mock gave ${row.length} logits for a vocabulary of ${vocabularySize}.`);
    return row;
  }

  #shorten(length: number): void {
    this.#tokens.length = length;
    this.#precisions.length = length;
  }

  #requireTokens(tokens: readonly number[]): void {
    if (tokens.length === 0) throw new InvalidArgumentError("A forward pass needs at least one token.");
    const { vocabularySize } = this.#model.description;
    for (const id of tokens)
      if (!Number.isSafeInteger(id) || id < 0 || id >= vocabularySize)
        throw new InvalidArgumentError(`Token id ${id} is outside the vocabulary of ${vocabularySize}.`);
    if (this.length + tokens.length > this.capacity)
      throw new ContextExceededError(
        `${tokens.length} tokens do not fit: ${this.length} of ${this.capacity} positions are in use.`,
      );
  }

  #requireIdle(): void {
    if (this.#disposed) throw new InvalidArgumentError("The sequence was disposed of. Create a new one.");
    if (this.#busy)
      throw new InvalidArgumentError("Calls on one sequence must not overlap; await the forward pass first.");
  }
}

/** A number in [−1, 1) that depends on all inputs: FNV-1a over their low bytes, then a final mix. */
function hashToUnit(inputs: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const input of inputs) {
    hash = Math.imul(hash ^ (input & 0xff), 0x01000193);
    hash = Math.imul(hash ^ ((input >> 8) & 0xff), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 31 - 1;
}
