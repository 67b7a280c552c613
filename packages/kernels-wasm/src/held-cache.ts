/**
 * Memory of one key-value cache: per block two arrays `[keyValueHeads][held positions][padded dimension]`, float32,
 * halves or bytes (then with scales `[keyValueHeads][held positions]` behind them), that double as positions are stored,
 * up to the capacity. It knows how far each block was ever written.
 */
import { type CacheType, InvalidArgumentError, type KeyValueCache, type KeyValueCacheShape } from "@stepdown/core";
import { type LinearMemory, roundUp } from "./linear-memory.js";

/** Positions that memory is taken for at first; a power of two, so that doubling keeps ranges reusable. */
const FIRST_POSITIONS = 64;

const NUMBER_BYTES: Readonly<Record<CacheType, number>> = { f32: 4, f16: 2, i8: 1 };

/** Where the cached numbers of one head begin. */
export interface HeadAddresses {
  readonly keys: number;
  readonly values: number;
  /** Meaningless unless the cache holds bytes. */
  readonly keyScales: number;
  readonly valueScales: number;
}

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
  #isWild = false;

  constructor(owner: object, memory: LinearMemory, shape: Required<KeyValueCacheShape>) {
    this.owner = owner;
    this.shape = Object.freeze(shape);
    this.padded = roundUp(shape.headDimension, shape.type === "i8" ? 16 : 4);
    this.#memory = memory;
    this.#blocks = Array.from({ length: shape.blocks }, () => ({ keys: 0, values: 0, held: 0, written: 0 }));
  }

  /** How numbers are stored, as `../assembly/cache.ts` numbers it. */
  get form(): number {
    const { type } = this.shape;
    return type === "i8" ? 3 : type === "f32" ? 0 : this.#isWild ? 2 : 1;
  }

  /** Bytes from one position of a head to the next, scales not counted. */
  get positionBytes(): number {
    return this.padded * NUMBER_BYTES[this.shape.type];
  }

  /** Addresses of one head's keys and values at position 0, and of their scales where there are any. */
  head(block: number, head: number): HeadAddresses {
    const { keys, values, held } = this.#blocks[block]!;
    const offset = head * held * this.positionBytes;
    const scales = this.shape.keyValueHeads * held * this.positionBytes + head * held * this.#scaleBytes;
    return { keys: keys + offset, values: values + offset, keyScales: keys + scales, valueScales: values + scales };
  }

  /** Notes that halves which are infinite or no numbers were stored: they need another way of reading. */
  becomeWild(): void {
    this.#isWild = true;
  }

  get #scaleBytes(): number {
    return this.shape.type === "i8" ? 4 : 0;
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
    // Bytes are read in pairs of positions, their scales in fours.
    const held = roundUp(Math.min(capacity, Math.max(FIRST_POSITIONS, positions, block.held * 2)), 4);
    const bytes = held * keyValueHeads * (this.positionBytes + this.#scaleBytes);
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
    const { keyValueHeads } = this.shape;
    const move = (source: number, target: number, size: number): void => {
      for (let head = 0; head < keyValueHeads; head++) {
        const start = source + head * before * size;
        bytes.copyWithin(target + head * held * size, start, start + written * size);
      }
    };
    move(from, to, this.positionBytes);
    const skipped = keyValueHeads * this.positionBytes;
    move(from + before * skipped, to + held * skipped, this.#scaleBytes);
  }
}
