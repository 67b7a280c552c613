/** Decoders of tokenizer.json as streaming stages, so that text comes out at once and each id costs the same. */
import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { MAXIMUM_COMPONENT_DEPTH } from "../limits.js";
import { parsePattern } from "../pattern.js";
import { asIndex, asList, asObject, excerpt, type JsonObject, present } from "../untrusted.js";
import { byteFallbackStage, byteLevelStage } from "./byte-stages.js";
import { type DecoderStageFactory, mapStage } from "./decoder-stage.js";
import { fuseStage, joinStage, metaspaceStage, stripStage, suffixStage, wordPieceStage } from "./text-stages.js";

/** Characters a Strip decoder may remove at either end; real files say 1. */
const MAXIMUM_STRIP = 1024;

/** Makes the stages of one stream, in order. */
export type CreateStages = () => ReturnType<DecoderStageFactory>[];

/** The decoder of a tokenizer.json. */
export function createDecoder(value: unknown): CreateStages {
  const steps =
    present(value) === undefined
      ? [{ stage: joinStage, needsWhole: true, keepsWhole: true }]
      : flatten(value, "decoder", 0);
  let whole = true;
  for (const step of steps) {
    if (step.needsWhole && !whole) {
      throw new UnsupportedError(
        "The tokenizer's decoder looks at whole tokens after joining them, which cannot be streamed. Convert the tokenizer.",
      );
    }
    whole &&= step.keepsWhole;
  }
  return () => steps.map((step) => step.stage());
}

/** A stage, whether it must see whole strings, and whether whole strings leave it. */
interface Step {
  readonly stage: DecoderStageFactory;
  readonly needsWhole: boolean;
  readonly keepsWhole: boolean;
}

function flatten(value: unknown, place: string, depth: number): Step[] {
  if (depth > MAXIMUM_COMPONENT_DEPTH) throw new InvalidFileError(`${place} is nested too deeply.`);
  const config = asObject(value, place);
  switch (config.type) {
    case "Sequence":
      return asList(config.decoders, `${place}.decoders`).flatMap((step, index) =>
        flatten(step, `${place}.decoders[${index}]`, depth + 1),
      );
    case "ByteLevel":
      return [{ stage: byteLevelStage, needsWhole: true, keepsWhole: false }];
    case "ByteFallback":
      return [{ stage: byteFallbackStage, needsWhole: true, keepsWhole: false }];
    case "Fuse":
      return [{ stage: fuseStage, needsWhole: false, keepsWhole: false }];
    case "Strip": {
      const start = asIndex(present(config.start) ?? 0, `${place}.start`, MAXIMUM_STRIP);
      const stop = asIndex(present(config.stop) ?? 0, `${place}.stop`, MAXIMUM_STRIP);
      const content = text(config.content, " ");
      if (content === "") throw new InvalidFileError(`${place}.content must not be empty.`);
      return [{ stage: stripStage(content, start, stop), needsWhole: false, keepsWhole: stop === 0 }];
    }
    case "Replace":
      return [replaceStep(config, place)];
    case "Metaspace": {
      const prepended = (config.prepend_scheme ?? (config.add_prefix_space === false ? "never" : "always")) !== "never";
      return [whole(metaspaceStage(text(config.replacement, "\u2581"), prepended))];
    }
    case "WordPiece":
      return [whole(wordPieceStage(text(config.prefix, "##"), config.cleanup !== false))];
    case "BPEDecoder":
      return [whole(suffixStage(text(config.suffix, "</w>")))];
    default:
      throw new UnsupportedError(
        `${place} is of type ${excerpt(config.type)}; ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder and Sequence are implemented.`,
      );
  }
}

function whole(stage: DecoderStageFactory): Step {
  return { stage, needsWhole: true, keepsWhole: true };
}

function replaceStep(config: JsonObject, place: string): Step {
  const content = text(config.content, "");
  const { String: plain } = asObject(config.pattern, `${place}.pattern`);
  if (typeof plain === "string") {
    if (plain === "") throw new InvalidFileError(`${place}.pattern must not be empty.`);
    // A single character can be replaced wherever the string is broken.
    return {
      stage: mapStage((token) => token.replaceAll(plain, () => content)),
      needsWhole: [...plain].length > 1,
      keepsWhole: true,
    };
  }
  const pattern = parsePattern(config.pattern, `${place}.pattern`);
  return whole(mapStage((token) => token.replace(pattern, () => content)));
}

function text(value: unknown, fallback: string): string {
  return typeof value === "string" ? value : fallback;
}
