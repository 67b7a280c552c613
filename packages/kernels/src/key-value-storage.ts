/**
 * Memory of one key-value cache. (Type `i8` is kept as the float32 numbers that its bytes and scales stand for.) Per block two arrays `[positions][keyValueHeads][headDimension]`, float32 numbers or
 * half-precision patterns, that double as positions are stored, up to the capacity. It remembers how far it was ever
 * written, not how many positions are in use.
 */
import { InvalidArgumentError, type KeyValueCacheShape, type KeyValues, OutOfMemoryError } from "@stepdown/core";
import { float16ToNumber, numberToFloat16 } from "./float16.js";
import { roundToBytes } from "./round-to-bytes.js";

/** Positions that memory is taken for at first; small, because tests and short prompts need few. */
const FIRST_POSITIONS = 64;

interface BlockStorage {
  keys: Float32Array | Uint16Array;
  values: Float32Array | Uint16Array;
  /** Positions written at least once, from 0. */
  written: number;
}

/** Keys and values of one sequence. Arguments are checked by the caller, except what was ever written. */
export class KeyValueStorage {
  readonly shape: Required<KeyValueCacheShape>;
  readonly #blocks: BlockStorage[];

  constructor(shape: Required<KeyValueCacheShape>) {
    this.shape = shape;
    this.#blocks = Array.from({ length: shape.blocks }, () => ({
      keys: this.#array(0),
      values: this.#array(0),
      written: 0,
    }));
  }

  /** Numbers per position of keys, and of values. */
  get width(): number {
    return this.shape.keyValueHeads * this.shape.headDimension;
  }

  /** Copies `[tokens][keyValueHeads][headDimension]` to positions from `position` on. */
  store(block: number, position: number, tokens: number, keys: Float32Array, values: Float32Array): void {
    const storage = this.#blocks[block]!;
    this.#reserve(storage, position + tokens);
    const first = position * this.width;
    this.#encode(keys.subarray(0, tokens * this.width), storage.keys, first);
    this.#encode(values.subarray(0, tokens * this.width), storage.values, first);
    storage.written = Math.max(storage.written, position + tokens);
  }

  /** One head's key of one position, `[headDimension]`, written to `target`. */
  readKey(block: number, position: number, head: number, target: Float32Array): void {
    this.#readVector(this.#blocks[block]!.keys, position, head, target);
  }

  /** One head's value of one position, `[headDimension]`, written to `target`. */
  readValue(block: number, position: number, head: number, target: Float32Array): void {
    this.#readVector(this.#blocks[block]!.values, position, head, target);
  }

  /** Positions `from` to `to` (exclusive) of one block, copied head by head. */
  read(block: number, from: number, to: number): KeyValues {
    this.requireWritten(block, to);
    const { keyValueHeads, headDimension } = this.shape;
    const positions = to - from;
    const keys = new Float32Array(keyValueHeads * positions * headDimension);
    const values = new Float32Array(keys.length);
    for (let head = 0; head < keyValueHeads; head++) {
      for (let index = 0; index < positions; index++) {
        const at = (head * positions + index) * headDimension;
        this.readKey(block, from + index, head, keys.subarray(at, at + headDimension));
        this.readValue(block, from + index, head, values.subarray(at, at + headDimension));
      }
    }
    return { keyValueHeads, positions, headDimension, keys, values };
  }

  /** Throws unless positions 0 … `positions − 1` of a block have been stored. */
  requireWritten(block: number, positions: number): void {
    const { written } = this.#blocks[block]!;
    if (positions > written)
      throw new InvalidArgumentError(
        `Positions up to ${positions - 1} of block ${block} were asked for, but only ${written} were ever stored. Store them first.`,
      );
  }

  #encode(numbers: Float32Array, target: Float32Array | Uint16Array, first: number): void {
    const { type, headDimension } = this.shape;
    if (type !== "i8") {
      const encode = type === "f16" ? numberToFloat16 : (value: number) => value;
      for (let i = 0; i < numbers.length; i++) target[first + i] = encode(numbers[i]!);
      return;
    }
    for (let start = 0; start < numbers.length; start += headDimension)
      target.set(roundToBytes(numbers.subarray(start, start + headDimension)), first + start);
  }

  #readVector(from: Float32Array | Uint16Array, position: number, head: number, target: Float32Array): void {
    const decode = this.shape.type === "f16" ? float16ToNumber : (value: number) => value;
    const at = position * this.width + head * this.shape.headDimension;
    for (let d = 0; d < target.length; d++) target[d] = decode(from[at + d]!);
  }

  #reserve(storage: BlockStorage, positions: number): void {
    const held = storage.keys.length / this.width;
    if (positions <= held) return;
    const wanted = Math.min(this.shape.capacity, Math.max(FIRST_POSITIONS, positions, held * 2));
    const keys = this.#array(wanted);
    const values = this.#array(wanted);
    keys.set(storage.keys);
    values.set(storage.values);
    storage.keys = keys;
    storage.values = values;
  }

  #array(positions: number): Float32Array | Uint16Array {
    const length = positions * this.width;
    try {
      return this.shape.type === "f16" ? new Uint16Array(length) : new Float32Array(length);
    } catch (cause) {
      throw new OutOfMemoryError(
        `A key-value cache of ${length} numbers per block cannot be had. Use a smaller capacity or the cache type f16 or i8.`,
        { cause },
      );
    }
  }
}
