/**
 * Contract suites and mocks: call one function in your own test file and your scheduler or kernel set is held to the
 * contract. The suites know no test framework and no implementation; both are handed in.
 *
 * Read next: `describe-scheduler.ts` and `describe-kernel-set.ts` for what is checked, `mocks/` for a model without weights.
 */

export * from "./describe-kernel-set.js";
export * from "./describe-scheduler.js";
export type { KernelSetFeature } from "./kernel-set/scratch.js";
export * from "./mocks/mock-answers.js";
export * from "./mocks/mock-language-model.js";
export * from "./mocks/mock-tokenizer.js";
export * from "./random-linear-weight.js";
export * from "./test-runner.js";
