/**
 * Which matrices of which architectures are quantized: the linear layers of the decoder blocks, by Hugging Face names.
 *
 * Data only. Embeddings, heads, norms and biases are not listed; how they are stored does not depend on the architecture.
 */
import { InvalidFileError, UnsupportedError } from "@stepdown/core";

/** Linear layers of one decoder block, without the block's prefix and `.weight`. */
export interface BlockLayers {
  /** Prefix of block i is `${blocks}.${i}.`. */
  readonly blocks: string;
  readonly layers: readonly string[];
}

const LLAMA_LIKE: BlockLayers = {
  blocks: "model.layers",
  layers: [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
  ],
};

const PHI: BlockLayers = {
  blocks: "model.layers",
  layers: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.dense", "mlp.fc1", "mlp.fc2"],
};

/** By the name in `architectures` of a `config.json`. */
export const ARCHITECTURES: ReadonlyMap<string, BlockLayers> = new Map([
  ["LlamaForCausalLM", LLAMA_LIKE],
  ["MistralForCausalLM", LLAMA_LIKE],
  ["Qwen2ForCausalLM", LLAMA_LIKE],
  ["Qwen3ForCausalLM", LLAMA_LIKE],
  ["StableLmForCausalLM", LLAMA_LIKE],
  ["PhiForCausalLM", PHI],
]);

/** More blocks than any model has; a larger number in a configuration is damage. */
const MAXIMUM_BLOCKS = 1024;

/** Names (without `.weight`) of the linear layers of all blocks, in the order of the forward pass. */
export function linearLayerNames(config: Readonly<Record<string, unknown>>): string[] {
  const { architectures, num_hidden_layers: blocks } = config;
  const name: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  const architecture = typeof name === "string" ? ARCHITECTURES.get(name) : undefined;
  if (architecture === undefined) {
    throw new UnsupportedError(
      `The checkpoint's architecture is ${JSON.stringify(name ?? null)}; known are ${[...ARCHITECTURES.keys()].join(", ")}. If the model has the layers of one of these, name that in "architectures" of its config.json.`,
    );
  }
  if (typeof blocks !== "number" || !Number.isInteger(blocks) || blocks < 1 || blocks > MAXIMUM_BLOCKS) {
    throw new InvalidFileError(
      `"num_hidden_layers" of the configuration is ${JSON.stringify(blocks ?? null)}; it has to be an integer from 1 to ${MAXIMUM_BLOCKS}.`,
    );
  }
  return Array.from({ length: blocks }, (_, i) =>
    architecture.layers.map((layer) => `${architecture.blocks}.${i}.${layer}`),
  ).flat();
}
