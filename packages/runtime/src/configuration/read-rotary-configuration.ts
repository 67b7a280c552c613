import { UnsupportedError } from "@stepdown/core";
import { CUSTOM_ROPE_FACTORS } from "@stepdown/model-format";
import type { ConfigurationReader } from "./configuration-reader.js";
import type { RotaryConfiguration, RotaryScaling } from "./decoder-configuration.js";
import { MAXIMUM_CONTEXT } from "./limits.js";

/** Base of the frequencies where the configuration names none, as in the first Llama models. */
const DEFAULT_THETA = 10_000;

/** Largest theta and factor taken seriously; published ones stay below 10⁸ and 100. */
const MAXIMUM_THETA = 1e12;
const MAXIMUM_FACTOR = 1e6;

/**
 * Reads rotary settings in either form: `rope_theta`, `rope_scaling`, `partial_rotary_factor` at top level (the classic
 * one, type under `rope_type` or `type`), or all of them inside `rope_parameters` (transformers 5).
 */
export function readRotaryConfiguration(
  config: ConfigurationReader,
  headDimension: number,
  defaultPartialFactor = 1,
): RotaryConfiguration {
  const nested = config.object("rope_parameters");
  const holder = nested ?? config;
  const theta = holder.number("rope_theta", { minimum: 1, maximum: MAXIMUM_THETA }, DEFAULT_THETA);
  const partialHolder = nested?.raw("partial_rotary_factor") === undefined ? config : nested;
  const partial = partialHolder.number("partial_rotary_factor", { minimum: 0, maximum: 1 }, defaultPartialFactor);
  const dimension = Math.floor(headDimension * partial);
  if (dimension < 2 || dimension % 2 !== 0) {
    throw partialHolder.refuse(
      "partial_rotary_factor",
      `a factor that makes an even number of at least 2 of head dimension ${headDimension}`,
    );
  }
  const scaling = nested ?? config.object("rope_scaling");
  return { theta, dimension, scaling: scaling === undefined ? { type: "default" } : readScaling(scaling, dimension) };
}

function readScaling(scaling: ConfigurationReader, dimension: number): RotaryScaling {
  const type = scaling.string("rope_type", scaling.string("type", "default"));
  const factorBounds = { minimum: 1 / MAXIMUM_FACTOR, maximum: MAXIMUM_FACTOR };
  switch (type) {
    case "default":
      return { type };
    case "linear":
      return { type, factor: scaling.number("factor", factorBounds) };
    case "llama3": {
      const lowFrequencyFactor = scaling.number("low_freq_factor", factorBounds);
      const highFrequencyFactor = scaling.number("high_freq_factor", factorBounds);
      if (highFrequencyFactor <= lowFrequencyFactor) {
        throw scaling.refuse("high_freq_factor", `more than low_freq_factor, ${lowFrequencyFactor}`);
      }
      return {
        type,
        factor: scaling.number("factor", factorBounds),
        lowFrequencyFactor,
        highFrequencyFactor,
        originalContextLength: scaling.integer("original_max_position_embeddings", {
          minimum: 1,
          maximum: MAXIMUM_CONTEXT,
        }),
      };
    }
    case CUSTOM_ROPE_FACTORS: {
      const divisors = scaling.numbers("factors");
      if (divisors === undefined || divisors.length !== dimension / 2 || divisors.some((divisor) => divisor <= 0)) {
        throw scaling.refuse("factors", `${dimension / 2} numbers above 0, one per frequency`);
      }
      return { type: "divisors", divisors };
    }
    default:
      throw new UnsupportedError(
        `Rotary scaling of type ${JSON.stringify(type)} is not implemented; implemented are default, linear, llama3 and ${CUSTOM_ROPE_FACTORS}.`,
      );
  }
}
