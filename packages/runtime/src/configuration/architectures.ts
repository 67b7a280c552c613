/**
 * What tells the supported architectures apart, as data: one row per class name of `config.json`. All of them are
 * decoder-only with rotary embedding, gated SiLU in the MLP, and Llama's tensor names; a model that differs in one of
 * these needs a further member here and a branch in `model/forward-pass.ts`.
 *
 * A row names configuration keys, so that a new architecture of this family is a row and no code elsewhere.
 */
import type { ConfigurationReader } from "./configuration-reader.js";
import type { BlockBiases } from "./decoder-configuration.js";

/** Where one architecture's configuration differs from another's. */
export interface ArchitectureTraits {
  readonly norm: "rms" | "layer";
  /** Key of the norm's epsilon and its value where absent. */
  readonly normEpsilon: readonly [key: string, fallback: number];
  /** Norm over each query and key head. */
  readonly queryKeyNorm: boolean;
  /** Share of each head that turns, where the configuration does not say. */
  readonly partialRotaryFactor: number;
  /** Which linear layers have biases. */
  biases(config: ConfigurationReader): BlockBiases;
  /** How sliding windows are declared: never, for every block (with the default window), or from some block on. */
  readonly window: "none" | "every-block" | "late-blocks";
  /** Whether attention and MLP run side by side. */
  parallelBlock(config: ConfigurationReader): boolean;
  /** Settings that change the computation and are not implemented: key and the one value that is. */
  readonly fixed?: Readonly<Record<string, unknown>>;
}

const llama: ArchitectureTraits = {
  norm: "rms",
  normEpsilon: ["rms_norm_eps", 1e-6],
  queryKeyNorm: false,
  partialRotaryFactor: 1,
  biases(config) {
    const attention = config.boolean("attention_bias", false);
    return { queryKeyValue: attention, attentionOutput: attention, mlp: config.boolean("mlp_bias", false) };
  },
  window: "none",
  parallelBlock: () => false,
};

/** Supported architectures by class name. */
export const architectures: Readonly<Record<string, ArchitectureTraits>> = {
  LlamaForCausalLM: llama,
  MistralForCausalLM: {
    ...llama,
    biases: () => ({ queryKeyValue: false, attentionOutput: false, mlp: false }),
    window: "every-block",
  },
  Qwen2ForCausalLM: {
    ...llama,
    biases: () => ({ queryKeyValue: true, attentionOutput: false, mlp: false }),
    window: "late-blocks",
  },
  Qwen3ForCausalLM: {
    ...llama,
    queryKeyNorm: true,
    biases(config) {
      const attention = config.boolean("attention_bias", false);
      return { queryKeyValue: attention, attentionOutput: attention, mlp: false };
    },
    window: "late-blocks",
  },
  StableLmForCausalLM: {
    norm: "layer",
    normEpsilon: ["layer_norm_eps", 1e-5],
    queryKeyNorm: false,
    partialRotaryFactor: 0.25,
    biases: (config) => ({
      queryKeyValue: config.boolean("use_qkv_bias", false),
      attentionOutput: false,
      mlp: false,
    }),
    window: "none",
    parallelBlock: (config) => config.boolean("use_parallel_residual", false),
    // Its q/k norm has one weight per head, which the kernel contract's norms cannot express in one call.
    fixed: { qk_layernorm: false },
  },
};
