import { InvalidArgumentError, InvalidFileError, type KernelSet, UnsupportedError } from "@stepdown/core";
import { requireWhole } from "./checks.js";
import type { KernelExports } from "./kernel-exports.js";
import type { BinaryCodedArithmetic } from "./linear-input.js";
import { LinearMemory } from "./linear-memory.js";
import { loadModule, type WasmSource, type WasmVariant } from "./load-module.js";
import { countProcessors, reasonAgainstThreads } from "./threads/start-worker.js";
import { ThreadTeam } from "./threads/thread-team.js";
import { WasmKernelSet } from "./wasm-kernel-set.js";

/** Beyond this many, the parts of a product become too short to be worth telling anyone about. */
const MAXIMUM_THREADS = 16;

/** Most threads that are used unasked. */
const LARGEST_DEFAULT = 4;

/** Options of {@link createWasmKernels}. */
export interface WasmKernelOptions {
  /**
   * Where the WebAssembly module comes from, for those who serve, cache or pre-compile `@stepdown/kernels-wasm/kernels.wasm`.
   * Default: the bytes inside this package.
   */
  wasm?: WasmSource;
  /**
   * Which of the two binaries inside this package is used. `relaxed-simd` saves an operation per look-up and computes the
   * same bits; Node knows it from version 22 on. Default: `relaxed-simd` where the runtime validates it.
   */
  variant?: WasmVariant;
  /**
   * How binary-coded weights are multiplied. `integer`: few tokens or planes by look-ups in 8-bit tables over the
   * activations, in a time that falls with the precision; rounding makes results differ by about 0.7 % of their size
   * (root mean square), as 8-bit activations would. More tokens with 15-bit activations, which differ by 0.02 %.
   * `float32`: in float32 like everything else, many times slower.
   * Default: `integer`.
   */
  binaryCodedArithmetic?: BinaryCodedArithmetic;
  /**
   * Threads that products with weights and attention are divided among, this one included; the results are the same bits.
   * Workers spin while a token is computed and sleep between tokens; where other programs keep the cores busy, this thread
   * soon works alone. Where threads are not to be had, or `wasm` is a compiled module, there is one, and
   * `capabilities.notes` says why. Default: half of the processors, at least 2 (where there are so many), at most 4.
   */
  threads?: number;
  /** Most memory the kernels may take, in bytes. Default: 4 GiB, the most a 32-bit module can address. */
  maximumBytes?: number;
  /** Stops loading; the call then rejects with the signal's reason. Default: runs to its end. */
  signal?: AbortSignal;
}

/** A kernel set on WebAssembly SIMD. Rejects with `UnsupportedError` where there is no SIMD. */
export async function createWasmKernels(options: WasmKernelOptions = {}): Promise<KernelSet> {
  const { binaryCodedArithmetic = "integer" } = options;
  if (binaryCodedArithmetic !== "integer" && binaryCodedArithmetic !== "float32")
    throw new InvalidArgumentError(
      `binaryCodedArithmetic ${JSON.stringify(binaryCodedArithmetic)} is not integer or float32.`,
    );
  const { threads = defaultThreads() } = options;
  requireWhole(threads, 1, "createWasmKernels: threads");
  if (threads > MAXIMUM_THREADS)
    throw new InvalidArgumentError(
      `createWasmKernels: ${threads} threads were asked for, the most is ${MAXIMUM_THREADS}.`,
    );
  let whyOne =
    threads === 1
      ? options.threads === 1
        ? "no more were asked for"
        : "there is one processor"
      : reasonAgainstThreads();
  if (options.wasm instanceof WebAssembly.Module) whyOne ??= "a compiled module cannot be made to share its memory";
  const isShared = whyOne === undefined;
  const memory = new LinearMemory(options.maximumBytes, isShared);
  const module = await loadModule(options.wasm, options.variant, isShared, options.signal);
  const exports = await start(module, memory);
  options.signal?.throwIfAborted();
  memory.start(exports.heapBase());
  const team = new ThreadTeam(exports);
  if (isShared)
    try {
      await team.hire(threads, module, memory);
    } catch (cause) {
      whyOne = `a worker did not start: ${(cause as Error).message}`;
    }
  const kernels = new WasmKernelSet(exports, memory, team, { arithmetic: binaryCodedArithmetic, whyOne });
  if (options.signal?.aborted) {
    await kernels[Symbol.asyncDispose]();
    throw options.signal.reason;
  }
  return kernels;
}

/** Processors may be two to a core, and memory bandwidth is used up by a few threads. */
function defaultThreads(): number {
  const processors = countProcessors();
  return Math.min(LARGEST_DEFAULT, Math.max(Math.min(2, processors), Math.ceil(processors / 2)));
}

async function start(module: WebAssembly.Module, memory: LinearMemory): Promise<KernelExports> {
  let instance: WebAssembly.Instance;
  try {
    instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
  } catch (cause) {
    throw new UnsupportedError(
      `The WebAssembly kernels could not be started: ${(cause as Error).message}. ` +
        "Check that the option wasm names kernels.wasm of this version.",
      { cause },
    );
  }
  const exports = instance.exports as unknown as KernelExports;
  if (typeof exports.heapBase !== "function" || typeof exports.isRelaxed !== "function")
    throw new InvalidFileError(
      "The option wasm holds a WebAssembly module that is not the kernels of this package. Use its kernels.wasm.",
    );
  return exports;
}
