import { checkInteger, MAXIMUM_BLOCKS, MAXIMUM_DIMENSION, refuse } from "./checks.js";
import type { BlockLinear, ModelShape } from "./model-shape.js";

/** What {@link createModelShape} takes. */
export interface ModelShapeSettings {
  readonly name: string;
  /** Default "llama". */
  readonly architecture?: string;
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly heads: number;
  /** Default: `heads`. */
  readonly keyValueHeads?: number;
  /** Default: `hiddenSize / heads`, which must then be an integer. */
  readonly headDimension?: number;
  readonly vocabularySize: number;
  /** Default `false`. */
  readonly tiedHead?: boolean;
  /** Default `true`. */
  readonly gated?: boolean;
  /** Biases of queries, keys and values. Default `false`. */
  readonly queryKeyValueBias?: boolean;
  /** Bias of attention's output projection. Default `false`. */
  readonly outputBias?: boolean;
  /** Biases of the feed-forward part. Default `false`. */
  readonly feedForwardBias?: boolean;
  /** Default `false`. */
  readonly headBias?: boolean;
  /** Default "rms". */
  readonly norm?: "rms" | "layer";
  /** Default 2. */
  readonly normsPerBlock?: 1 | 2;
  /** Default `false`. */
  readonly queryKeyNorm?: boolean;
  readonly contextTokens?: number;
  readonly slidingWindow?: { readonly tokens: number; readonly fromBlock: number };
}

/** A model's shape from its sizes. Throws `InvalidArgumentError` for sizes that no model can have. */
export function createModelShape(settings: ModelShapeSettings): ModelShape {
  const size = (key: keyof ModelShapeSettings, value: unknown, maximum: number = MAXIMUM_DIMENSION): number =>
    checkInteger(`model.${key}`, value, 1, maximum);
  const hiddenSize = size("hiddenSize", settings.hiddenSize);
  const feedForwardSize = size("feedForwardSize", settings.feedForwardSize);
  const heads = size("heads", settings.heads, 2 ** 16);
  const keyValueHeads = size("keyValueHeads", settings.keyValueHeads ?? heads, 2 ** 16);
  if (heads % keyValueHeads !== 0)
    refuse("model.keyValueHeads", keyValueHeads, `a divisor of heads, which is ${heads}`);
  if (settings.headDimension === undefined && hiddenSize % heads !== 0)
    refuse("model.heads", heads, `a divisor of hiddenSize, which is ${hiddenSize}, or give headDimension`);
  const headDimension = size("headDimension", settings.headDimension ?? hiddenSize / heads);
  const blocks = size("blocks", settings.blocks, MAXIMUM_BLOCKS);
  const contextTokens =
    settings.contextTokens === undefined ? undefined : size("contextTokens", settings.contextTokens, 2 ** 31);
  const window = settings.slidingWindow;
  if (window !== undefined) {
    checkInteger("model.slidingWindow.tokens", window.tokens, 1, 2 ** 31);
    checkInteger("model.slidingWindow.fromBlock", window.fromBlock, 0, MAXIMUM_BLOCKS);
  }
  const gated = settings.gated ?? true;
  return {
    name: settings.name,
    architecture: settings.architecture ?? "llama",
    blocks,
    hiddenSize,
    feedForwardSize,
    gated,
    heads,
    keyValueHeads,
    headDimension,
    vocabularySize: size("vocabularySize", settings.vocabularySize),
    tiedHead: settings.tiedHead ?? false,
    headBias: settings.headBias ?? false,
    norm: settings.norm ?? "rms",
    normsPerBlock: settings.normsPerBlock ?? 2,
    queryKeyNorm: settings.queryKeyNorm ?? false,
    contextTokens,
    slidingWindow: window,
    linears: [
      ...attentionLinears(settings, hiddenSize, heads * headDimension, keyValueHeads * headDimension),
      ...feedForwardLinears(settings, hiddenSize, feedForwardSize, gated),
    ],
  };
}

function attentionLinears(settings: ModelShapeSettings, hidden: number, queries: number, keys: number): BlockLinear[] {
  const bias = settings.queryKeyValueBias ?? false;
  const output = settings.architecture === "phi" ? "dense" : "o_proj";
  return [
    { name: "self_attn.q_proj", rows: queries, columns: hidden, bias },
    { name: "self_attn.k_proj", rows: keys, columns: hidden, bias },
    { name: "self_attn.v_proj", rows: keys, columns: hidden, bias },
    { name: `self_attn.${output}`, rows: hidden, columns: queries, bias: settings.outputBias ?? false },
  ];
}

function feedForwardLinears(
  settings: ModelShapeSettings,
  hidden: number,
  inner: number,
  gated: boolean,
): BlockLinear[] {
  const bias = settings.feedForwardBias ?? false;
  return gated
    ? [
        { name: "mlp.gate_proj", rows: inner, columns: hidden, bias },
        { name: "mlp.up_proj", rows: inner, columns: hidden, bias },
        { name: "mlp.down_proj", rows: hidden, columns: inner, bias },
      ]
    : [
        { name: "mlp.fc1", rows: inner, columns: hidden, bias },
        { name: "mlp.fc2", rows: hidden, columns: inner, bias },
      ];
}
