import { describeKernelSet } from "@stepdown/testing";
import { describe, it } from "vitest";
import { createReferenceKernels } from "./reference-kernels.js";

// Against itself: shapes, refusals, ownership, reuse and determinism. Values are worked out by hand in the other tests.
describeKernelSet("reference", async () => createReferenceKernels(), createReferenceKernels, { describe, it });
