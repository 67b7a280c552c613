import { type KernelCapabilities, MAXIMUM_NESTED_PRECISION, type Precision } from "@stepdown/core";

/** Most tokens of one call: prefill gains nothing from more, and scratch memory grows with it. */
export const MAXIMUM_TOKENS = 512;

const nested: readonly Precision[] = Array.from({ length: MAXIMUM_NESTED_PRECISION }, (_, index) => index + 1);

/** What this variant does. */
export const capabilities: KernelCapabilities = {
  codecs: { dense: [16, 32], codebook: nested, uniform: nested, bcq: nested },
  cacheTypes: ["f32", "f16"],
  threads: 1,
  maximumTokens: MAXIMUM_TOKENS,
  notes: [
    "128-bit WebAssembly SIMD with float32 sums; the only binary so far, chosen after a probe.",
    "One thread: this version has no worker pool.",
    "No relaxed SIMD (fused multiply-add, unchecked shuffles): every runtime computes the same bits.",
    "Binary-coded weights are widened to float32 row by row, which is correct but slower than codebook weights.",
  ],
};
