/**
 * Memory of one key-value cache: per block two arrays `[keyValueHeads][held positions][padded dimension]`, float32 or
 * halves, that double as positions are stored, up to the capacity. It knows how far each block was ever written.
 */
import { InvalidArgumentError, type KeyValueCache, type KeyValueCacheShape } from "@stepdown/core";
import { type LinearMemory, roundUp } from "./linear-memory.js";

/** Positions that memory is taken for at first; a power of two, so that doubling keeps ranges reusable. */
const FIRST_POSITIONS = 64;

interface HeldBlock {
  /** Addresses; 0 before anything is stored. */
  keys: number;
  values: number;
  /** Positions there is memory for. */
  held: number;
  /** Positions ever stored, from 0. */
  written: number;
}

/** A cache and where it lies. */
export class HeldCache implements KeyValueCache {
  readonly shape: Required<KeyValueCacheShape>;
  /** Head dimension rounded up to 4. */
  readonly padded: number;
  readonly owner: object;
  alive = true;
  readonly #memory: LinearMemory;
  readonly #blocks: HeldBlock[];

  constructor(owner: object, memory: LinearMemory, shape: Required<KeyValueCacheShape>) {
    this.owner = owner;
    this.shape = Object.freeze(shape);
    this.padded = roundUp(shape.headDimension, 4);
    this.#memory = memory;
    this.#blocks = Array.from({ length: shape.blocks }, () => ({ keys: 0, values: 0, held: 0, written: 0 }));
  }

  get isHalf(): boolean {
    return this.shape.type === "f16";
  }

  /** Bytes from one position of a head to the next. */
  get positionBytes(): number {
    return this.padded * (this.isHalf ? 2 : 4);
  }

  /** Addresses of one head's keys and values at position 0. */
  head(block: number, head: number): { keys: number; values: number } {
    const { keys, values, held } = this.#blocks[block]!;
    const offset = head * held * this.positionBytes;
    return { keys: keys + offset, values: values + offset };
  }

  /** Makes room for positions 0 … `positions − 1` of a block and counts them as written. */
  extend(block: number, positions: number): void {
    const held = this.#blocks[block]!;
    if (positions > held.held) this.#grow(held, positions);
    held.written = Math.max(held.written, positions);
  }

  /** Throws unless positions 0 … `positions − 1` of a block have been stored. */
  requireWritten(block: number, positions: number, what: string): void {
    const { written } = this.#blocks[block]!;
    if (positions > written)
      throw new InvalidArgumentError(
        `${what}: positions up to ${positions - 1} of block ${block} were asked for, ${written} were ever stored. Store them first.`,
      );
  }

  free(): void {
    this.alive = false;
    for (const block of this.#blocks)
      if (block.held > 0) {
        this.#memory.release(block.keys);
        this.#memory.release(block.values);
        block.held = 0;
      }
  }

  #grow(block: HeldBlock, positions: number): void {
    const { capacity, keyValueHeads } = this.shape;
    const held = Math.min(capacity, Math.max(FIRST_POSITIONS, positions, block.held * 2));
    const bytes = held * keyValueHeads * this.positionBytes;
    const what = `keys or values of ${held} positions`;
    const keys = this.#memory.allocate(bytes, what);
    let values: number;
    try {
      values = this.#memory.allocate(bytes, what);
    } catch (error) {
      this.#memory.release(keys);
      throw error;
    }
    if (block.held > 0) {
      this.#move(block.keys, keys, block, held);
      this.#move(block.values, values, block, held);
      this.#memory.release(block.keys);
      this.#memory.release(block.values);
    }
    block.keys = keys;
    block.values = values;
    block.held = held;
  }

  #move(from: number, to: number, { held: before, written }: HeldBlock, held: number): void {
    const { bytes } = this.#memory;
    for (let head = 0; head < this.shape.keyValueHeads; head++) {
      const start = from + head * before * this.positionBytes;
      bytes.copyWithin(to + head * held * this.positionBytes, start, start + written * this.positionBytes);
    }
  }
}
