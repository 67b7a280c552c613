import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { MAXIMUM_COMPONENT_DEPTH, MAXIMUM_VOCABULARY_SIZE } from "../limits.js";
import { asIndex, asList, asObject, asString, excerpt, isObject, type JsonObject, present } from "../untrusted.js";

/** An element of a post-processor's template: ids to add, or one of the two texts. */
export type TemplateItem =
  | { readonly ids: readonly number[]; readonly type: number }
  | { readonly text: 0 | 1; readonly type: number };

/** What is put around one text and around a pair of texts. */
export interface PostProcessor {
  readonly single: readonly TemplateItem[];
  readonly pair: readonly TemplateItem[];
}

/** Nothing added. */
export const plainPostProcessor: PostProcessor = {
  single: [{ text: 0, type: 0 }],
  pair: [
    { text: 0, type: 0 },
    { text: 1, type: 1 },
  ],
};

/** The post-processor of a tokenizer.json, or `undefined` where it has none that adds tokens. */
export function createPostProcessor(value: unknown): PostProcessor | undefined {
  return read(value, "post_processor", 0);
}

function read(value: unknown, place: string, depth: number): PostProcessor | undefined {
  if (present(value) === undefined) return undefined;
  if (depth > MAXIMUM_COMPONENT_DEPTH) throw new InvalidFileError(`${place} is nested too deeply.`);
  const config = asObject(value, place);
  switch (config.type) {
    case "ByteLevel":
      return undefined; // Trims offsets, which are not given out here.
    case "Sequence": {
      const adding = asList(config.processors, `${place}.processors`)
        .map((entry, index) => read(entry, `${place}.processors[${index}]`, depth + 1))
        .filter((entry) => entry !== undefined);
      if (adding.length > 1)
        throw new UnsupportedError(`${place} has ${adding.length} steps that add tokens; one is implemented.`);
      return adding[0];
    }
    case "TemplateProcessing":
      return {
        single: readTemplate(config, "single", place),
        pair: readTemplate(config, "pair", place),
      };
    case "BertProcessing":
      return surround(config, place, 1);
    case "RobertaProcessing":
      return surround(config, place, 2);
    default:
      throw new UnsupportedError(
        `${place} is of type ${excerpt(config.type)}; TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and Sequence are implemented.`,
      );
  }
}

function readTemplate(config: JsonObject, member: "single" | "pair", place: string): TemplateItem[] {
  const special = asObject(present(config.special_tokens) ?? {}, `${place}.special_tokens`);
  return asList(config[member], `${place}.${member}`).map((entry, index) => {
    const at = `${place}.${member}[${index}]`;
    const item = asObject(entry, at);
    const body = asObject(item.SpecialToken ?? item.Sequence, at);
    const name = asString(body.id, `${at}.id`);
    const type = asIndex(present(body.type_id) ?? 0, `${at}.type_id`, 1 << 16);
    if (item.SpecialToken !== undefined) {
      const definition = Object.hasOwn(special, name) ? special[name] : undefined;
      const ids = asList(
        asObject(definition, `${place}.special_tokens.${name}`).ids,
        `${place}.special_tokens.${name}.ids`,
      );
      return {
        ids: ids.map((id) => asIndex(id, `${place}.special_tokens.${name}.ids`, MAXIMUM_VOCABULARY_SIZE)),
        type,
      };
    }
    if (name !== "A" && name !== "B")
      throw new InvalidFileError(`${at} must name sequence A or B, found ${name.slice(0, 40)}.`);
    return { text: name === "A" ? 0 : 1, type };
  });
}

/** `[CLS] A [SEP] B [SEP]`, or RoBERTa's with two separators between and one type for all. */
function surround(config: JsonObject, place: string, separators: 1 | 2): PostProcessor {
  const type = separators === 1 ? 1 : 0;
  const start = namedId(config.cls, `${place}.cls`);
  const separator = namedId(config.sep, `${place}.sep`);
  const first: TemplateItem[] = [
    { ids: [start], type: 0 },
    { text: 0, type: 0 },
    { ids: [separator], type: 0 },
  ];
  const between: TemplateItem[] = separators === 2 ? [{ ids: [separator], type: 0 }] : [];
  return { single: first, pair: [...first, ...between, { text: 1, type }, { ids: [separator], type }] };
}

function namedId(value: unknown, place: string): number {
  const list = asList(value, place);
  return asIndex(list[1], `${place}[1]`, MAXIMUM_VOCABULARY_SIZE);
}

/** Whether a template is more than the text. */
export function addsTokens(processor: PostProcessor | undefined): processor is PostProcessor {
  return processor?.single.some((item) => isObject(item) && "ids" in item) ?? false;
}
