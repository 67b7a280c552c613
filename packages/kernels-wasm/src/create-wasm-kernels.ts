import { InvalidArgumentError, InvalidFileError, type KernelSet, UnsupportedError } from "@stepdown/core";
import type { KernelExports } from "./kernel-exports.js";
import type { BinaryCodedArithmetic } from "./linear-input.js";
import { LinearMemory } from "./linear-memory.js";
import { loadModule, type WasmSource, type WasmVariant } from "./load-module.js";
import { WasmKernelSet } from "./wasm-kernel-set.js";

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
  /** Most memory the kernels may take, in bytes. Default: 4 GiB, the most a 32-bit module can address. */
  maximumBytes?: number;
  /** Stops loading; the call then rejects with the signal's reason. Default: runs to its end. */
  signal?: AbortSignal;
}

/** A kernel set on WebAssembly SIMD, one thread. Rejects with `UnsupportedError` where there is no SIMD. */
export async function createWasmKernels(options: WasmKernelOptions = {}): Promise<KernelSet> {
  const { binaryCodedArithmetic = "integer" } = options;
  if (binaryCodedArithmetic !== "integer" && binaryCodedArithmetic !== "float32")
    throw new InvalidArgumentError(
      `binaryCodedArithmetic ${JSON.stringify(binaryCodedArithmetic)} is not integer or float32.`,
    );
  const memory = new LinearMemory(options.maximumBytes);
  const module = await loadModule(options.wasm, options.variant, options.signal);
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
  options.signal?.throwIfAborted();
  const exports = instance.exports as unknown as KernelExports;
  if (typeof exports.heapBase !== "function" || typeof exports.isRelaxed !== "function")
    throw new InvalidFileError(
      "The option wasm holds a WebAssembly module that is not the kernels of this package. Use its kernels.wasm.",
    );
  memory.start(exports.heapBase());
  return new WasmKernelSet(exports, memory, binaryCodedArithmetic);
}
