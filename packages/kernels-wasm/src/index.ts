/**
 * WebAssembly kernels: the `KernelSet` contract with 128-bit SIMD on one thread, in Node and in browsers. They ignore
 * architectures and files, and leave threads to a later version.
 *
 * Read next: `wasm-kernel-set.ts` for the calls, `../assembly/paired-dot.ts` for how planes become products.
 */
export * from "./create-wasm-kernels.js";
export * from "./gradient/create-wasm-gradient-kernels.js";
export type { BinaryCodedArithmetic } from "./linear-input.js";
export type { WasmSource, WasmVariant } from "./load-module.js";
