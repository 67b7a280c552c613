/**
 * Turns a float checkpoint into a nested any-precision model: seed clusters per row, then one bit at a time, resumable and
 * deterministic to the bit. It ignores how sensitivities are found and how models are run; files are left to
 * `@stepdown/model-format`. Read next: `pipeline/quantize-checkpoint.ts` for the way through, `codebook/quantize-rows.ts`
 * for the algorithm.
 */
export type { PackedRows } from "./codebook/pack-rows.js";
export { type ClusteredRows, quantizeRows, type RowRange, type RowSettings } from "./codebook/quantize-rows.js";
export {
  type CodebookOptions,
  type QuantizationMode,
  type QuantizeLinearOptions,
  quantizeLinear,
} from "./linear/quantize-linear.js";
export { type QuantizeUniformOptions, quantizeUniform } from "./linear/quantize-uniform.js";
export { ARCHITECTURES, type BlockLayers, linearLayerNames } from "./pipeline/architectures.js";
export type { PrecisionReport, QuantizationReport } from "./pipeline/quantization-report.js";
export { type QuantizeCheckpointOptions, quantizeCheckpoint } from "./pipeline/quantize-checkpoint.js";
export { createRowPool, type RowPoolOptions } from "./pool/create-row-pool.js";
export type { RowPool } from "./pool/row-pool.js";
export { type SquaredErrorInput, weightedSquaredError } from "./weighted-squared-error.js";
