import { InvalidFileError, MAXIMUM_NESTED_PRECISION, type Precision, UnsupportedError } from "@stepdown/core";
import { integerWithin, type JsonRecord, member } from "../json.js";
import type { LayerFacts } from "./layer-facts.js";

/** `quant_method` of our directories. */
export const QUANTIZATION_METHOD = "stepdown";

/** Version of the directory format that is written and read here. */
export const FORMAT_VERSION = 1;

/** What `quantization_config` of a nested model's `config.json` must say; further members are free metadata. */
export interface NestedQuantization {
  /** Codec of the layers that follow the precision. */
  readonly codec: LayerFacts["codec"];
  readonly seedBits: Precision;
  readonly bits: Precision;
}

/** Checks a `quantization_config` whose `quant_method` is ours. */
export function parseNestedQuantization(config: JsonRecord, location: string): NestedQuantization {
  const label = `${location}: config.json, quantization_config`;
  const version = member(config, "format_version");
  if (version !== FORMAT_VERSION) {
    throw new UnsupportedError(
      `${label}: format_version ${JSON.stringify(version ?? null).slice(0, 40)} is not known, only ${FORMAT_VERSION}; a newer version may read it`,
    );
  }
  const codec = member(config, "codec");
  if (codec !== "codebook" && codec !== "bcq" && codec !== "uniform") {
    throw new UnsupportedError(
      `${label}: codec ${JSON.stringify(codec ?? null).slice(0, 40)} is not known, only codebook, bcq and uniform`,
    );
  }
  const bits = integerWithin(member(config, "bits"), 1, MAXIMUM_NESTED_PRECISION);
  const seedBits = integerWithin(member(config, "seed_bits"), 1, bits ?? MAXIMUM_NESTED_PRECISION);
  if (bits === undefined || seedBits === undefined) {
    throw new InvalidFileError(
      `${label}: seed_bits ${JSON.stringify(member(config, "seed_bits") ?? null).slice(0, 40)} and bits ${JSON.stringify(member(config, "bits") ?? null).slice(0, 40)} must satisfy 1 ≤ seed_bits ≤ bits ≤ ${MAXIMUM_NESTED_PRECISION}`,
    );
  }
  return { codec, seedBits, bits };
}
