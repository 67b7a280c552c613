/**
 * Names and shapes of all tensors that a configuration implies, in Hugging Face names. It is what a checkpoint is checked
 * against before anything is read, and what parameters are counted from.
 */
import type { DecoderConfiguration } from "../configuration/decoder-configuration.js";

/** One linear layer: `{name}.weight` `[rows][columns]`, `{name}.bias` `[rows]`. */
export interface LinearLayout {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly bias: boolean;
}

/** One norm: `{name}.weight` `[length]`, `{name}.bias` `[length]`. */
export interface NormLayout {
  readonly name: string;
  readonly length: number;
  readonly bias: boolean;
}

/** One decoder block; what is absent, the architecture does without. */
export interface BlockLayout<Linear = LinearLayout, Norm = NormLayout> {
  readonly attentionNorm: Norm;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly queryNorm: Norm | undefined;
  readonly keyNorm: Norm | undefined;
  readonly attentionOutput: Linear;
  /** `undefined` where the MLP reads the attention's normalized input. */
  readonly mlpNorm: Norm | undefined;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
}

/** A whole decoder. The same shape holds names before loading and prepared weights after it. */
export interface DecoderLayout<Linear = LinearLayout, Norm = NormLayout> {
  readonly embedding: Linear;
  readonly blocks: readonly BlockLayout<Linear, Norm>[];
  readonly finalNorm: Norm;
  /** The embedding itself where the head is tied. */
  readonly head: Linear;
}

/** The layout of a configuration; `has` says which tensors a checkpoint stores. */
export function decoderLayout(c: DecoderConfiguration, has: (name: string) => boolean = () => true): DecoderLayout {
  const linear = (name: string, rows: number, columns: number, bias: boolean): LinearLayout => {
    return { name, rows, columns, bias };
  };
  const norm = (name: string, length: number): NormLayout => ({ name, length, bias: c.norm === "layer" });
  const queryRows = c.heads * c.headDimension;
  const keyRows = c.keyValueHeads * c.headDimension;

  const block = (index: number): BlockLayout => {
    const prefix = `model.layers.${index}`;
    const attention = `${prefix}.self_attn`;
    return {
      attentionNorm: norm(`${prefix}.input_layernorm`, c.hiddenSize),
      query: linear(`${attention}.q_proj`, queryRows, c.hiddenSize, c.biases.queryKeyValue),
      key: linear(`${attention}.k_proj`, keyRows, c.hiddenSize, c.biases.queryKeyValue),
      value: linear(`${attention}.v_proj`, keyRows, c.hiddenSize, c.biases.queryKeyValue),
      queryNorm: c.queryKeyNorm ? norm(`${attention}.q_norm`, c.headDimension) : undefined,
      keyNorm: c.queryKeyNorm ? norm(`${attention}.k_norm`, c.headDimension) : undefined,
      attentionOutput: linear(`${attention}.o_proj`, c.hiddenSize, queryRows, c.biases.attentionOutput),
      mlpNorm: c.parallelBlock ? undefined : norm(`${prefix}.post_attention_layernorm`, c.hiddenSize),
      gate: linear(`${prefix}.mlp.gate_proj`, c.intermediateSize, c.hiddenSize, c.biases.mlp),
      up: linear(`${prefix}.mlp.up_proj`, c.intermediateSize, c.hiddenSize, c.biases.mlp),
      down: linear(`${prefix}.mlp.down_proj`, c.hiddenSize, c.intermediateSize, c.biases.mlp),
    };
  };
  // Some checkpoints store a tied pair under the head's name only.
  const headOnly = c.tiedHead && !has("model.embed_tokens.weight") && has("lm_head.weight");
  const embedding = linear(headOnly ? "lm_head" : "model.embed_tokens", c.vocabularySize, c.hiddenSize, false);
  return {
    embedding,
    blocks: Array.from({ length: c.blocks }, (_, index) => block(index)),
    finalNorm: norm("model.norm", c.hiddenSize),
    head: c.tiedHead ? embedding : linear("lm_head", c.vocabularySize, c.hiddenSize, false),
  };
}

/** The linear layers of a block, in the order of the forward pass. */
export function linearsOfBlock<Linear, Norm>(block: BlockLayout<Linear, Norm>): readonly Linear[] {
  return [block.query, block.key, block.value, block.attentionOutput, block.gate, block.up, block.down];
}

/** The norms of a block. */
export function normsOfBlock<Linear, Norm>(block: BlockLayout<Linear, Norm>): readonly Norm[] {
  return [block.attentionNorm, block.queryNorm, block.keyNorm, block.mlpNorm].filter((norm) => norm !== undefined);
}

/** Weights of the blocks' linear layers, and all parameters with a tied head counted once. */
export function countParameters(layout: DecoderLayout): { nestedWeights: number; parameters: number } {
  const weights = ({ rows, columns }: LinearLayout): number => rows * columns;
  const biases = ({ rows, bias }: LinearLayout): number => (bias ? rows : 0);
  const norm = ({ length, bias }: NormLayout): number => (bias ? 2 * length : length);
  const sum = <T>(items: readonly T[], size: (item: T) => number): number => {
    return items.reduce((total, item) => total + size(item), 0);
  };
  const linears = layout.blocks.flatMap((block) => linearsOfBlock(block));
  const nestedWeights = sum(linears, weights);
  const outer = layout.head === layout.embedding ? [layout.embedding] : [layout.embedding, layout.head];
  const norms = [...layout.blocks.flatMap((block) => normsOfBlock(block)), layout.finalNorm];
  const parameters = nestedWeights + sum(linears, biases) + sum(outer, weights) + sum(outer, biases) + sum(norms, norm);
  return { nestedWeights, parameters };
}
