import { type GradientKernels, UnsupportedError } from "@stepdown/core";
import { requireWhole } from "../checks.js";
import { gradientSimd } from "../generated/gradient-simd.js";
import { LinearMemory } from "../linear-memory.js";
import { loadModule } from "../load-module.js";
import { reasonAgainstThreads } from "../threads/start-worker.js";
import { type JobExports, JobTeam } from "./job-team.js";
import { WasmGradientKernels } from "./wasm-gradient-kernels.js";

/** Beyond this many, the parts of a product are too few to go round. */
const MAXIMUM_THREADS = 16;

/** Options of {@link createWasmGradientKernels}. */
export interface WasmGradientKernelOptions {
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
 * where there is no SIMD. Its binary uses no relaxed SIMD:
 * every runtime computes the same bits.
 */
export async function createWasmGradientKernels(options: WasmGradientKernelOptions = {}): Promise<GradientKernels> {
  requireWhole(options.threads ?? 1, 1, "createWasmGradientKernels: threads");
  const threads = reasonAgainstThreads() === undefined ? Math.min(options.threads ?? 1, MAXIMUM_THREADS) : 1;
  const isShared = threads > 1;
  const memory = new LinearMemory(options.maximumBytes, isShared);
  const bytes = Uint8Array.from(atob(gradientSimd), (character) => character.charCodeAt(0));
  const module = await loadModule(bytes, undefined, isShared, options.signal);
  let exports: JobExports;
  try {
    const instance = await WebAssembly.instantiate(module, { env: { memory: memory.memory } });
    exports = instance.exports as unknown as JobExports;
  } catch (cause) {
    throw new UnsupportedError(`The kernels of the backward pass could not be started: ${(cause as Error).message}.`, {
      cause,
    });
  }
  options.signal?.throwIfAborted();
  memory.start(exports.heapBase());
  const team = new JobTeam(exports, memory);
  await team.hire(threads, module);
  return new WasmGradientKernels(memory, team);
}
