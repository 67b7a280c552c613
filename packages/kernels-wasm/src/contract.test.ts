import { createReferenceKernels } from "@stepdown/kernels";
import { describeKernelSet } from "@stepdown/testing";
import { describe, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";

describeKernelSet("wasm-simd", () => createWasmKernels(), createReferenceKernels, { describe, it });
