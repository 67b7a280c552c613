/** Shapes of published models, as their `config.json` gives them. */

/** The parts of a Hugging Face configuration that decide the work of a forward pass. */
export type ModelConfig = Readonly<Record<string, unknown>>;

const llama = { architectures: ["LlamaForCausalLM"], hidden_act: "silu", rms_norm_eps: 1e-5, rope_theta: 10000 };

/** Presets of `--shape`. */
export const modelShapes: Readonly<Record<string, { readonly title: string; readonly config: ModelConfig }>> = {
  "135m": {
    title: "SmolLM2-135M",
    config: {
      ...llama,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      vocab_size: 49152,
      max_position_embeddings: 8192,
      tie_word_embeddings: true,
    },
  },
  "1.1b": {
    title: "TinyLlama-1.1B",
    config: {
      ...llama,
      hidden_size: 2048,
      intermediate_size: 5632,
      num_hidden_layers: 22,
      num_attention_heads: 32,
      num_key_value_heads: 4,
      vocab_size: 32000,
      max_position_embeddings: 2048,
      tie_word_embeddings: false,
    },
  },
  "7b": {
    title: "Llama-2-7B",
    config: {
      ...llama,
      hidden_size: 4096,
      intermediate_size: 11008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      vocab_size: 32000,
      max_position_embeddings: 4096,
      tie_word_embeddings: false,
    },
  },
};
