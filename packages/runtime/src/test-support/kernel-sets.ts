import type { KernelSet } from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { createWasmKernels } from "@stepdown/kernels-wasm";

/** Kernel sets that tests of whole models run on. */
export const kernelSets: readonly { label: string; create: () => Promise<KernelSet> }[] = [
  { label: "reference", create: async () => createReferenceKernels() },
  { label: "WebAssembly", create: () => createWasmKernels() },
];
