/**
 * The kernel set of plain TypeScript: checks of shape and ownership around the loops of the files beside this one.
 * It keeps weights as they are stored and dequantizes a row whenever one is needed; nothing is cached.
 */
import {
  type AttendCall,
  type CacheType,
  type EmbedCall,
  type FloatBuffer,
  InvalidArgumentError,
  type KernelCapabilities,
  type KernelSet,
  type KeyValueCache,
  type KeyValueCacheShape,
  type KeyValues,
  type LayerNormalizeCall,
  type LinearCall,
  type LinearWeight,
  MAXIMUM_NESTED_PRECISION,
  type NormalizeCall,
  type PreparedLinear,
  type RotateCall,
  type StoreKeyValuesCall,
  type WaitOptions,
} from "@stepdown/core";
import { attendOver } from "./attention.js";
import { availablePrecisions, requirePrecision } from "./available-precisions.js";
import { BufferMemory, isWithin, overlap } from "./buffer-memory.js";
import { checkLinearWeight } from "./check-linear-weight.js";
import { requireFinite, requirePositions, requireTokens, requireWhole } from "./checks.js";
import { copyLinearWeight, linearWeightBytes } from "./copy-linear-weight.js";
import { addInto, siluMultiplyInto, softmaxRows } from "./elementwise.js";
import { KeyValueStorage } from "./key-value-storage.js";
import { lookUp, multiply } from "./linear.js";
import { layerNormalize, rmsNormalize } from "./normalize.js";
import { rotateHalves } from "./rotate.js";

/** Nothing here needs a limit; this one keeps the scratch buffers that callers make after it small. */
const MAXIMUM_TOKENS = 512;

/** Number formats of caches. */
const CACHE_TYPES: readonly CacheType[] = ["f32", "f16", "i8"];

/** A kernel set in plain TypeScript: slow, obvious, the specification of every fast one. */
export function createReferenceKernels(): KernelSet {
  return new ReferenceKernels();
}

class ReferenceKernels implements KernelSet {
  readonly specificationVersion = "v1";
  readonly name = "reference";
  readonly capabilities: KernelCapabilities;
  readonly #memory = new BufferMemory();
  readonly #weights = new Map<PreparedLinear, LinearWeight>();
  readonly #caches = new Map<KeyValueCache, KeyValueStorage>();
  #disposed = false;

  constructor() {
    const all = Array.from({ length: MAXIMUM_NESTED_PRECISION }, (_, index) => index + 1);
    this.capabilities = {
      codecs: { dense: [16, 32], codebook: all, uniform: all, bcq: all },
      cacheTypes: CACHE_TYPES,
      threads: 1,
      maximumTokens: MAXIMUM_TOKENS,
      notes: ["Plain TypeScript on one thread: for tests and comparison, not for speed."],
    };
  }

  allocate(length: number): FloatBuffer {
    this.#requireOpen();
    return this.#memory.allocate(length);
  }

  view(buffer: FloatBuffer, offset: number, length: number): FloatBuffer {
    return this.#memory.view(buffer, offset, length);
  }

  write(target: FloatBuffer, values: Float32Array, offset = 0): void {
    const numbers = this.#memory.numbers(target, 0, "write");
    if (!isWithin(offset, values.length, target.length))
      throw new InvalidArgumentError(
        `write: ${values.length} numbers from ${offset} on do not fit in a buffer of ${target.length}.`,
      );
    numbers.set(values, offset);
  }

  async read(source: FloatBuffer, offset = 0, length: number = source.length - offset): Promise<Float32Array> {
    const numbers = this.#memory.numbers(source, 0, "read");
    if (!isWithin(offset, length, source.length))
      throw new InvalidArgumentError(
        `read: ${length} numbers from ${offset} on are not inside a buffer of ${source.length}.`,
      );
    return numbers.slice(offset, offset + length);
  }

  free(buffer: FloatBuffer): void {
    this.#memory.free(buffer);
  }

  async prepareLinear(weight: LinearWeight, options: WaitOptions = {}): Promise<PreparedLinear> {
    options.signal?.throwIfAborted();
    this.#requireOpen();
    checkLinearWeight(weight);
    const held = copyLinearWeight(weight);
    const prepared = Object.freeze({
      rows: held.rows,
      columns: held.columns,
      codec: held.codec,
      precisions: availablePrecisions(held),
      bytes: linearWeightBytes(held),
    });
    this.#weights.set(prepared, held);
    options.onProgress?.({ phase: "preparing weights", done: prepared.bytes, total: prepared.bytes, unit: "bytes" });
    return prepared;
  }

  freeLinear(weight: PreparedLinear): void {
    this.#weight(weight, "freeLinear");
    this.#weights.delete(weight);
  }

  createKeyValueCache(shape: KeyValueCacheShape): KeyValueCache {
    this.#requireOpen();
    const { blocks, keyValueHeads, headDimension, capacity, type = "f32" } = shape;
    requireWhole({ blocks, keyValueHeads, headDimension, capacity }, 1, "createKeyValueCache");
    if (!CACHE_TYPES.includes(type))
      throw new InvalidArgumentError(`Cache type ${JSON.stringify(type)} is unknown; use ${CACHE_TYPES.join(", ")}.`);
    const full = Object.freeze({ blocks, keyValueHeads, headDimension, capacity, type });
    const cache = Object.freeze({ shape: full });
    this.#caches.set(cache, new KeyValueStorage(full));
    return cache;
  }

  freeKeyValueCache(cache: KeyValueCache): void {
    this.#cache(cache, "freeKeyValueCache");
    this.#caches.delete(cache);
  }

  linear(call: LinearCall): void {
    const { weights, precision, tokens, outputs, biases } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "linear");
    if (weights.length === 0 || outputs.length !== weights.length || (biases ?? weights).length !== weights.length)
      throw new InvalidArgumentError(
        `linear: ${weights.length} weights need as many outputs and biases, got ${outputs.length} and ${biases?.length ?? "no"}.`,
      );
    const held = weights.map((weight, index) => this.#weight(weight, `linear: weights[${index}]`));
    const columns = held[0]!.columns;
    const input = this.#memory.numbers(call.input, tokens * columns, "linear: input");
    // Everything is checked before the first number changes, so that a refused call leaves all outputs as they were.
    const targets = held.map((weight, index) => {
      if (weight.columns !== columns)
        throw new InvalidArgumentError(
          `linear: weights[${index}] has ${weight.columns} columns, weights[0] has ${columns}; one call shares one input.`,
        );
      requirePrecision(weights[index]!.precisions, precision, `linear: weights[${index}]`);
      const length = tokens * weight.rows;
      const output = this.#memory.numbers(outputs[index]!, length, `linear: outputs[${index}]`);
      if (overlap(input, tokens * columns, output, length))
        throw new InvalidArgumentError(`linear: outputs[${index}] overlaps the input. Use another buffer.`);
      const bias = biases?.[index];
      const addend = bias && this.#memory.numbers(bias, weight.rows, `linear: biases[${index}]`);
      return { weight, output, addend };
    });
    for (const { weight, output, addend } of targets) multiply(weight, precision, input, output, tokens, addend);
  }

  embed({ table, precision, ids, output }: EmbedCall): void {
    requireTokens(ids.length, MAXIMUM_TOKENS, "embed");
    const weight = this.#weight(table, "embed: table");
    requirePrecision(table.precisions, precision, "embed: table");
    const target = this.#memory.numbers(output, ids.length * weight.columns, "embed: output");
    for (const id of ids)
      if (!Number.isSafeInteger(id) || id < 0 || id >= weight.rows)
        throw new InvalidArgumentError(`embed: token id ${id} is outside the table of ${weight.rows} rows.`);
    lookUp(weight, precision, ids, target);
  }

  rmsNormalize(call: NormalizeCall): void {
    const { input, weight, output } = this.#normalizeArguments(call, "rmsNormalize");
    rmsNormalize(input, weight, call.epsilon, output, call.tokens, call.columns);
  }

  layerNormalize(call: LayerNormalizeCall): void {
    const { input, weight, output } = this.#normalizeArguments(call, "layerNormalize");
    const bias = call.bias && this.#memory.numbers(call.bias, call.columns, "layerNormalize: bias");
    layerNormalize(input, weight, bias, call.epsilon, output, call.tokens, call.columns);
  }

  rotate(call: RotateCall): void {
    const { tokens, heads, headDimension, rotaryDimension, position } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "rotate");
    requireWhole({ heads, headDimension, rotaryDimension }, 1, "rotate");
    requireWhole({ position }, 0, "rotate");
    if (rotaryDimension % 2 !== 0 || rotaryDimension > headDimension)
      throw new InvalidArgumentError(
        `rotate: rotaryDimension must be even and at most headDimension ${headDimension}, got ${rotaryDimension}.`,
      );
    const rows = (position + tokens) * (rotaryDimension / 2);
    const target = this.#memory.numbers(call.target, tokens * heads * headDimension, "rotate: target");
    const cosines = this.#memory.numbers(call.cosines, rows, "rotate: cosines");
    const sines = this.#memory.numbers(call.sines, rows, "rotate: sines");
    rotateHalves(target, cosines, sines, call);
  }

  storeKeyValues(call: StoreKeyValuesCall): void {
    const { block, position, tokens } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "storeKeyValues");
    const storage = this.#cache(call.cache, "storeKeyValues");
    requirePositions(storage.shape, block, position, position + tokens, "storeKeyValues");
    const keys = this.#memory.numbers(call.keys, tokens * storage.width, "storeKeyValues: keys");
    const values = this.#memory.numbers(call.values, tokens * storage.width, "storeKeyValues: values");
    storage.store(block, position, tokens, keys, values);
  }

  attend(call: AttendCall): void {
    const { block, tokens, heads, position, scale, window = Number.MAX_SAFE_INTEGER } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "attend");
    requireWhole({ heads, window }, 1, "attend");
    requireFinite({ scale }, "attend");
    const storage = this.#cache(call.cache, "attend");
    requirePositions(storage.shape, block, position, position + tokens, "attend");
    storage.requireWritten(block, position + tokens);
    const { keyValueHeads, headDimension } = storage.shape;
    if (heads % keyValueHeads !== 0)
      throw new InvalidArgumentError(`attend: ${heads} heads cannot share ${keyValueHeads} key-value heads evenly.`);
    const queries = this.#memory.numbers(call.queries, tokens * heads * headDimension, "attend: queries");
    const output = this.#memory.numbers(call.output, tokens * heads * headDimension, "attend: output");
    attendOver(storage, queries, output, { block, tokens, heads, position, scale, window });
  }

  add(target: FloatBuffer, source: FloatBuffer, length: number): void {
    requireWhole({ length }, 0, "add");
    const numbers = this.#memory.numbers(target, length, "add: target");
    addInto(numbers, this.#memory.numbers(source, length, "add: source"), length);
  }

  siluMultiply(gate: FloatBuffer, up: FloatBuffer, length: number): void {
    requireWhole({ length }, 0, "siluMultiply");
    const numbers = this.#memory.numbers(gate, length, "siluMultiply: gate");
    siluMultiplyInto(numbers, this.#memory.numbers(up, length, "siluMultiply: up"), length);
  }

  softmax(buffer: FloatBuffer, rows: number, columns: number): void {
    requireWhole({ rows, columns }, 1, "softmax");
    softmaxRows(this.#memory.numbers(buffer, rows * columns, "softmax"), rows, columns);
  }

  async readKeyValues(cache: KeyValueCache, block: number, from: number, to: number): Promise<KeyValues> {
    const storage = this.#cache(cache, "readKeyValues");
    requirePositions(storage.shape, block, from, to, "readKeyValues");
    return storage.read(block, from, to);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#memory.clear();
    this.#weights.clear();
    this.#caches.clear();
  }

  #normalizeArguments(call: NormalizeCall, what: string): Record<"input" | "weight" | "output", Float32Array> {
    const { tokens, columns, epsilon } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, what);
    requireWhole({ columns }, 1, what);
    requireFinite({ epsilon }, what);
    const length = tokens * columns;
    const input = this.#memory.numbers(call.input, length, `${what}: input`);
    const output = this.#memory.numbers(call.output, length, `${what}: output`);
    if (overlap(input, length, output, length) && input.byteOffset !== output.byteOffset)
      throw new InvalidArgumentError(
        `${what}: output overlaps a part of the input; use the same buffer or another one.`,
      );
    return { input, weight: this.#memory.numbers(call.weight, columns, `${what}: weight`), output };
  }

  #weight(prepared: PreparedLinear, what: string): LinearWeight {
    const weight = this.#weights.get(prepared);
    if (weight === undefined)
      throw new InvalidArgumentError(
        `${what} is no weight of this kernel set, or was freed. Use one from prepareLinear.`,
      );
    return weight;
  }

  #cache(cache: KeyValueCache, what: string): KeyValueStorage {
    const storage = this.#caches.get(cache);
    if (storage === undefined)
      throw new InvalidArgumentError(
        `${what}: this is no cache of this kernel set, or it was freed. Create a new one.`,
      );
    return storage;
  }

  #requireOpen(): void {
    if (this.#disposed) throw new InvalidArgumentError("The reference kernel set was disposed of. Create a new one.");
  }
}
