/**
 * Turns a float checkpoint into a nested any-precision model: clusters per row or binary codes per group, resumable and
 * deterministic to the bit. It ignores how sensitivities are found and how models are run; files are left to
 * `@stepdown/model-format`. Read next: `pipeline/quantize-checkpoint.ts` for the way through, `codebook/quantize-rows.ts`,
 * `binary/quantize-binary-rows.ts` and `feedback/quantize-feedback-rows.ts` for the algorithms.
 */
export {
  type BinaryRowRange,
  type BinarySettings,
  type PackedBinaryRows,
  type PackedBinaryScales,
  quantizeBinaryRows,
} from "./binary/quantize-binary-rows.js";
export type { PackedRows } from "./codebook/pack-rows.js";
export { type ClusteredRows, quantizeRows, type RowRange, type RowSettings } from "./codebook/quantize-rows.js";
export type { Effort, EffortOptions } from "./feedback/resolve-effort.js";
export {
  type BinaryCodedOptions,
  type QuantizeBinaryCodedOptions,
  quantizeBinaryCoded,
} from "./linear/quantize-binary-coded.js";
export {
  type CodebookOptions,
  type QuantizationMode,
  type QuantizeLinearOptions,
  quantizeLinear,
} from "./linear/quantize-linear.js";
export type { LayerOptions } from "./linear/quantize-ranges.js";
export { type QuantizeUniformOptions, quantizeUniform } from "./linear/quantize-uniform.js";
export { ARCHITECTURES, type BlockLayers, linearLayerNames } from "./pipeline/architectures.js";
export type { PrecisionReport, QuantizationReport } from "./pipeline/quantization-report.js";
export { type QuantizeCheckpointOptions, quantizeCheckpoint } from "./pipeline/quantize-checkpoint.js";
export { createRowPool, type RowPoolOptions } from "./pool/create-row-pool.js";
export type { RowPool } from "./pool/row-pool.js";
export type { RowCodec, RowWork } from "./pool/row-work.js";
export { type SquaredErrorInput, weightedSquaredError } from "./weighted-squared-error.js";
