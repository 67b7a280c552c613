import type { ModelShape } from "./model-shape.js";
import type { OperatorWork } from "./operator-work.js";
import { NO_TRAFFIC } from "./traffic.js";

/** A norm reads its vector twice: once for the statistics, once for the output. */
const NORM_PASSES = 2;
/** Residual additions of a block, each over the width of the stream. */
const RESIDUALS = 2;
/** Bytes of a norm weight: half precision. */
const VECTOR_BYTES = 2;

/**
 * Element-wise work of one block, softmax excepted: norms, rotation of queries and keys, activation function (and the
 * gate's product), residual additions. Elements count once per pass; traffic is the norms' weights.
 */
export function blockSpecialWork(
  model: ModelShape,
  blocks: number,
  tokens: number,
  charges: { readonly vectors: boolean; readonly specialFunctions: boolean },
): OperatorWork {
  const width = model.hiddenSize;
  const rotated = (model.heads + model.keyValueHeads) * model.headDimension;
  const perToken =
    NORM_PASSES * (model.normsPerBlock * width + (model.queryKeyNorm ? rotated : 0)) +
    rotated +
    (model.gated ? 2 : 1) * model.feedForwardSize +
    RESIDUALS * width;
  const weights = model.normsPerBlock * normWidth(model) * width + (model.queryKeyNorm ? 2 * model.headDimension : 0);
  return special("norms and element-wise", blocks, tokens, perToken, weights, charges);
}

/** The norm before the head, for the tokens whose logits are wanted. */
export function finalNormWork(
  model: ModelShape,
  tokens: number,
  charges: { readonly vectors: boolean; readonly specialFunctions: boolean },
): OperatorWork {
  return special("final norm", 1, tokens, NORM_PASSES * model.hiddenSize, normWidth(model) * model.hiddenSize, charges);
}

/** Rows of the embedding, one per token, half precision. */
export function embeddingWork(model: ModelShape, tokens: number, vectors: boolean): OperatorWork {
  const row = model.hiddenSize * VECTOR_BYTES;
  const work = special("embedding", 1, tokens, 0, 0, { vectors, specialFunctions: false });
  return { ...work, kind: "embedding", traffic: { ...NO_TRAFFIC, vectors: vectors ? tokens * row : 0 } };
}

function normWidth(model: ModelShape): number {
  return model.norm === "layer" ? 2 : 1;
}

function special(
  name: string,
  blocks: number,
  tokens: number,
  elementsPerToken: number,
  weights: number,
  charges: { readonly vectors: boolean; readonly specialFunctions: boolean },
): OperatorWork {
  return {
    name,
    kind: "special-functions",
    blocks,
    bits: undefined,
    traffic: { ...NO_TRAFFIC, vectors: charges.vectors ? weights * VECTOR_BYTES : 0 },
    macs: 0,
    products: [],
    planeWeights: 0,
    specialElements: charges.specialFunctions ? tokens * elementsPerToken : 0,
    exposedSpecialElements: 0,
    loopOrder: undefined,
  };
}
