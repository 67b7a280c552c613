/**
 * The WebAssembly module of this package: loops over raw pointers into one imported linear memory. It allocates nothing,
 * checks nothing and keeps no state; the TypeScript side owns the memory map and has checked every argument.
 *
 * Conventions: pointers and strides are bytes; `columns` is already padded (64 for nested weights, 16 for dense ones),
 * and activations are zero beyond the real columns. Only `team.ts` knows of threads. Compiled with relaxed SIMD, byte shuffles skip a check;
 * nothing else changes, so that both binaries compute the same bits.
 */
export { attend, mergeAttention } from "./attention";
export { readHead, storeHead } from "./cache";
export { dequantizeBinaryCoded } from "./binary-coded";
export { dequantizeCodebook, dotCodebook } from "./codebook";
export { dequantizeDense, dotDense16, dotDense32, hasNonFiniteHalf } from "./dense";
export { add, siluMultiply, softmaxRows } from "./elementwise";
export { multiplyTile } from "./multiply";
export { layerNormalize, rmsNormalize } from "./normalize";
export { packNibbles, transposePlane } from "./pack";
export { dotPaired } from "./paired-dot";
export { dotPairedTokens, multiplyPaired, roundActivations } from "./paired-multiply";
export { dequantizePaired, packPaired, packPairedCodes } from "./paired-pack";
export { buildTables } from "./paired-tables";
export { rotate } from "./rotate";
export { serveParts, shareParts } from "./team";
export { dequantizeBytes, dotBytes, packBytes } from "./uniform-bytes";
export { dequantizeUniform, dotUniform, splitActivations } from "./uniform";

/** Whether this binary uses relaxed SIMD. */
export function isRelaxed(): bool {
  return ASC_FEATURE_RELAXED_SIMD;
}

/** First byte that no static data of the module occupies. */
export function heapBase(): usize {
  return __heap_base;
}
