import { UnsupportedError } from "@stepdown/core";
import { type ArchitectureTraits, architectures } from "./architectures.js";
import { type ConfigurationReader, createConfigurationReader } from "./configuration-reader.js";
import type { DecoderConfiguration } from "./decoder-configuration.js";
import {
  MAXIMUM_BLOCKS,
  MAXIMUM_CONTEXT,
  MAXIMUM_END_IDS,
  MAXIMUM_HEADS,
  MAXIMUM_VOCABULARY,
  MAXIMUM_WIDTH,
} from "./limits.js";
import { readRotaryConfiguration } from "./read-rotary-configuration.js";

/** Positions where a configuration names none, transformers' default for Llama. */
const DEFAULT_CONTEXT = 2048;

/** Window of architectures that always have one, where the configuration names none (transformers' default). */
const DEFAULT_WINDOW = 4096;

/** Block from which on windows apply where the configuration does not say (transformers' default for Qwen). */
const DEFAULT_FIRST_WINDOW_BLOCK = 28;

/**
 * Checks a `config.json` and fills in defaults. Throws `UnsupportedError` for what is well-formed but not implemented
 * (architecture, activation, rotary type) and `InvalidFileError` for values that cannot be.
 */
export function readDecoderConfiguration(
  values: Readonly<Record<string, unknown>>,
  where = "config.json",
): DecoderConfiguration {
  const config = createConfigurationReader(values, where);
  const architecture = readArchitecture(config, where);
  const traits = architectures[architecture] as ArchitectureTraits;
  for (const [key, implemented] of Object.entries(traits.fixed ?? {})) {
    const found = config.raw(key);
    if (found !== undefined && found !== implemented) {
      throw new UnsupportedError(
        `${where}: ${key} is ${JSON.stringify(found)}; for ${architecture} only ${JSON.stringify(implemented)} is implemented.`,
      );
    }
  }
  const activation = config.string("hidden_act", "silu");
  if (activation !== "silu" && activation !== "swish") {
    throw new UnsupportedError(`${where}: activation ${JSON.stringify(activation)} is not implemented; "silu" is.`);
  }

  const blocks = config.integer("num_hidden_layers", { minimum: 1, maximum: MAXIMUM_BLOCKS });
  const hiddenSize = config.integer("hidden_size", { minimum: 1, maximum: MAXIMUM_WIDTH });
  const heads = config.integer("num_attention_heads", { minimum: 1, maximum: MAXIMUM_HEADS });
  const keyValueHeads = config.integer("num_key_value_heads", { minimum: 1, maximum: heads }, heads);
  if (heads % keyValueHeads !== 0) throw config.refuse("num_key_value_heads", `a divisor of ${heads} attention heads`);
  const headDimension = readHeadDimension(config, hiddenSize, heads);
  const vocabularySize = config.integer("vocab_size", { minimum: 1, maximum: MAXIMUM_VOCABULARY });
  const contextBounds = { minimum: 1, maximum: MAXIMUM_CONTEXT };

  return {
    architecture,
    blocks,
    hiddenSize,
    intermediateSize: config.integer("intermediate_size", { minimum: 1, maximum: MAXIMUM_WIDTH }),
    heads,
    keyValueHeads,
    headDimension,
    vocabularySize,
    contextLength: config.integer("max_position_embeddings", contextBounds, DEFAULT_CONTEXT),
    norm: traits.norm,
    normEpsilon: config.number(traits.normEpsilon[0], { minimum: 0, maximum: 1 }, traits.normEpsilon[1]),
    queryKeyNorm: traits.queryKeyNorm,
    parallelBlock: traits.parallelBlock(config),
    biases: traits.biases(config),
    windows: readWindows(config, traits, blocks),
    rotary: readRotaryConfiguration(config, headDimension, traits.partialRotaryFactor),
    tiedHead: config.boolean("tie_word_embeddings", false),
    endOfSequenceIds: readEndOfSequenceIds(config, vocabularySize),
  };
}

/** `eos_token_id` of a configuration or generation configuration: absent, one id, or several. */
export function readEndOfSequenceIds(config: ConfigurationReader, vocabularySize: number): readonly number[] {
  const value = config.raw("eos_token_id");
  const ids = value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value];
  const isId = (id: unknown): boolean => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabularySize;
  if (ids.length > MAXIMUM_END_IDS || !ids.every(isId)) {
    throw config.refuse("eos_token_id", `token ids from 0 to ${vocabularySize - 1}, at most ${MAXIMUM_END_IDS}`);
  }
  return [...new Set(ids as number[])];
}

function readArchitecture(config: ConfigurationReader, where: string): string {
  const list = config.raw("architectures");
  const name: unknown = Array.isArray(list) ? list[0] : undefined;
  if (typeof name !== "string") throw config.refuse("architectures", "a list with the name of the model class");
  if (Object.hasOwn(architectures, name)) return name;
  throw new UnsupportedError(
    `${where}: architecture ${JSON.stringify(name.slice(0, 80))} is not implemented; implemented are ${Object.keys(architectures).join(", ")}.`,
  );
}

function readHeadDimension(config: ConfigurationReader, hiddenSize: number, heads: number): number {
  const headDimension = config.integer(
    "head_dim",
    { minimum: 2, maximum: Math.floor(MAXIMUM_WIDTH / heads) },
    Math.floor(hiddenSize / heads),
  );
  if (config.raw("head_dim") === undefined && hiddenSize % heads !== 0) {
    throw config.refuse("num_attention_heads", `a divisor of hidden_size ${hiddenSize}, or head_dim beside it`);
  }
  return headDimension;
}

function readWindows(
  config: ConfigurationReader,
  traits: ArchitectureTraits,
  blocks: number,
): readonly (number | undefined)[] {
  const none = Array.from({ length: blocks }, () => undefined);
  if (traits.window === "none") return none;
  if (traits.window === "late-blocks" && !config.boolean("use_sliding_window", false)) return none;
  // An explicit null says: no window. Only an absent key means the default.
  if (config.raw("sliding_window") === undefined && config.has("sliding_window")) return none;
  const window = config.integer("sliding_window", { minimum: 1, maximum: MAXIMUM_CONTEXT }, DEFAULT_WINDOW);
  const types = config.raw("layer_types");
  if (types !== undefined) return readLayerTypes(config, types, window, blocks);
  if (traits.window === "every-block") return none.map(() => window);
  const bounds = { minimum: 0, maximum: MAXIMUM_BLOCKS };
  const first = config.integer("max_window_layers", bounds, DEFAULT_FIRST_WINDOW_BLOCK);
  return none.map((_, block) => (block >= first ? window : undefined));
}

function readLayerTypes(
  config: ConfigurationReader,
  types: unknown,
  window: number,
  blocks: number,
): readonly (number | undefined)[] {
  const known = ["full_attention", "sliding_attention"];
  if (!Array.isArray(types) || types.length !== blocks || !types.every((type) => known.includes(type))) {
    throw config.refuse("layer_types", `${blocks} entries, each ${known.join(" or ")}`);
  }
  return types.map((type) => (type === "sliding_attention" ? window : undefined));
}
