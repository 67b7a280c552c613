import type { ModelShape } from "./model-shape.js";

/** How many numbers a model consists of, part by part. All exact. */
export interface ParameterCounts {
  /** All; a tied head counted once. */
  readonly parameters: number;
  readonly embeddingParameters: number;
  /** Head with its bias; 0 where it is the embedding. */
  readonly headParameters: number;
  /** Weights of the linear layers in the blocks: what nested quantization applies to. W of the papers' formulas. */
  readonly nestedLinearWeights: number;
  readonly blockLinearBiases: number;
  readonly normParameters: number;
  /** Linear layers in the blocks. */
  readonly nestedMatrices: number;
  /** What each further bit costs, tables and scales not included. */
  readonly bytesOfOneBitPlane: number;
  /** 2 · L · key/value heads · D. */
  readonly keyValueCacheValuesPerToken: number;
}

/** Counts a model's numbers from its shape. */
export function countParameters(model: ModelShape): ParameterCounts {
  const sum = (part: (linear: ModelShape["linears"][number]) => number): number =>
    model.blocks * model.linears.reduce((total, linear) => total + part(linear), 0);
  const nestedLinearWeights = sum((linear) => linear.rows * linear.columns);
  const blockLinearBiases = sum((linear) => (linear.bias ? linear.rows : 0));
  const embeddingParameters = model.vocabularySize * model.hiddenSize;
  const headParameters = model.tiedHead ? 0 : embeddingParameters + (model.headBias ? model.vocabularySize : 0);
  const perWidth = model.norm === "layer" ? 2 : 1;
  const normParameters =
    (model.blocks * model.normsPerBlock + 1) * perWidth * model.hiddenSize +
    (model.queryKeyNorm ? model.blocks * 2 * model.headDimension : 0);
  return {
    parameters: embeddingParameters + headParameters + nestedLinearWeights + blockLinearBiases + normParameters,
    embeddingParameters,
    headParameters,
    nestedLinearWeights,
    blockLinearBiases,
    normParameters,
    nestedMatrices: model.blocks * model.linears.length,
    bytesOfOneBitPlane: nestedLinearWeights / 8,
    keyValueCacheValuesPerToken: 2 * model.blocks * model.keyValueHeads * model.headDimension,
  };
}
