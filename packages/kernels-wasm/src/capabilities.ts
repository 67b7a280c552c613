import { type CacheType, type KernelCapabilities, MAXIMUM_NESTED_PRECISION, type Precision } from "@stepdown/core";
import type { BinaryCodedArithmetic } from "./linear-input.js";

/** Most tokens of one call: prefill gains nothing from more, and scratch memory grows with it. */
export const MAXIMUM_TOKENS = 512;
/** Number formats of caches. */
export const CACHE_TYPES: readonly CacheType[] = ["f32", "f16", "i8"];

const nested: readonly Precision[] = Array.from({ length: MAXIMUM_NESTED_PRECISION }, (_, index) => index + 1);

/** How a set was made; `whyOne` is the reason for a single thread. */
interface Made {
  readonly isRelaxed: boolean;
  readonly arithmetic: BinaryCodedArithmetic;
  readonly threads: number;
  readonly whyOne: string | undefined;
  readonly maximumBytes: number;
}

/** What a set does that was made with these options. */
export function describeCapabilities({
  isRelaxed,
  arithmetic,
  threads,
  whyOne,
  maximumBytes,
}: Made): KernelCapabilities {
  return {
    codecs: { dense: [16, 32], codebook: nested, uniform: nested, bcq: nested },
    cacheTypes: CACHE_TYPES,
    threads,
    maximumTokens: MAXIMUM_TOKENS,
    maximumBytes,
    notes: [
      isRelaxed
        ? "128-bit WebAssembly SIMD with relaxed shuffles."
        : "128-bit WebAssembly SIMD; the binary with relaxed shuffles was not asked for, or this runtime does not know them.",
      threads === 1
        ? `One thread: ${whyOne}.`
        : `${threads} threads share products with weights and attention; the rest runs on one.`,
      "No fused multiply-add: every runtime and both binaries compute the same bits.",
      arithmetic === "integer"
        ? "Binary-coded weights are multiplied in whole numbers. Few tokens or planes go through tables of 8 bits over the " +
          "activations: time falls with the precision, results differ from float32 sums by about 0.7 %. Groups that are " +
          "no multiples of 4 columns, and activations outside 1e-18 to 1e30, take float32 sums."
        : "Binary-coded weights are multiplied in float32, as asked for; whole numbers would be many times faster.",
    ],
  };
}
