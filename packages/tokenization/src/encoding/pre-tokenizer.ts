/**
 * Pre-tokenizers of tokenizer.json: what cuts a text into the words that the model encodes one by one.
 *
 * Patterns are compiled by the library, which translates the reference library's regular expressions (Oniguruma) into
 * JavaScript's. Where the library's own pre-tokenizer says something else than the reference, the same thing is said as a
 * Split with the reference's pattern: Digits (all of Unicode N, not only ASCII), ByteLevel (white space of Unicode),
 * Whitespace (words of Unicode), Punctuation (one by one), Metaspace (also splits).
 */
import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { toByteAlphabet } from "../byte-alphabet.js";
import { SequencePreTokenizer } from "../library.js";
import { MAXIMUM_COMPONENT_DEPTH } from "../limits.js";
import { parsePattern } from "../pattern.js";
import { asList, asObject, guarded, type JsonObject, present } from "../untrusted.js";
import { parseSplitBehavior, type SplitBehavior, splitText } from "./split-text.js";

/** Cuts normalized text into words. */
export interface PreTokenizer {
  /** Words of a stretch of text; `atStart` says that nothing stands before it. */
  split(text: string, atStart: boolean): string[];
  /** What the model sees of a word: the word itself, or its bytes in the byte alphabet. Applied after `split`. */
  spell(word: string): string;
}

/** GPT-2's splitting: contractions, words, numbers and symbols with the space before them, white space. */
export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

type Step = (word: string, atStart: boolean) => string[];

const byteLevelStep: Step = (word) => [toByteAlphabet(word)];

/** The pre-tokenizer of a tokenizer.json; without one the whole text is one word. */
export function createPreTokenizer(value: unknown): PreTokenizer {
  const steps = flatten(value, "pre_tokenizer", 0);
  // Spelling bytes last lets words be looked up in the cache before they are spelled.
  const spellsBytes = steps.at(-1) === byteLevelStep;
  if (spellsBytes) steps.pop();
  return {
    split: (text, atStart) =>
      steps.reduce((words, step) => words.flatMap((word, index) => step(word, atStart && index === 0)), [text]),
    spell: spellsBytes ? toByteAlphabet : (word) => word,
  };
}

function flatten(value: unknown, place: string, depth: number): Step[] {
  if (present(value) === undefined) return [];
  if (depth > MAXIMUM_COMPONENT_DEPTH) throw new InvalidFileError(`${place} is nested too deeply.`);
  const config = asObject(value, place);
  switch (config.type) {
    case "Sequence":
      return asList(config.pretokenizers, `${place}.pretokenizers`).flatMap((step, index) =>
        flatten(step, `${place}.pretokenizers[${index}]`, depth + 1),
      );
    case "Split":
      return [
        splitStep(
          config.pattern,
          parseSplitBehavior(config.behavior, `${place}.behavior`),
          config.invert === true,
          place,
        ),
      ];
    case "Digits":
      return [splitStep({ Regex: config.individual_digits === true ? "\\p{N}" : "\\p{N}+" }, "Isolated", false, place)];
    case "Whitespace":
      return [splitStep({ Regex: "\\w+|[^\\w\\s]+" }, "Removed", true, place)];
    case "Punctuation":
      return [
        splitStep(
          { Regex: "[\\p{P}!-/:-@\\[-`{-~]" },
          parseSplitBehavior(config.behavior, `${place}.behavior`),
          false,
          place,
        ),
      ];
    case "ByteLevel":
      return byteLevelSteps(config, place);
    case "Metaspace":
      return metaspaceSteps(config, place);
    case "Replace":
      throw new UnsupportedError(`${place} is of type Replace, which only normalizers and decoders have.`);
    default:
      return [libraryStep(config, place)];
  }
}

function splitStep(pattern: unknown, behavior: SplitBehavior, invert: boolean, place: string): Step {
  const compiled = parsePattern(pattern, `${place}.pattern`);
  return (word) => splitText(word, compiled, behavior, invert);
}

function byteLevelSteps(config: JsonObject, place: string): Step[] {
  const steps: Step[] = [];
  if (config.add_prefix_space === true) steps.push((word) => [word.startsWith(" ") ? word : ` ${word}`]);
  if (config.use_regex !== false) steps.push(splitStep({ Regex: GPT2_PATTERN }, "Isolated", false, place));
  return [...steps, byteLevelStep];
}

function metaspaceSteps(config: JsonObject, place: string): Step[] {
  const mark = typeof config.replacement === "string" ? config.replacement : "\u2581";
  const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? "never" : "always");
  const replace: Step = (word, atStart) => {
    const marked = word.replaceAll(" ", mark);
    const prepend = !marked.startsWith(mark) && (scheme === "always" || (scheme === "first" && atStart));
    return [prepend ? mark + marked : marked];
  };
  return config.split === false ? [replace] : [replace, splitStep({ String: mark }, "MergedWithNext", false, place)];
}

function libraryStep(config: JsonObject, place: string): Step {
  const options = { type: "Sequence", pretokenizers: [config] };
  const preTokenizer = guarded(place, () => new SequencePreTokenizer(options));
  return (word, atStart) => preTokenizer.pre_tokenize(word, { section_index: atStart ? 0 : 1 });
}
