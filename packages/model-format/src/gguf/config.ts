import { InvalidFileError } from "@stepdown/core";
import type { JsonRecord } from "../json.js";
import { MAXIMUM_BLOCKS, MAXIMUM_HEADS } from "../limits.js";
import type { GgufFile } from "./open-gguf.js";
import type { GgufArchitecture } from "./tensor-names.js";

/** Name of `rope_scaling.rope_type` for frequencies that each have a divisor of their own, in `rope_scaling.factors`. */
export const CUSTOM_ROPE_FACTORS = "custom-factors";

const models: Readonly<Record<GgufArchitecture, readonly [type: string, model: string]>> = {
  llama: ["llama", "LlamaForCausalLM"],
  qwen2: ["qwen2", "Qwen2ForCausalLM"],
  qwen3: ["qwen3", "Qwen3ForCausalLM"],
  phi2: ["phi", "PhiForCausalLM"],
  stablelm: ["stablelm", "StableLmForCausalLM"],
};

/**
 * A Hugging Face style `config.json` from a GGUF file's metadata and tensors.
 *
 * `ropeFactors`, the content of `rope_freqs.weight`, becomes `rope_scaling: { rope_type: "custom-factors", factors }`: the
 * inverse frequency i is `theta^(−2i/d) / factors[i]`. (Llama 3 scaling is stored that way; its parameters are not.)
 */
export function configFromGguf(file: GgufFile, architecture: GgufArchitecture, ropeFactors?: Float32Array): JsonRecord {
  const refuse = (what: string): never => {
    throw new InvalidFileError(`${file.name}: ${what}`);
  };
  const get = (key: string): unknown => file.metadata.get(`${architecture}.${key}`);
  const integer = (key: string, maximum: number): number | undefined => {
    const value = get(key);
    if (value === undefined) return undefined;
    return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= maximum
      ? value
      : refuse(`metadata ${architecture}.${key} is ${String(value).slice(0, 40)}, no integer from 1 to ${maximum}`);
  };
  const needed = (key: string, maximum: number): number =>
    integer(key, maximum) ?? refuse(`has no metadata ${architecture}.${key}`);
  const float = (key: string): number | undefined => {
    const value = get(key);
    if (value === undefined) return undefined;
    return typeof value === "number" && Number.isFinite(value) && value > 0
      ? shortestDecimal(value)
      : refuse(`metadata ${architecture}.${key} is ${String(value).slice(0, 40)}, no positive number`);
  };
  const has = (name: string): boolean => file.tensors.has(name);

  if (ropeFactors?.some((factor) => !Number.isFinite(factor) || factor <= 0)) {
    refuse("rope_freqs.weight holds divisors that are not positive");
  }

  // Sizes are signed 32-bit integers in every known reader.
  const largestSize = 2 ** 31 - 1;
  const hidden = needed("embedding_length", largestSize);
  const heads = needed("attention.head_count", MAXIMUM_HEADS);
  const headDimension = integer("attention.key_length", largestSize) ?? hidden / heads;
  if (!Number.isInteger(headDimension)) refuse(`has ${heads} heads, which do not divide ${hidden}`);
  const rotary = integer("rope.dimension_count", largestSize) ?? headDimension;
  const epsilon = float("attention.layer_norm_rms_epsilon") ?? float("attention.layer_norm_epsilon") ?? 1e-5;
  const embedding = file.tensors.get("token_embd.weight") ?? refuse("has no tensor token_embd.weight");
  const [modelType, model] = models[architecture];
  const token = (key: string): number | null => {
    const value = file.metadata.get(`tokenizer.ggml.${key}`);
    return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : null;
  };

  return {
    architectures: [model],
    model_type: modelType,
    hidden_size: hidden,
    intermediate_size: needed("feed_forward_length", largestSize),
    num_hidden_layers: needed("block_count", MAXIMUM_BLOCKS),
    num_attention_heads: heads,
    num_key_value_heads: integer("attention.head_count_kv", MAXIMUM_HEADS) ?? heads,
    ...(modelType === "llama" || modelType === "qwen3" ? { head_dim: headDimension } : {}),
    max_position_embeddings: needed("context_length", largestSize),
    vocab_size: embedding.shape[0] ?? 0,
    hidden_act: architecture === "phi2" ? "gelu_new" : "silu",
    ...(architecture === "phi2" || architecture === "stablelm"
      ? { layer_norm_eps: epsilon, partial_rotary_factor: rotary / headDimension }
      : { rms_norm_eps: epsilon }),
    rope_theta: float("rope.freq_base") ?? 10000,
    rope_scaling: ropeScaling(get, float, ropeFactors),
    tie_word_embeddings: !has("output.weight"),
    ...(architecture === "llama" || architecture === "qwen3" ? { attention_bias: has("blk.0.attn_q.bias") } : {}),
    ...(architecture === "llama" ? { mlp_bias: has("blk.0.ffn_up.bias") } : {}),
    ...(architecture === "qwen2" || architecture === "qwen3" ? { use_sliding_window: false } : {}),
    ...(architecture === "phi2" ? { qk_layernorm: false } : {}),
    ...(architecture === "stablelm"
      ? {
          use_qkv_bias: has("blk.0.attn_q.bias"),
          qk_layernorm: has("blk.0.attn_q_norm.weight"),
          use_parallel_residual: !has("blk.0.ffn_norm.weight"),
        }
      : {}),
    bos_token_id: token("bos_token_id"),
    eos_token_id: token("eos_token_id"),
    pad_token_id: token("padding_token_id"),
  };
}

function ropeScaling(
  get: (key: string) => unknown,
  float: (key: string) => number | undefined,
  factors: Float32Array | undefined,
): JsonRecord | null {
  if (factors !== undefined) return { rope_type: CUSTOM_ROPE_FACTORS, factors: [...factors] };
  const type = get("rope.scaling.type");
  if (typeof type !== "string" || type === "none" || type === "") return null;
  const original = get("rope.scaling.original_context_length");
  return {
    rope_type: type,
    factor: float("rope.scaling.factor") ?? 1,
    ...(typeof original === "number" ? { original_max_position_embeddings: original } : {}),
  };
}

/** The shortest decimal number that is the same float32: 1e-5 rather than 0.000009999999747378752. */
function shortestDecimal(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}
