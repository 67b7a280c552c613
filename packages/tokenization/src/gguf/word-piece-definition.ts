import { InvalidFileError } from "@stepdown/core";
import type { GgufDefinition } from "./gguf-definition.js";
import { type GgufVocabulary, tokenKind } from "./gguf-vocabulary.js";

/** Marks the start of a word in GGUF's WordPiece vocabularies; pieces without it continue one. */
const wordStart = "\u2581";

/** WordPiece (`bert`), lower case and without accents: GGUF has no field that says otherwise. */
export function wordPieceDefinition(vocabulary: GgufVocabulary): GgufDefinition {
  const { tokens, kinds, idOf } = vocabulary;
  const unknown = idOf("unknown");
  if (unknown === undefined) {
    throw new InvalidFileError(
      "The GGUF file has a tokenizer of model bert without tokenizer.ggml.unknown_token_id. Convert the model again.",
    );
  }
  const spelled = (token: string, id: number): string => {
    if (token.startsWith(wordStart)) return token.slice(wordStart.length);
    const isMark = kinds[id] !== tokenKind.normal || (token.startsWith("[") && token.endsWith("]")) || id === unknown;
    return isMark ? token : `##${token}`;
  };
  return {
    parts: {
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      model: {
        type: "WordPiece",
        unk_token: tokens[unknown],
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(tokens.map((token, id) => [spelled(token, id), id])),
      },
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    },
    start: { role: idOf("cls") === undefined ? "bos" : "cls", byDefault: true },
    end: { role: "separator", byDefault: true },
  };
}
