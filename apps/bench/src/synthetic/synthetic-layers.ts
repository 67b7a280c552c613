/**
 * Which tensors a Llama of a given configuration has, with Hugging Face names. Other architectures differ in biases and
 * norms that cost next to nothing, so a custom shape has to be a Llama's.
 */
import { InvalidArgumentError } from "@stepdown/core";
import { readDecoderConfiguration } from "@stepdown/runtime";
import type { ModelConfig } from "./model-shapes.js";

/** One matrix; `inBlock` tells the decoder blocks' layers from embedding and head. */
export interface LayerShape {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly inBlock: boolean;
}

/** All weights of a synthetic model. */
export interface ModelLayers {
  readonly linears: readonly LayerShape[];
  /** Norms, `[length]`. */
  readonly vectors: readonly { readonly name: string; readonly length: number }[];
}

/** The architecture whose tensors are listed here. */
const ARCHITECTURE = "LlamaForCausalLM";

/** Checks a configuration and lists its weights in loading order. */
export function layersOf(config: ModelConfig, where: string): ModelLayers {
  const c = readDecoderConfiguration(config, where);
  const { query, attention, mlp } = {
    query: c.heads * c.headDimension,
    attention: c.biases.queryKeyValue || c.biases.attentionOutput,
    mlp: c.biases.mlp,
  };
  if (c.architecture !== ARCHITECTURE || attention || mlp) {
    throw new InvalidArgumentError(
      `${where}: synthetic weights can be made for ${ARCHITECTURE} without biases, not for ${c.architecture}${attention || mlp ? " with biases" : ""}. Use --model with a real checkpoint.`,
    );
  }
  const keyValue = c.keyValueHeads * c.headDimension;
  const { hiddenSize: hidden, intermediateSize: intermediate } = c;
  const block = (index: number): LayerShape[] => {
    const layer = (name: string, rows: number, columns: number): LayerShape => {
      return { name: `model.layers.${index}.${name}`, rows, columns, inBlock: true };
    };
    return [
      layer("self_attn.q_proj", query, hidden),
      layer("self_attn.k_proj", keyValue, hidden),
      layer("self_attn.v_proj", keyValue, hidden),
      layer("self_attn.o_proj", hidden, query),
      layer("mlp.gate_proj", intermediate, hidden),
      layer("mlp.up_proj", intermediate, hidden),
      layer("mlp.down_proj", hidden, intermediate),
    ];
  };
  const outer = (name: string): LayerShape => ({ name, rows: c.vocabularySize, columns: hidden, inBlock: false });
  const blocks = Array.from({ length: c.blocks }, (_, index) => index);
  const norm = (name: string) => ({ name: `${name}.weight`, length: hidden });
  return {
    linears: [outer("model.embed_tokens"), ...blocks.flatMap(block), ...(c.tiedHead ? [] : [outer("lm_head")])],
    vectors: [
      ...blocks.flatMap((index) => [
        norm(`model.layers.${index}.input_layernorm`),
        norm(`model.layers.${index}.post_attention_layernorm`),
      ]),
      norm("model.norm"),
    ],
  };
}

/** The different shapes among the blocks' layers, in the order of the forward pass. */
export function distinctShapes(layers: ModelLayers): LayerShape[] {
  const seen = new Map<string, LayerShape>();
  for (const layer of layers.linears.filter(({ inBlock }) => inBlock)) {
    const key = `${layer.rows}x${layer.columns}`;
    if (!seen.has(key)) seen.set(key, layer);
  }
  return [...seen.values()];
}
