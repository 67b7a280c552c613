/**
 * What a precision schedule costs on described hardware: time, bytes, multiply-accumulates and energy, per operator and
 * per step, from shapes alone. It runs no model, draws no chart and reads no file; weights, kernels and schedulers are
 * unknown to it. Read next: `price-generation.ts` for the whole, `forward-work.ts` and `operator-cost.ts` for the
 * equations, docs/npu-model.md for their sources.
 */
export * from "./codec-traffic.js";
export * from "./cost-profile.js";
export * from "./create-hardware.js";
export * from "./create-model-shape.js";
export * from "./design-space.js";
export * from "./explain.js";
export {
  type DecodeMeasurement,
  type DecodeStepDescription,
  MEASURED_PROFILE,
} from "./fit/decode-measurement.js";
export * from "./fit/fit-hardware.js";
export * from "./flightllm-comparison.js";
export type { CostRequest, ForwardRequest } from "./forward-request.js";
export * from "./hardware-description.js";
export * from "./hardware-presets.js";
export * from "./machine-balance.js";
export * from "./model-shape.js";
export * from "./model-shape-from-config.js";
export * from "./model-shapes.js";
export type { Limit, OperatorCost } from "./operator-cost.js";
export type { LoopOrder, MatrixProduct, OperatorKind, OperatorWork } from "./operator-work.js";
export * from "./paper-figure.js";
export * from "./parameter-counts.js";
export { type Energy, type ForwardCost, priceForward } from "./price-forward.js";
export * from "./price-generation.js";
export * from "./published-results.js";
export * from "./roofline.js";
export * from "./speculation.js";
export * from "./traces.js";
export { type Traffic, totalBytes } from "./traffic.js";
