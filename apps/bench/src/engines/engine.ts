/**
 * What a suite needs from something that runs models. Our own kernels and runtime are behind it, and it is the place for
 * other people's: an engine implements what it can do and leaves the rest out; a suite skips it with a note.
 *
 * Everything that is not measured (preparing, loading, first passes) happens before `run…` is called; a `run…` does the
 * work once and nothing else, and returns only when the work is done.
 */
import type { Checkpoint, LinearWeight, Precision, WaitOptions } from "@stepdown/core";

/** One engine, started. */
export interface Engine extends AsyncDisposable {
  /** Name on the command line and in reports. */
  readonly name: string;
  /** Which code does the arithmetic: "wasm-simd". */
  readonly kernels: string;
  /** Threads in use, main thread included. */
  readonly threads: number;
  /** Sentences about the variant in use. */
  readonly notes: readonly string[];
  /** Takes in one linear layer. */
  prepareLinear?(weight: LinearWeight, options: PrepareLinearOptions): Promise<LinearRunner>;
  /** Loads a model. Throws `UnsupportedError` for a source of the other kind than the engine reads. */
  loadModel?(source: ModelSource, options: LoadModelOptions): Promise<ModelRunner>;
}

/** Where a model comes from: files, or weights made on the fly. */
export type ModelSource = { readonly path: string } | { readonly checkpoint: Checkpoint };

/** Options of {@link Engine.prepareLinear}. */
export interface PrepareLinearOptions extends WaitOptions {
  /** Copies are made until they hold at least so many bytes; each run uses the next one. 0: one copy. */
  readonly copyBytes: number;
}

/** Options of {@link Engine.loadModel}. */
export interface LoadModelOptions extends WaitOptions {
  /** Precisions that will be used. Default: all that the model has. */
  readonly precisions?: readonly Precision[];
}

/** One linear layer, ready to be multiplied with one input vector. */
export interface LinearRunner {
  readonly copies: number;
  /** Multiplies once. */
  run(precision: Precision): void | Promise<void>;
  /** The last product. */
  result(): Promise<Float32Array>;
  free(): void;
}

/** A loaded model. */
export interface ModelRunner extends AsyncDisposable {
  readonly precisions: readonly Precision[];
  /** How the blocks' weights are stored: "codebook", "dense". */
  readonly codec: string;
  readonly vocabularySize: number;
  /** Weight bytes that one token's pass reads at a precision. */
  weightBytes(precision: Precision): number;
  /** Begins a sequence with room for so many positions; the earlier one, if any, is given up. */
  begin(capacity: number): Promise<void>;
  /** Positions filled so far. */
  readonly position: number;
  /** Runs tokens after the present position and stays behind them; returns the last logits. */
  run(tokens: readonly number[], precision: Precision, options?: WaitOptions): Promise<Float32Array>;
  /** Goes back to an earlier position, which costs nothing worth timing. */
  rewind(position: number): void;
}
