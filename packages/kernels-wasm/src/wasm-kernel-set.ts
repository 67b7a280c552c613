/**
 * The kernel set: checks of shape and ownership around calls into the module. Everything is checked before the first
 * number changes, so that a refused call leaves all buffers as they were.
 */
import {
  type AttendCall,
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
  type NormalizeCall,
  type PreparedLinear,
  type RotateCall,
  type StoreKeyValuesCall,
  type WaitOptions,
} from "@stepdown/core";
import { CACHE_TYPES, describeCapabilities, MAXIMUM_TOKENS } from "./capabilities.js";
import { isWithin, requireFinite, requirePositions, requirePrecision, requireTokens, requireWhole } from "./checks.js";
import { FloatBuffers } from "./float-buffers.js";
import { HeldCache } from "./held-cache.js";
import { HeldLinear, paddedPartsOf } from "./held-linear.js";
import type { KernelExports } from "./kernel-exports.js";
import { type BinaryCodedArithmetic, LinearInput } from "./linear-input.js";
import type { LinearMemory } from "./linear-memory.js";
import { dequantizeRows, multiplyLinear } from "./multiply-linear.js";
import { prepareLinear } from "./prepare-linear.js";
import { runAttention } from "./run-attention.js";
import { Scratch } from "./scratch.js";
import type { ThreadTeam } from "./threads/thread-team.js";

/** Stands for "no window"; far above any capacity, far below what 32-bit sums of positions can hold. */
const NO_WINDOW = 2 ** 30;

/** {@link KernelSet} over one instance of the module and its memory. */
export class WasmKernelSet implements KernelSet {
  readonly specificationVersion = "v1";
  readonly name: string;
  readonly capabilities: KernelCapabilities;
  #exports: KernelExports;
  readonly #memory: LinearMemory;
  readonly #scratch: Scratch;
  readonly #buffers: FloatBuffers;
  readonly #arithmetic: BinaryCodedArithmetic;
  readonly #team: ThreadTeam;
  #isOpen = true;

  constructor(
    exports: KernelExports,
    memory: LinearMemory,
    team: ThreadTeam,
    { arithmetic, whyOne }: { arithmetic: BinaryCodedArithmetic; whyOne: string | undefined },
  ) {
    this.#team = team;
    const isRelaxed = exports.isRelaxed() !== 0;
    this.name = isRelaxed ? "wasm-relaxed-simd" : "wasm-simd";
    this.capabilities = describeCapabilities({
      ...{ isRelaxed, arithmetic, threads: team.threads, whyOne, maximumBytes: memory.maximumBytes },
    });
    this.#arithmetic = arithmetic;
    this.#exports = exports;
    this.#memory = memory;
    this.#scratch = new Scratch(memory);
    this.#buffers = new FloatBuffers(memory);
  }

  allocate(length: number): FloatBuffer {
    this.#requireOpen();
    return this.#buffers.allocate(length);
  }

  view(buffer: FloatBuffer, offset: number, length: number): FloatBuffer {
    return this.#buffers.view(buffer, offset, length);
  }

  write(target: FloatBuffer, values: Float32Array, offset = 0): void {
    const address = this.#buffers.address(target, 0, "write");
    if (!isWithin(offset, values.length, target.length))
      throw new InvalidArgumentError(
        `write: ${values.length} numbers from ${String(offset)} on do not fit in a buffer of ${target.length}.`,
      );
    this.#memory.floats.set(values, address / 4 + offset);
  }

  async read(source: FloatBuffer, offset = 0, length: number = source.length - offset): Promise<Float32Array> {
    const start = this.#buffers.address(source, 0, "read") / 4;
    if (!isWithin(offset, length, source.length))
      throw new InvalidArgumentError(
        `read: ${String(length)} numbers from ${String(offset)} on are not inside a buffer of ${source.length}.`,
      );
    return this.#memory.floats.slice(start + offset, start + offset + length);
  }

  free(buffer: FloatBuffer): void {
    this.#buffers.free(buffer);
  }

  async prepareLinear(weight: LinearWeight, options: WaitOptions = {}): Promise<PreparedLinear> {
    this.#requireOpen();
    return prepareLinear({ ...this.#place(), owner: this }, weight, options);
  }

  freeLinear(weight: PreparedLinear): void {
    const held = this.#weight(weight, "freeLinear: weight");
    for (const start of held.ranges) this.#memory.release(start);
    held.ranges = [];
  }

  createKeyValueCache(shape: KeyValueCacheShape): KeyValueCache {
    this.#requireOpen();
    const { blocks, keyValueHeads, headDimension, capacity, type = "f32" } = shape;
    for (const [name, value] of Object.entries({ blocks, keyValueHeads, headDimension, capacity }))
      requireWhole(value, 1, `createKeyValueCache: ${name}`);
    if (!CACHE_TYPES.includes(type))
      throw new InvalidArgumentError(
        `createKeyValueCache: type ${JSON.stringify(type)} is not ${CACHE_TYPES.join(", ")}.`,
      );
    return new HeldCache(this, this.#memory, { blocks, keyValueHeads, headDimension, capacity, type });
  }

  freeKeyValueCache(cache: KeyValueCache): void {
    this.#cache(cache, "freeKeyValueCache").free();
  }

  linear(call: LinearCall): void {
    const { weights, precision, tokens, outputs, biases } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "linear");
    if (weights.length === 0 || outputs.length !== weights.length || (biases ?? weights).length !== weights.length)
      throw new InvalidArgumentError(
        `linear: ${weights.length} weights need as many outputs (got ${outputs.length}) and biases (got ${biases?.length ?? "none"}).`,
      );
    const { columns } = this.#weight(weights[0]!, "linear: weights[0]");
    const input = this.#buffers.address(call.input, tokens * columns, "linear: input");
    const jobs = weights.map((prepared, index) => {
      const weight = this.#weight(prepared, `linear: weights[${index}]`);
      if (weight.columns !== columns)
        throw new InvalidArgumentError(
          `linear: weights[${index}] has ${weight.columns} columns and weights[0] has ${columns}; one call shares one input.`,
        );
      requirePrecision(weight.precisions, precision, `linear: weights[${index}]`);
      const length = tokens * weight.rows;
      const output = this.#buffers.address(outputs[index]!, length, `linear: outputs[${index}]`);
      if (overlaps(input, tokens * columns, output, length))
        throw new InvalidArgumentError(`linear: outputs[${index}] overlaps the input. Use another buffer.`);
      const bias = biases?.[index];
      const addend = bias === undefined ? 0 : this.#buffers.address(bias, weight.rows, `linear: biases[${index}]`);
      return { weight, output, bias: addend };
    });
    const place = this.#place();
    const activations = new LinearInput(place, input, columns, tokens, this.#arithmetic);
    multiplyLinear(place, jobs, precision, activations);
  }

  embed({ table, precision, ids, output }: EmbedCall): void {
    requireTokens(ids.length, MAXIMUM_TOKENS, "embed");
    const weight = this.#weight(table, "embed: table");
    requirePrecision(weight.precisions, precision, "embed: table");
    const { rows, columns, paddedColumns, layout } = weight;
    const target = this.#buffers.address(output, ids.length * columns, "embed: output") / 4;
    for (const id of ids)
      if (!Number.isSafeInteger(id) || id < 0 || id >= rows)
        throw new InvalidArgumentError(`embed: token id ${String(id)} is outside the table of ${rows} rows.`);
    const plain = layout.kind === "dense" && layout.type === "f32" ? layout.weights : undefined;
    const parts = paddedPartsOf(layout);
    const row = plain === undefined ? this.#scratch.reserve("tile", paddedColumns * 4) : 0;
    ids.forEach((id, t) => {
      if (plain === undefined) dequantizeRows(this.#place(), weight, precision, id, 1, row);
      const from = (plain === undefined ? row : plain + id * paddedColumns * 4) / 4;
      for (let part = 0; part < parts; part++) {
        const start = from + part * (paddedColumns / parts);
        this.#memory.floats.copyWithin(target + (t * parts + part) * (columns / parts), start, start + columns / parts);
      }
    });
  }

  rmsNormalize(call: NormalizeCall): void {
    const { input, weight, output } = this.#normalizeArguments(call, "rmsNormalize");
    this.#exports.rmsNormalize(input, weight, call.epsilon, output, call.tokens, call.columns);
  }

  layerNormalize(call: LayerNormalizeCall): void {
    const { input, weight, output } = this.#normalizeArguments(call, "layerNormalize");
    const bias = call.bias === undefined ? 0 : this.#buffers.address(call.bias, call.columns, "layerNormalize: bias");
    this.#exports.layerNormalize(input, weight, bias, call.epsilon, output, call.tokens, call.columns);
  }

  rotate(call: RotateCall): void {
    const { tokens, heads, headDimension, rotaryDimension, position } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "rotate");
    requireWhole(heads, 1, "rotate: heads");
    requireWhole(headDimension, 1, "rotate: headDimension");
    requireWhole(rotaryDimension, 1, "rotate: rotaryDimension");
    requireWhole(position, 0, "rotate: position");
    if (rotaryDimension % 2 !== 0 || rotaryDimension > headDimension)
      throw new InvalidArgumentError(
        `rotate: rotaryDimension must be even and at most headDimension ${headDimension}, got ${rotaryDimension}.`,
      );
    const half = rotaryDimension / 2;
    const target = this.#buffers.address(call.target, tokens * heads * headDimension, "rotate: target");
    const cosines = this.#buffers.address(call.cosines, (position + tokens) * half, "rotate: cosines");
    const sines = this.#buffers.address(call.sines, (position + tokens) * half, "rotate: sines");
    const skipped = position * half * 4;
    this.#exports.rotate(target, cosines + skipped, sines + skipped, tokens, heads, headDimension, half);
  }

  storeKeyValues(call: StoreKeyValuesCall): void {
    const { block, position, tokens } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "storeKeyValues");
    const cache = this.#cache(call.cache, "storeKeyValues");
    const { keyValueHeads, headDimension } = cache.shape;
    requirePositions(cache.shape, block, position, position + tokens, "storeKeyValues");
    const width = keyValueHeads * headDimension;
    const keys = this.#buffers.address(call.keys, tokens * width, "storeKeyValues: keys");
    const values = this.#buffers.address(call.values, tokens * width, "storeKeyValues: values");
    cache.extend(block, position + tokens);
    const skipped = position * cache.positionBytes;
    for (let head = 0; head < keyValueHeads; head++) {
      const to = cache.head(block, head);
      const from = head * headDimension * 4;
      const store = (source: number, target: number, scales: number): void => {
        const { padded, form } = cache;
        const scalesAt = scales + position * 4;
        const [start, stride] = [source + from, width * 4];
        const { storeHead } = this.#exports;
        if (storeHead(start, stride, target + skipped, scalesAt, tokens, headDimension, padded, form) !== 0)
          cache.becomeWild();
      };
      store(keys, to.keys, to.keyScales);
      store(values, to.values, to.valueScales);
    }
  }

  attend(call: AttendCall): void {
    const { block, tokens, heads, position, scale, window = NO_WINDOW } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, "attend");
    requireWhole(heads, 1, "attend: heads");
    requireWhole(window, 1, "attend: window");
    requireFinite(scale, "attend: scale");
    const cache = this.#cache(call.cache, "attend");
    const { keyValueHeads, headDimension } = cache.shape;
    requirePositions(cache.shape, block, position, position + tokens, "attend");
    cache.requireWritten(block, position + tokens, "attend");
    if (heads % keyValueHeads !== 0)
      throw new InvalidArgumentError(`attend: ${heads} heads cannot share ${keyValueHeads} key-value heads evenly.`);
    const width = heads * headDimension;
    const queries = this.#buffers.address(call.queries, tokens * width, "attend: queries");
    const output = this.#buffers.address(call.output, tokens * width, "attend: output");
    const work = { cache, block, queries, output, tokens, heads, position, window: Math.min(window, NO_WINDOW), scale };
    runAttention(this.#place(), work);
  }

  add(target: FloatBuffer, source: FloatBuffer, length: number): void {
    requireWhole(length, 0, "add: length");
    const to = this.#buffers.address(target, length, "add: target");
    this.#exports.add(to, this.#buffers.address(source, length, "add: source"), length);
  }

  siluMultiply(gate: FloatBuffer, up: FloatBuffer, length: number): void {
    requireWhole(length, 0, "siluMultiply: length");
    const to = this.#buffers.address(gate, length, "siluMultiply: gate");
    this.#exports.siluMultiply(to, this.#buffers.address(up, length, "siluMultiply: up"), length);
  }

  softmax(buffer: FloatBuffer, rows: number, columns: number): void {
    requireWhole(rows, 1, "softmax: rows");
    requireWhole(columns, 1, "softmax: columns");
    this.#exports.softmaxRows(this.#buffers.address(buffer, rows * columns, "softmax: buffer"), rows, columns);
  }

  async readKeyValues(cache: KeyValueCache, block: number, from: number, to: number): Promise<KeyValues> {
    const held = this.#cache(cache, "readKeyValues");
    const { keyValueHeads, headDimension } = held.shape;
    requirePositions(held.shape, block, from, to, "readKeyValues");
    held.requireWritten(block, to, "readKeyValues");
    const positions = to - from;
    const perHead = positions * headDimension;
    const keys = new Float32Array(keyValueHeads * perHead);
    const values = new Float32Array(keyValueHeads * perHead);
    const skipped = from * held.positionBytes;
    const copy = this.#memory.allocate(perHead * 4, `a copy of ${positions} cached positions`);
    for (let head = 0; head < keyValueHeads; head++) {
      const source = held.head(block, head);
      for (const [address, scales, target] of [
        [source.keys, source.keyScales, keys],
        [source.values, source.valueScales, values],
      ] as const) {
        const scalesAt = scales + from * 4;
        this.#exports.readHead(address + skipped, scalesAt, copy, positions, headDimension, held.padded, held.form);
        target.set(this.#memory.floats.subarray(copy / 4, copy / 4 + perHead), head * perHead);
      }
    }
    this.#memory.release(copy);
    return { keyValueHeads, positions, headDimension, keys, values };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    this.#buffers.clear();
    // Every call checks a handle first and is refused; the module and its memory can be collected.
    this.#exports = {} as KernelExports;
    await this.#team[Symbol.asyncDispose]();
    this.#memory.close();
  }

  #place(): { exports: KernelExports; memory: LinearMemory; scratch: Scratch; team: ThreadTeam } {
    return { exports: this.#exports, memory: this.#memory, scratch: this.#scratch, team: this.#team };
  }

  #normalizeArguments(call: NormalizeCall, what: string): Record<"input" | "weight" | "output", number> {
    const { tokens, columns, epsilon } = call;
    requireTokens(tokens, MAXIMUM_TOKENS, what);
    requireWhole(columns, 1, `${what}: columns`);
    requireFinite(epsilon, `${what}: epsilon`);
    const length = tokens * columns;
    const input = this.#buffers.address(call.input, length, `${what}: input`);
    const output = this.#buffers.address(call.output, length, `${what}: output`);
    if (input !== output && overlaps(input, length, output, length))
      throw new InvalidArgumentError(
        `${what}: the output overlaps a part of the input. Use the same buffer or another one.`,
      );
    return { input, weight: this.#buffers.address(call.weight, columns, `${what}: weight`), output };
  }

  #weight(prepared: PreparedLinear, what: string): HeldLinear {
    if (!(prepared instanceof HeldLinear) || prepared.owner !== this)
      throw new InvalidArgumentError(`${what} is no weight of this kernel set. Use one from its prepareLinear.`);
    if (prepared.ranges.length === 0 || !this.#isOpen)
      throw new InvalidArgumentError(`${what} was freed. Prepare the weight again.`);
    return prepared;
  }

  #cache(cache: KeyValueCache, what: string): HeldCache {
    if (!(cache instanceof HeldCache) || cache.owner !== this)
      throw new InvalidArgumentError(`${what}: this is no cache of this kernel set. Use its createKeyValueCache.`);
    if (!cache.alive || !this.#isOpen)
      throw new InvalidArgumentError(`${what}: the cache was freed. Create a new one.`);
    return cache;
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new InvalidArgumentError("The WebAssembly kernel set was disposed of. Create a new one.");
  }
}

/** Whether two runs of float32 numbers at byte addresses share memory. */
function overlaps(one: number, oneLength: number, other: number, otherLength: number): boolean {
  return one < other + otherLength * 4 && other < one + oneLength * 4;
}
