import { InvalidFileError, type KernelSet, UnsupportedError } from "@stepdown/core";
import type { KernelExports } from "./kernel-exports.js";
import { LinearMemory } from "./linear-memory.js";
import { loadModule, type WasmSource } from "./load-module.js";
import { WasmKernelSet } from "./wasm-kernel-set.js";

/** Options of {@link createWasmKernels}. */
export interface WasmKernelOptions {
  /**
   * Where the WebAssembly module comes from, for those who serve, cache or pre-compile `@stepdown/kernels-wasm/kernels.wasm`.
   * Default: the bytes inside this package.
   */
  wasm?: WasmSource;
  /** Most memory the kernels may take, in bytes. Default: 4 GiB, the most a 32-bit module can address. */
  maximumBytes?: number;
  /** Stops loading; the call then rejects with the signal's reason. Default: runs to its end. */
  signal?: AbortSignal;
}

/** A kernel set on WebAssembly SIMD, one thread. Rejects with `UnsupportedError` where there is no SIMD. */
export async function createWasmKernels(options: WasmKernelOptions = {}): Promise<KernelSet> {
  const memory = new LinearMemory(options.maximumBytes);
  const module = await loadModule(options.wasm, options.signal);
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
  if (typeof exports.heapBase !== "function" || typeof exports.attend !== "function")
    throw new InvalidFileError(
      "The option wasm holds a WebAssembly module that is not the kernels of this package. Use its kernels.wasm.",
    );
  memory.start(exports.heapBase());
  return new WasmKernelSet(exports, memory);
}
