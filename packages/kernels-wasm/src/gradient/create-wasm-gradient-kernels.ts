import { type GradientKernels, UnsupportedError } from "@stepdown/core";
import { requireWhole } from "../checks.js";
import { LinearMemory } from "../linear-memory.js";
import { loadModule, type WasmSource } from "../load-module.js";
import { reasonAgainstThreads } from "../threads/thread-team.js";
import { type JobExports, JobTeam } from "./job-team.js";
import { WasmGradientKernels } from "./wasm-gradient-kernels.js";

/** Beyond this many, the parts of a product are too few to go round. */
const MAXIMUM_THREADS = 16;

/** Options of {@link createWasmGradientKernels}. */
export interface WasmGradientKernelOptions {
  /** Where the WebAssembly module comes from. Default: the bytes inside this package. */
  wasm?: WasmSource;
  /**
   * Threads, this one included; more than 16 count as 16. Results do not depend on it. Default: one. Where threads cannot
   * be had there is one.
   */
  threads?: number;
  /** Most memory, in bytes. Default: 4 GiB, the most a 32-bit module can address. */
  maximumBytes?: number;
  /** Stops loading; the call then rejects with the signal's reason. Default: runs to its end. */
  signal?: AbortSignal;
}

/**
 * The arithmetic of a backward pass on WebAssembly SIMD, with its own memory and threads. Rejects with `UnsupportedError`
 * where there is no SIMD. Both binaries of this package compute the same bits here, too.
 */
export async function createWasmGradientKernels(options: WasmGradientKernelOptions = {}): Promise<GradientKernels> {
  requireWhole(options.threads ?? 1, 1, "createWasmGradientKernels: threads");
  const isCompiled = options.wasm instanceof WebAssembly.Module;
  const threads =
    isCompiled || reasonAgainstThreads() !== undefined ? 1 : Math.min(options.threads ?? 1, MAXIMUM_THREADS);
  const isShared = threads > 1;
  const memory = new LinearMemory(options.maximumBytes, isShared);
  const module = await loadModule(options.wasm, undefined, isShared, options.signal);
  let exports: JobExports;
  try {
    const instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
    exports = instance.exports as unknown as JobExports;
    if (typeof exports.runGradientJob !== "function") throw new Error("it has no runGradientJob");
  } catch (cause) {
    throw new UnsupportedError(
      `The WebAssembly kernels could not be started: ${(cause as Error).message}. ` +
        "Check that the option wasm names kernels.wasm of this version.",
      { cause },
    );
  }
  options.signal?.throwIfAborted();
  memory.start(exports.heapBase());
  const team = new JobTeam(exports, memory);
  await team.hire(threads, module);
  return new WasmGradientKernels(memory, team);
}
