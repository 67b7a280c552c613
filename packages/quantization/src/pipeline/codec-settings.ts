/**
 * The codec of a model's nested layers with everything that decides its result.
 */
import { InvalidArgumentError, UnsupportedError } from "@stepdown/core";
import type { BinarySettings } from "../binary/quantize-binary-rows.js";
import { type ResolvedEffort, resolveEffort } from "../feedback/resolve-effort.js";
import type { BinaryCodedOptions } from "../linear/quantize-binary-coded.js";
import type { CodebookOptions } from "../linear/quantize-linear.js";
import { type ResolvedSettings, resolvePrecisions, resolveSettings } from "../linear/resolve-settings.js";

/** Settings of either codec; `groupSize` as asked for, absent where every layer chooses. */
export type CodecSettings =
  | ({ readonly codec: "codebook" } & ResolvedSettings & ResolvedEffort)
  | ({ readonly codec: "bcq"; readonly groupSize?: number } & BinarySettings & ResolvedEffort);

/** Options that belong to one codec only. */
const OWN_OPTIONS = { codebook: ["mode", "seed", "groupCount"], bcq: ["groupSize", "offset"] } as const;

/** The binary code where errors can be weighed and nothing is asked for that only the codebook has. */
function defaultCodec(options: CodebookOptions & { sensitivity?: unknown; outliers?: number }): CodecSettings["codec"] {
  const own = [...OWN_OPTIONS.codebook, "outliers"] as const;
  return options.sensitivity === undefined || own.some((name) => options[name] !== undefined) ? "codebook" : "bcq";
}

/** Fills in defaults; refuses unknown codecs and options of the other codec. */
export function resolveCodec(
  options: CodebookOptions &
    BinaryCodedOptions & { codec?: CodecSettings["codec"]; sensitivity?: unknown; outliers?: number },
): CodecSettings {
  const { codec = defaultCodec(options), groupSize, offset = false } = options;
  if (codec !== "codebook" && codec !== "bcq") {
    throw new UnsupportedError(`The codec is ${JSON.stringify(codec)}; known codecs are "codebook" and "bcq".`);
  }
  const other = codec === "codebook" ? "bcq" : "codebook";
  const foreign = OWN_OPTIONS[other].find((name) => options[name] !== undefined);
  if (foreign !== undefined) {
    throw new InvalidArgumentError(`${foreign} is an option of the codec ${other}; leave it out or choose that codec.`);
  }
  const precisions = resolvePrecisions(options);
  const effort = resolveEffort(options, precisions);
  if (codec === "codebook") return { codec, ...resolveSettings(options), ...effort };
  return { codec, ...precisions, ...effort, offset, ...(groupSize === undefined ? {} : { groupSize }) };
}

/** What the model's `quantization_config` says of the settings, apart from codec and bits. */
export function metadataOf(settings: CodecSettings): Record<string, unknown> {
  const effort = {
    effort: settings.effort,
    ...(settings.optimizeFor === undefined ? {} : { optimize_for: settings.optimizeFor }),
  };
  return settings.codec === "codebook"
    ? {
        mode: settings.mode,
        seed: settings.seed,
        ...effort,
        ...(settings.groupCount === 1 ? {} : { group_count: settings.groupCount }),
      }
    : { ...effort, group_size: settings.groupSize ?? null, offsets: settings.offset };
}
