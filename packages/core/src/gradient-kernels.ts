import type { FloatBuffer } from "./kernel-set.js";

/**
 * The arithmetic of a backward pass: float32 products of matrices, attention, norms and their gradients. Beside
 * `KernelSet`, not part of it: calibration needs it once, inference never.
 *
 * Calls return when the numbers are there. A call's result does not depend on the number of threads. Buffers belong to
 * the set that made them and must not overlap within a call unless it says so.
 */
export interface GradientKernels extends AsyncDisposable {
  readonly specificationVersion: "v1";
  /** Short name for people: "wasm-simd". */
  readonly name: string;
  /** Names the rounding: sets with the same text compute the same bits. Part of the keys of cached results. */
  readonly arithmetic: string;
  /** Threads that share the calls. */
  readonly threads: number;

  /** A zeroed buffer of float32 numbers. Throws `OutOfMemoryError`. */
  allocate(length: number): FloatBuffer;
  /** Gives a buffer's memory back. */
  free(buffer: FloatBuffer): void;
  /** Copies numbers into a buffer from `offset` (default 0) on. */
  write(target: FloatBuffer, values: Float32Array, offset?: number): void;
  /** Copies numbers out. Default: the whole buffer. */
  read(source: FloatBuffer, offset?: number, length?: number): Float32Array;

  /** `output[i][j] = Σ_d scale[d] · left[i][d] · right[d][j]`, or added, or the square of that sum added. */
  multiply(call: GradientProduct): void;
  /** Causal attention of a whole sequence. */
  attend(call: GradientAttention): void;
  /** Gradients of queries, keys and values from that of the output. */
  attendBackward(call: GradientAttentionBackward): void;
  /** Root-mean-square norm, or layer norm, of each row. */
  normalize(call: GradientNorm): void;
  /** Gradient of a norm's input from that of its output. */
  normalizeBackward(call: GradientNormBackward): void;
  /** Rotary embedding in place, or with `inverse` undone, which is also its gradient. */
  rotate(call: GradientRotation): void;
  /** `output = silu(gate) · up`. */
  gate(gate: FloatBuffer, up: FloatBuffer, output: FloatBuffer, length: number): void;
  /** Replaces `gate` and `up` by their gradients, from the gradient of `silu(gate) · up`. */
  gateBackward(gate: FloatBuffer, up: FloatBuffer, gradient: FloatBuffer, length: number): void;
  /** Cross-entropy of rows of logits; they are replaced by their gradients. Returns the losses, one per row. */
  crossEntropy(call: GradientCrossEntropy): Float32Array;
  /** `target += source`. */
  add(target: FloatBuffer, source: FloatBuffer, length: number): void;
  /** `target[row] += bias`. */
  addBias(target: FloatBuffer, bias: FloatBuffer, rows: number, columns: number): void;
  /** `output[row] = factor · mean of the squares of a row`. */
  meanSquares(input: FloatBuffer, output: FloatBuffer, rows: number, columns: number, factor: number): void;
}

/** A matrix in a buffer; strides and offset in numbers, so that a transpose is a swap of strides. */
export interface GradientMatrix {
  readonly buffer: FloatBuffer;
  readonly rowStride: number;
  readonly columnStride: number;
  /** First number. Default 0. */
  readonly offset?: number;
}

/** Arguments of {@link GradientKernels.multiply}. */
export interface GradientProduct {
  /** `[rows][depth]`. */
  readonly left: GradientMatrix;
  /** `[depth][columns]`. */
  readonly right: GradientMatrix;
  /** `[rows][columns]`; its column stride must be 1. */
  readonly output: GradientMatrix;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** What happens to the output. `add-square` sums over the whole depth before it squares. Default `store`. */
  readonly mode?: "store" | "add" | "add-square";
  /** One factor per step of depth, `[depth]`. Default: none. */
  readonly scale?: FloatBuffer;
  /** Computes what lies on and above the diagonal; below it numbers may be left as they are. Default: everything. */
  readonly upper?: boolean;
}

/** Arguments of {@link GradientKernels.attend}. */
export interface GradientAttention {
  /** `[tokens][heads][headDimension]`. */
  readonly queries: FloatBuffer;
  /** `[tokens][keyValueHeads][headDimension]`. */
  readonly keys: FloatBuffer;
  readonly values: FloatBuffer;
  /** `[tokens][heads][headDimension]`; {@link GradientKernels.attendBackward} does not need it. */
  readonly output: FloatBuffer;
  readonly tokens: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  /** Factor on the scores. */
  readonly scale: number;
  /** A token sees itself and the `window − 1` before it. Default: all. */
  readonly window?: number;
}

/** Arguments of {@link GradientKernels.attendBackward}. */
export interface GradientAttentionBackward extends Omit<GradientAttention, "output"> {
  /** `[tokens][heads][headDimension]`. */
  readonly outputGradient: FloatBuffer;
  /** `[tokens][heads][headDimension]`. */
  readonly queryGradient: FloatBuffer;
  /** `[tokens][keyValueHeads][headDimension]`. */
  readonly keyGradient: FloatBuffer;
  readonly valueGradient: FloatBuffer;
}

/** Arguments of {@link GradientKernels.normalize}. */
export interface GradientNorm {
  readonly kind: "rms" | "layer";
  /** `[rows][columns]`. */
  readonly input: FloatBuffer;
  /** `[columns]`. */
  readonly weight: FloatBuffer;
  /** `[columns]`, of a layer norm; absent: none. */
  readonly bias?: FloatBuffer | undefined;
  readonly epsilon: number;
  /** `[rows][columns]`, may be `input`. */
  readonly output: FloatBuffer;
  readonly rows: number;
  readonly columns: number;
}

/** Arguments of {@link GradientKernels.normalizeBackward}. */
export interface GradientNormBackward extends Omit<GradientNorm, "output" | "bias"> {
  /** Gradient of the norm's output. */
  readonly outputGradient: FloatBuffer;
  /** Where the gradient of its input goes; may be `outputGradient`. */
  readonly inputGradient: FloatBuffer;
  /** Adds to `inputGradient`. Default: replaces it. */
  readonly adds?: boolean;
}

/** Arguments of {@link GradientKernels.rotate}. */
export interface GradientRotation {
  /** `[tokens][heads][headDimension]`; element i of a head turns with element i + rotaryDimension / 2. */
  readonly target: FloatBuffer;
  /** `[tokens][rotaryDimension / 2]`. */
  readonly cosines: FloatBuffer;
  readonly sines: FloatBuffer;
  readonly tokens: number;
  readonly heads: number;
  readonly headDimension: number;
  readonly rotaryDimension: number;
  readonly inverse?: boolean;
}

/** Arguments of {@link GradientKernels.crossEntropy}. */
export interface GradientCrossEntropy {
  /** `[rows][columns]`. */
  readonly logits: FloatBuffer;
  /** One column per row; a negative one: no loss, zero gradient. */
  readonly targets: Int32Array;
  readonly rows: number;
  readonly columns: number;
  /** Factor on the gradients. */
  readonly factor: number;
}
