/**
 * Hugging Face names for GGUF names, per architecture of llama.cpp. It knows names only: row order is `row-order.ts`.
 */

/** Which family of names an architecture follows. */
export type GgufArchitecture = "llama" | "qwen2" | "qwen3" | "phi2" | "stablelm";

/** Architectures whose tensors can be named. */
export const ggufArchitectures: readonly GgufArchitecture[] = ["llama", "qwen2", "qwen3", "phi2", "stablelm"];

const common: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const byArchitecture: Readonly<Record<GgufArchitecture, Readonly<Record<string, string>>>> = {
  llama: common,
  qwen2: common,
  qwen3: { ...common, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" },
  phi2: {
    ...common,
    output_norm: "model.final_layernorm",
    attn_output: "self_attn.dense",
    ffn_up: "mlp.fc1",
    ffn_down: "mlp.fc2",
  },
  stablelm: { ...common, attn_q_norm: "self_attn.q_layernorm", attn_k_norm: "self_attn.k_layernorm" },
};

/** `blk.3.attn_q.bias` taken apart; `block` is `undefined` outside the blocks. */
export interface GgufTensorName {
  readonly block: number | undefined;
  /** `attn_q`. */
  readonly part: string;
  readonly kind: "weight" | "bias";
}

/** Takes a GGUF tensor name apart, or `undefined` where it does not follow the convention. */
export function parseGgufTensorName(name: string): GgufTensorName | undefined {
  const match = /^(?:blk\.(\d{1,5})\.)?([a-z_]+)\.(weight|bias)$/.exec(name);
  if (match === null) return undefined;
  return {
    block: match[1] === undefined ? undefined : Number(match[1]),
    part: match[2] as string,
    kind: match[3] as "weight" | "bias",
  };
}

/** Hugging Face name of a module (no `.weight`), or `undefined` for parts the architecture does not have. */
export function huggingFaceModule(architecture: GgufArchitecture, name: GgufTensorName): string | undefined {
  const names = byArchitecture[architecture];
  const module = Object.hasOwn(names, name.part) ? names[name.part] : undefined;
  if (module === undefined) return undefined;
  // What belongs to a block must be in one, and the other way round.
  const global = module.startsWith("model.") || module === "lm_head";
  if (global !== (name.block === undefined)) return undefined;
  return global ? module : `model.layers.${name.block}.${module}`;
}
