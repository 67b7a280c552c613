/**
 * Reference kernels: every operation of the `KernelSet` contract in plain TypeScript, one loop per formula. They ignore
 * speed, threads and hardware; what they compute is the definition that fast kernel sets are tested against.
 *
 * Read next: `dequantize-row.ts` for what a nested weight means, `reference-kernels.ts` for the checks around each call.
 */
export * from "./available-precisions.js";
export * from "./bfloat16.js";
export * from "./check-linear-weight.js";
export * from "./dequantize-linear.js";
export * from "./float16.js";
export * from "./reference-kernels.js";
