/**
 * WebAssembly kernels: the `KernelSet` contract with 128-bit SIMD on one thread, in Node and in browsers. They ignore
 * architectures and files, and leave threads, relaxed SIMD and look-up tables over activations to later variants.
 *
 * Read next: `wasm-kernel-set.ts` for the calls, `../assembly/codebook.ts` for how planes become weights.
 */
export * from "./create-wasm-kernels.js";
export type { WasmSource } from "./load-module.js";
