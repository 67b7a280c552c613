import { InvalidArgumentError, UnsupportedError } from "@stepdown/core";
import { checkRecord, describeValue, refuse } from "./checks.js";
import { createModelShape, type ModelShapeSettings } from "./create-model-shape.js";
import type { ModelShape } from "./model-shape.js";

type Config = Readonly<Record<string, unknown>>;

/** What differs between architectures, from their configuration. Sizes are read the same way for all. */
const ARCHITECTURES: Readonly<Record<string, (config: Config) => Partial<ModelShapeSettings>>> = {
  llama: (config) => ({
    ...sameAttentionBias(config),
    feedForwardBias: flag(config, "mlp_bias"),
  }),
  mistral: (config) => ({ ...window(config, 0) }),
  qwen2: (config) => ({ queryKeyValueBias: true, ...switchedWindow(config) }),
  qwen3: (config) => ({ ...sameAttentionBias(config), queryKeyNorm: true, ...switchedWindow(config) }),
  phi: () => ({
    gated: false,
    queryKeyValueBias: true,
    outputBias: true,
    feedForwardBias: true,
    headBias: true,
    norm: "layer",
    normsPerBlock: 1,
  }),
  stablelm: (config) => ({
    queryKeyValueBias: flag(config, "use_qkv_bias"),
    norm: "layer",
    normsPerBlock: flag(config, "use_parallel_residual") ? 1 : 2,
  }),
};

/**
 * A model's shape from the object in a Hugging Face `config.json`. The file is not trusted: whatever is missing or
 * impossible is named in an `InvalidArgumentError`; an architecture without a rule here gives `UnsupportedError`.
 */
export function modelShapeFromConfig(config: unknown, options: { readonly name?: string } = {}): ModelShape {
  const given = checkRecord("config", config);
  const type = given.model_type;
  if (typeof type !== "string") refuse("config.model_type", type, "the name of an architecture");
  const rules = Object.hasOwn(ARCHITECTURES, type) ? ARCHITECTURES[type] : undefined;
  if (rules === undefined)
    throw new UnsupportedError(
      `config.model_type is ${describeValue(type)}; the NPU model knows ${Object.keys(ARCHITECTURES).join(", ")}. For another decoder-only model give its sizes to createModelShape.`,
    );
  if (given.qk_layernorm === true)
    throw new UnsupportedError(
      `config.qk_layernorm is true, which has no rule here for ${type}; give the sizes to createModelShape with queryKeyNorm.`,
    );
  try {
    return createModelShape({
      name: options.name ?? (typeof given._name_or_path === "string" ? given._name_or_path : type),
      architecture: type,
      blocks: count(given, "num_hidden_layers"),
      hiddenSize: count(given, "hidden_size"),
      feedForwardSize: count(given, "intermediate_size"),
      heads: count(given, "num_attention_heads"),
      ...present("keyValueHeads", optionalCount(given, "num_key_value_heads")),
      ...present("headDimension", optionalCount(given, "head_dim")),
      ...present("contextTokens", optionalCount(given, "max_position_embeddings")),
      vocabularySize: count(given, "vocab_size"),
      tiedHead: flag(given, "tie_word_embeddings"),
      ...rules(given),
    });
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError) || cause.message.startsWith("config.")) throw cause;
    throw new InvalidArgumentError(`The configuration of a ${type} model does not work: ${cause.message}`, { cause });
  }
}

function count(config: Config, key: string): number {
  const value = optionalCount(config, key);
  if (value === undefined) refuse(`config.${key}`, config[key], "an integer, 1 or more");
  return value;
}

function optionalCount(config: Config, key: string): number | undefined {
  const value = config[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1)
    refuse(`config.${key}`, value, "an integer, 1 or more");
  return value;
}

function flag(config: Config, key: string): boolean {
  const value = config[key];
  if (value === undefined || value === null) return false;
  if (typeof value !== "boolean") refuse(`config.${key}`, value, "true or false");
  return value;
}

function sameAttentionBias(config: Config): Partial<ModelShapeSettings> {
  const bias = flag(config, "attention_bias");
  return { queryKeyValueBias: bias, outputBias: bias };
}

function window(config: Config, fromBlock: number): Partial<ModelShapeSettings> {
  const tokens = optionalCount(config, "sliding_window");
  return tokens === undefined ? {} : { slidingWindow: { tokens, fromBlock } };
}

/** Qwen: the window is a setting that is usually off, and then holds for the blocks after `max_window_layers`. */
function switchedWindow(config: Config): Partial<ModelShapeSettings> {
  if (!flag(config, "use_sliding_window")) return {};
  const first = config.max_window_layers;
  return window(config, typeof first === "number" && Number.isSafeInteger(first) && first >= 0 ? first : 0);
}

function present<Key extends string>(key: Key, value: number | undefined): { [K in Key]?: number } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: number });
}
