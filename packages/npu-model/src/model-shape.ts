/**
 * A decoder-only transformer, by its shapes alone: what a cost model has to know of it. Made and checked by
 * `createModelShape`, read from a `config.json` by `modelShapeFromConfig`; no weights, no names of tensors beyond reports.
 */
export interface ModelShape {
  /** For people and reports. */
  readonly name: string;
  /** `model_type` of the configuration: "llama", "phi" … */
  readonly architecture: string;
  /** Decoder blocks, L. */
  readonly blocks: number;
  /** Width of the residual stream, d. */
  readonly hiddenSize: number;
  /** Inner width of the feed-forward part, f. */
  readonly feedForwardSize: number;
  /** Whether the feed-forward part has a gate: 3 matrices instead of 2. */
  readonly gated: boolean;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head, D. */
  readonly headDimension: number;
  /** Rows of embedding and head, V. */
  readonly vocabularySize: number;
  /** Whether the head's weight is the embedding's. It is read at every step all the same. */
  readonly tiedHead: boolean;
  /** Whether the head has a bias. */
  readonly headBias: boolean;
  /** Kind of all norms; layer norms have a bias. */
  readonly norm: "rms" | "layer";
  /** Norms of width d in a block: 2, or 1 where attention and feed-forward part read the same norm. */
  readonly normsPerBlock: 1 | 2;
  /** Whether queries and keys are normalized per head (weights of width D, shared by the heads). */
  readonly queryKeyNorm: boolean;
  /** Most positions the model was made for, or `undefined` where unknown. */
  readonly contextTokens: number | undefined;
  /** Attention over the last `tokens` positions only, in blocks `fromBlock` and later. */
  readonly slidingWindow: { readonly tokens: number; readonly fromBlock: number } | undefined;
  /** The linear layers of one block, in order of use; nested quantization applies to these. */
  readonly linears: readonly BlockLinear[];
}

/** One linear layer of a decoder block, `y = W x`, `W[rows][columns]`. */
export interface BlockLinear {
  /** "self_attn.q_proj" … */
  readonly name: string;
  /** Output features N. */
  readonly rows: number;
  /** Input features K. */
  readonly columns: number;
  readonly bias: boolean;
}
