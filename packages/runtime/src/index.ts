/**
 * The runtime: loads a checkpoint into a kernel set, runs forward passes with a key-value cache, samples, and generates
 * under a scheduler, with precision an argument all the way down. It deliberately knows no scheduler, no kernel and no
 * file format: they are passed in.
 *
 * Read next: `model/forward-pass.ts` for the arithmetic, `generation/generate.ts` for the loop.
 */
export * from "./configuration/architectures.js";
export * from "./configuration/decoder-configuration.js";
export * from "./configuration/read-decoder-configuration.js";
export * from "./generation/generate.js";
export * from "./generation/generate-options.js";
export * from "./generation/generate-text.js";
export * from "./generation/stop-string-filter.js";
export type { DecoderSequenceOptions, ObservableLanguageModel } from "./model/decoder-model.js";
export { type CheckpointDescription, describeCheckpoint } from "./model/describe-checkpoint.js";
export * from "./model/input-observer.js";
export * from "./model/load-language-model.js";
export * from "./sampling/create-sampler.js";
export * from "./sampling/log-probabilities.js";
export * from "./sensitivity/collect-second-moments.js";
export * from "./sensitivity/create-second-moment-sensitivity.js";
export * from "./sensitivity/fingerprint-model.js";
export * from "./sensitivity/gradient/collect-gradient-sensitivity.js";
export * from "./sensitivity/open-cached-sensitivity.js";
export * from "./sensitivity/sensitivity-key.js";
