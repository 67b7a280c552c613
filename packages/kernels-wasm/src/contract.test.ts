import { createReferenceKernels } from "@stepdown/kernels";
import { describeKernelSet } from "@stepdown/testing";
import { describe, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";

/**
 * Tables of 8 bits round every sum of four activations to 1/127 of the largest of its part. Over the suite's shapes and
 * activations products stay within 0.8 % of `largest |weight| · Σ |input|`. That is wide enough to hide single wrong bits,
 * which `paired.test.ts` looks for with activations whose tables are exact.
 */
const TABLE_TOLERANCE_FACTOR = 2000;

const exact = { binaryCodedArithmetic: "float32", threads: 1 } as const;
describeKernelSet("wasm-simd in float32", () => createWasmKernels(exact), createReferenceKernels, { describe, it });
describeKernelSet(
  "wasm-simd in whole numbers",
  () => createWasmKernels({ threads: 1 }),
  createReferenceKernels,
  { describe, it },
  { toleranceFactor: TABLE_TOLERANCE_FACTOR },
);
describeKernelSet(
  "wasm-simd on two threads",
  () => createWasmKernels({ threads: 2, binaryCodedArithmetic: "float32" }),
  createReferenceKernels,
  { describe, it },
);
