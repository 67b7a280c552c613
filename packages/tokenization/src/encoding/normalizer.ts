/**
 * Normalizers of tokenizer.json: the library's, evaluated one after the other so that its known differences can be put
 * right. Its BertNormalizer looks at UTF-16 units and so never sees CJK characters beyond U+FFFF; its Replace reads `$` in
 * the replacement as a reference.
 */
import { InvalidFileError } from "@stepdown/core";
import { SequenceNormalizer } from "../library.js";
import { MAXIMUM_COMPONENT_DEPTH } from "../limits.js";
import { parsePattern } from "../pattern.js";
import { asList, asObject, asString, guarded, type JsonObject, present } from "../untrusted.js";

/** Text in, normalized text out. */
export type Normalize = (text: string) => string;

/** CJK ideographs in the supplementary planes that BERT's rules set apart by spaces: extensions B–E and compatibility. */
const supplementaryIdeographs = /[\u{20000}-\u{2A6DF}\u{2A700}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;

/** The normalizer of a tokenizer.json, or `undefined` where there is none. */
export function createNormalizer(value: unknown): Normalize | undefined {
  const steps = flatten(value, "normalizer", 0);
  if (steps.length === 0) return undefined;
  return (text) => steps.reduce((current, step) => step(current), text);
}

function flatten(value: unknown, place: string, depth: number): Normalize[] {
  if (present(value) === undefined) return [];
  if (depth > MAXIMUM_COMPONENT_DEPTH) throw new InvalidFileError(`${place} is nested too deeply.`);
  const config = asObject(value, place);
  if (config.type === "Sequence") {
    return asList(config.normalizers, `${place}.normalizers`).flatMap((step, index) =>
      flatten(step, `${place}.normalizers[${index}]`, depth + 1),
    );
  }
  if (config.type === "Replace") {
    const pattern = parsePattern(config.pattern, `${place}.pattern`);
    const content = asString(present(config.content) ?? "", `${place}.content`);
    return [(text) => text.replace(pattern, () => content)];
  }
  const step = libraryNormalizer(config, place);
  if (config.type !== "BertNormalizer" || config.handle_chinese_chars !== true) return [step];
  return [(text) => step(text.replace(supplementaryIdeographs, " $& "))];
}

function libraryNormalizer(config: JsonObject, place: string): Normalize {
  // A sequence of one: the only way the library offers to make a normalizer from its description.
  const options = { type: "Sequence", normalizers: [config] };
  const normalizer = guarded(place, () => new SequenceNormalizer(options));
  return (text) => normalizer.normalize(text);
}
