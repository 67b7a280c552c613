import type { LinearWeight, WeightCodec } from "./linear-weight.js";
import type { Precision } from "./precision.js";
import type { WaitOptions } from "./progress.js";

/**
 * The arithmetic of a forward pass on one kind of hardware. It knows buffers and shapes; it does not know architectures,
 * sequences or tokens' meaning.
 *
 * Activations are float32 in buffers that belong to the kernel set (WebAssembly memory, a GPU); they are made with
 * {@link KernelSet.allocate}, filled with `write` and only brought back by `read`. All operations between are ordered
 * calls that return at once or when done: a queue is allowed, `read` waits for it. Every call checks shapes and throws
 * `InvalidArgumentError` rather than touching memory outside a buffer. Same input, same kernel set, same thread count:
 * same bits.
 *
 * The plain TypeScript set in `@stepdown/kernels` is the specification of every operation.
 */
export interface KernelSet extends AsyncDisposable {
  readonly specificationVersion: "v1";
  /** Short name for people and reports: "reference", "wasm-simd". */
  readonly name: string;
  /** What this set can do here and now, and what it cannot and why. */
  readonly capabilities: KernelCapabilities;

  /** A zeroed buffer of `length` float32 numbers. Throws `OutOfMemoryError`. */
  allocate(length: number): FloatBuffer;
  /** A window on a buffer, sharing its memory; `offset` and `length` in numbers. Freed with its parent. */
  view(buffer: FloatBuffer, offset: number, length: number): FloatBuffer;
  /** Copies numbers into a buffer from `offset` (default 0) on. */
  write(target: FloatBuffer, values: Float32Array, offset?: number): void;
  /** Copies numbers out, after all operations issued before. Default: the whole buffer. */
  read(source: FloatBuffer, offset?: number, length?: number): Promise<Float32Array>;
  /** Gives a buffer's memory back. Its views die with it. */
  free(buffer: FloatBuffer): void;

  /** Takes a weight into this set's memory and layout. The caller may drop its copy afterwards. */
  prepareLinear(weight: LinearWeight, options?: WaitOptions): Promise<PreparedLinear>;
  /** Gives a prepared weight's memory back. */
  freeLinear(weight: PreparedLinear): void;
  /** Room for keys and values of one sequence. */
  createKeyValueCache(shape: KeyValueCacheShape): KeyValueCache;
  /** Gives a cache's memory back. */
  freeKeyValueCache(cache: KeyValueCache): void;

  /** `outputs[i][t] = weights[i] · input[t] (+ biases[i])` for all tokens t, every weight read at `precision`. */
  linear(call: LinearCall): void;
  /** `output[t] = row ids[t] of the table`, all planes of the table read at `precision`. */
  embed(call: EmbedCall): void;
  /** Root-mean-square norm: `output = input / sqrt(mean(input²) + epsilon) · weight`, per token. In place allowed. */
  rmsNormalize(call: NormalizeCall): void;
  /** Layer norm: `output = (input − mean) / sqrt(variance + epsilon) · weight + bias`, per token. In place allowed. */
  layerNormalize(call: LayerNormalizeCall): void;
  /** Rotary embedding in place: element i is paired with element i + rotaryDimension/2 of its head. */
  rotate(call: RotateCall): void;
  /** Appends keys and values of some tokens to the cache at `position`. */
  storeKeyValues(call: StoreKeyValuesCall): void;
  /** Causal grouped-query attention of some tokens over the cache, softmax computed with the maximum subtracted. */
  attend(call: AttendCall): void;
  /** `target += source`, elementwise over `length` numbers. */
  add(target: FloatBuffer, source: FloatBuffer, length: number): void;
  /** `gate = silu(gate) · up`, elementwise over `length` numbers: the middle of SwiGLU. */
  siluMultiply(gate: FloatBuffer, up: FloatBuffer, length: number): void;
  /** Softmax of each row in place. */
  softmax(buffer: FloatBuffer, rows: number, columns: number): void;
  /** Copies out keys and values of one block, positions `from` (default 0) to `to` (default: `to` must be given). */
  readKeyValues(cache: KeyValueCache, block: number, from: number, to: number): Promise<KeyValues>;
}

/** What a kernel set offers on this machine. */
export interface KernelCapabilities {
  /** Precisions that {@link KernelSet.prepareLinear} accepts per codec; an absent codec is not supported. */
  readonly codecs: Partial<Record<WeightCodec, readonly Precision[]>>;
  /** Number formats of key-value caches. */
  readonly cacheTypes: readonly CacheType[];
  /** Threads in use, main thread included. */
  readonly threads: number;
  /** Most tokens that one call may carry. */
  readonly maximumTokens: number;
  /** Bytes that weights, buffers and caches may take together. Default: not known. */
  readonly maximumBytes?: number;
  /** Sentences for people: which variant was chosen and why something faster was not. */
  readonly notes: readonly string[];
}

/** Float32 numbers in a kernel set's own memory. Only the set that made it can use it. */
export interface FloatBuffer {
  /** Numbers, not bytes. */
  readonly length: number;
}

/** A weight in a kernel set's own memory and layout. Only the set that made it can use it. */
export interface PreparedLinear {
  readonly rows: number;
  readonly columns: number;
  readonly codec: WeightCodec;
  /** Precisions it can be read at, ascending; empty for dense weights, which ignore precision. */
  readonly precisions: readonly Precision[];
  /** Bytes held in the set's memory. */
  readonly bytes: number;
}

/**
 * Number format of cached keys and values. `i8`: per position and head one float32 scale `s = max |x| / 127` and bytes
 * `round(x / s)`, for keys and for values; vectors below 1e-36 become zeros.
 */
export type CacheType = "f32" | "f16" | "i8";

/** Size of a key-value cache. */
export interface KeyValueCacheShape {
  readonly blocks: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  /** Positions there is room for. Memory may be taken step by step. */
  readonly capacity: number;
  /** Default `f32`. */
  readonly type?: CacheType;
}

/**
 * Keys and values of one sequence, all blocks, shared by all precisions. It does not know how many positions are in use:
 * the caller does, and forgets positions by writing over them.
 */
export interface KeyValueCache {
  readonly shape: Required<KeyValueCacheShape>;
}

/** Keys (after rotary embedding) and values of one block, each `[keyValueHeads][positions][headDimension]`. */
export interface KeyValues {
  readonly keyValueHeads: number;
  readonly positions: number;
  readonly headDimension: number;
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** Arguments of {@link KernelSet.linear}. Weights of one call share their input and their `columns`. */
export interface LinearCall {
  readonly weights: readonly PreparedLinear[];
  readonly precision: Precision;
  /** `[tokens][columns]`. */
  readonly input: FloatBuffer;
  /** One per weight, `[tokens][rows]`. None may overlap the input. */
  readonly outputs: readonly FloatBuffer[];
  readonly tokens: number;
  /** One per weight, `[rows]`, or `undefined` where there is none. Default: no biases. */
  readonly biases?: readonly (FloatBuffer | undefined)[];
}

/** Arguments of {@link KernelSet.embed}. */
export interface EmbedCall {
  /** `[vocabulary][hidden]`. */
  readonly table: PreparedLinear;
  readonly precision: Precision;
  readonly ids: readonly number[];
  /** `[ids.length][hidden]`. */
  readonly output: FloatBuffer;
}

/** Arguments of {@link KernelSet.rmsNormalize}. */
export interface NormalizeCall {
  /** `[tokens][columns]`. */
  readonly input: FloatBuffer;
  /** `[columns]`. */
  readonly weight: FloatBuffer;
  readonly epsilon: number;
  readonly output: FloatBuffer;
  readonly tokens: number;
  readonly columns: number;
}

/** Arguments of {@link KernelSet.layerNormalize}. */
export interface LayerNormalizeCall extends NormalizeCall {
  /** `[columns]`; absent: no bias. */
  readonly bias?: FloatBuffer;
}

/** Arguments of {@link KernelSet.rotate}. */
export interface RotateCall {
  /** `[tokens][heads][headDimension]`, changed in place. */
  readonly target: FloatBuffer;
  /** `[positions][rotaryDimension / 2]`, row = absolute position. */
  readonly cosines: FloatBuffer;
  readonly sines: FloatBuffer;
  readonly tokens: number;
  readonly heads: number;
  readonly headDimension: number;
  /** Leading elements of each head that turn; even; at most headDimension. */
  readonly rotaryDimension: number;
  /** Absolute position of the first token. */
  readonly position: number;
}

/** Arguments of {@link KernelSet.storeKeyValues}. */
export interface StoreKeyValuesCall {
  readonly cache: KeyValueCache;
  readonly block: number;
  /** `[tokens][keyValueHeads][headDimension]`. */
  readonly keys: FloatBuffer;
  readonly values: FloatBuffer;
  readonly tokens: number;
  /** Absolute position of the first token. */
  readonly position: number;
}

/** Arguments of {@link KernelSet.attend}. */
export interface AttendCall {
  readonly cache: KeyValueCache;
  readonly block: number;
  /** `[tokens][heads][headDimension]`; query head h uses key-value head floor(h / (heads / keyValueHeads)). */
  readonly queries: FloatBuffer;
  /** `[tokens][heads][headDimension]`. */
  readonly output: FloatBuffer;
  readonly tokens: number;
  readonly heads: number;
  /** Absolute position of the first token; token t sees positions 0 … position + t, which must be stored. */
  readonly position: number;
  /** Factor on the scores, normally 1 / sqrt(headDimension). */
  readonly scale: number;
  /** Sliding window: a token sees itself and the `window − 1` before it. Default: all. */
  readonly window?: number;
}
