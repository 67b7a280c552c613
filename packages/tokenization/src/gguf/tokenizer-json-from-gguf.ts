import { UnsupportedError } from "@stepdown/core";
import { asString, guarded, type JsonObject, present } from "../untrusted.js";
import { bytePairDefinition } from "./byte-pair-definition.js";
import type { GgufDefinition } from "./gguf-definition.js";
import { type GgufVocabulary, readGgufVocabulary, type TokenRole, tokenKind } from "./gguf-vocabulary.js";
import { sentencePieceDefinition } from "./sentence-piece-definition.js";
import { wordPieceDefinition } from "./word-piece-definition.js";

/** A tokenizer as the two files that Hugging Face models carry. */
export interface TokenizerFiles {
  /** In the form of `tokenizer.json`. */
  readonly tokenizerJson: JsonObject;
  /** In the form of `tokenizer_config.json`: special tokens, `add_bos_token`, `chat_template`. */
  readonly tokenizerConfig: JsonObject;
}

/**
 * Rewrites the vocabulary in GGUF metadata (`tokenizer.ggml.*`) as tokenizer.json and tokenizer_config.json: byte-level BPE
 * (`gpt2`), SentencePiece BPE (`llama`), WordPiece (`bert`). A whole tokenizer.json inside the metadata is taken as it is.
 *
 * Throws `InvalidFileError` for metadata that cannot be right and `UnsupportedError` for other models.
 */
export function tokenizerJsonFromGguf(metadata: Readonly<Record<string, unknown>>): TokenizerFiles {
  const embedded = present(metadata["tokenizer.huggingface.json"]);
  const template = present(metadata["tokenizer.chat_template"]);
  if (embedded !== undefined && present(metadata["tokenizer.ggml.model"]) === undefined) {
    const source = asString(embedded, "tokenizer.huggingface.json");
    const tokenizerJson = guarded("tokenizer.huggingface.json", () => JSON.parse(source) as JsonObject);
    return { tokenizerJson, tokenizerConfig: template === undefined ? {} : { chat_template: template } };
  }
  const vocabulary = readGgufVocabulary(metadata);
  const definition = define(vocabulary);
  return {
    tokenizerJson: {
      version: "1.0",
      ...definition.parts,
      added_tokens: addedTokens(vocabulary),
      post_processor: postProcessor(vocabulary, definition),
    },
    tokenizerConfig: {
      ...specialTokens(vocabulary),
      ...(template === undefined ? {} : { chat_template: template }),
    },
  };
}

function define(vocabulary: GgufVocabulary): GgufDefinition {
  switch (vocabulary.model) {
    case "gpt2":
      return bytePairDefinition(vocabulary);
    case "llama":
      return sentencePieceDefinition(vocabulary);
    case "bert":
      return wordPieceDefinition(vocabulary);
    case "no_vocab":
    case "none":
      throw new UnsupportedError(
        "The GGUF file has no vocabulary (tokenizer.ggml.model is no_vocab). Put the model's tokenizer.json beside it.",
      );
    default:
      throw new UnsupportedError(
        `The GGUF file has a tokenizer of model ${JSON.stringify(vocabulary.model.slice(0, 40))}; gpt2, llama and bert are implemented. Put the model's tokenizer.json beside it.`,
      );
  }
}

/** Tokens looked for in the text: control, user-defined and unknown ones. */
function addedTokens({ tokens, kinds, idOf }: GgufVocabulary): JsonObject[] {
  const unknown = idOf("unknown");
  return tokens.flatMap((content, id) => {
    const kind = kinds[id];
    const special = kind === tokenKind.control || (kind === tokenKind.unknown && id === unknown);
    if (content === "" || (!special && kind !== tokenKind.userDefined)) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}

function postProcessor(vocabulary: GgufVocabulary, { start, end }: GgufDefinition): JsonObject | null {
  const wanted = (role: TokenRole, names: readonly string[], byDefault: boolean): number[] => {
    const id = vocabulary.idOf(role);
    const flag = names.map((name) => vocabulary.flag(name)).find((value) => value !== undefined) ?? byDefault;
    return flag && id !== undefined ? [id] : [];
  };
  const first = wanted(start.role, ["add_bos_token"], start.byDefault);
  const last = wanted(
    end.role,
    end.role === "separator" ? ["add_sep_token", "add_eos_token"] : ["add_eos_token"],
    end.byDefault,
  );
  if (first.length === 0 && last.length === 0) return null;
  const special = (ids: readonly number[], type: number): JsonObject[] =>
    ids.map((id) => ({ SpecialToken: { id: vocabulary.tokens[id], type_id: type } }));
  const sequence = (name: "A" | "B", type: number): JsonObject => ({ Sequence: { id: name, type_id: type } });
  // Encoders (cls … sep) put the start token before the first text only, decoders before each.
  const second = start.role === "cls" ? [] : special(first, 1);
  return {
    type: "TemplateProcessing",
    single: [...special(first, 0), sequence("A", 0), ...special(last, 0)],
    pair: [
      ...special(first, 0),
      sequence("A", 0),
      ...special(last, 0),
      ...second,
      sequence("B", 1),
      ...special(last, 1),
    ],
    special_tokens: Object.fromEntries(
      [...first, ...last].map((id) => [
        vocabulary.tokens[id],
        { id: vocabulary.tokens[id], ids: [id], tokens: [vocabulary.tokens[id]] },
      ]),
    ),
  };
}

function specialTokens({ tokens, idOf }: GgufVocabulary): Record<string, string> {
  const names: readonly (readonly [string, TokenRole])[] = [
    ["bos_token", "bos"],
    ["eos_token", "eos"],
    ["unk_token", "unknown"],
    ["sep_token", "separator"],
    ["pad_token", "padding"],
    ["cls_token", "cls"],
    ["mask_token", "mask"],
  ];
  const found: Record<string, string> = {};
  for (const [name, role] of names) {
    const id = idOf(role);
    if (id !== undefined) found[name] = tokens[id]!;
  }
  return found;
}
