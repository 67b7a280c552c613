/**
 * Contracts of Stepdown: what the parts of the house say to each other. Types, error classes and a few guards; nothing
 * here computes and nothing here depends on another package.
 *
 * Read next: `language-model.ts` for the model's side of a generation, `scheduler.ts` for the precision's side.
 */
export * from "./checkpoint.js";
export * from "./errors/checksum-mismatch-error.js";
export * from "./errors/context-exceeded-error.js";
export * from "./errors/invalid-argument-error.js";
export * from "./errors/invalid-file-error.js";
export * from "./errors/invalid-schedule-error.js";
export * from "./errors/missing-file-error.js";
export * from "./errors/out-of-memory-error.js";
export * from "./errors/output-failed-error.js";
export * from "./errors/precision-unavailable-error.js";
export * from "./errors/stepdown-error.js";
export * from "./errors/unsupported-error.js";
export * from "./generation.js";
export * from "./gradient-kernels.js";
export * from "./kernel-set.js";
export * from "./language-model.js";
export * from "./linear-weight.js";
export * from "./precision.js";
export * from "./progress.js";
export * from "./scheduler.js";
export * from "./sensitivity.js";
export * from "./tokenizer.js";
