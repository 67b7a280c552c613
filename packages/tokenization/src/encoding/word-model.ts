/** Models of tokenizer.json: what turns one word into ids. BPE has its own file; WordPiece and Unigram are the library's. */
import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { Unigram, WordPiece } from "../library.js";
import { excerpt, guarded, type JsonObject } from "../untrusted.js";
import { createBytePairModel } from "./byte-pair-model.js";
import { type EncodeWord, unknownId } from "./encode-word.js";

/** The model of a tokenizer.json. `eosToken` is what Unigram calls the end token. */
export function createWordModel(
  model: JsonObject,
  vocabulary: ReadonlyMap<string, number>,
  eosToken: string | undefined,
): EncodeWord {
  const type = typeof model.type === "string" ? model.type : inferType(model);
  switch (type) {
    case "BPE":
      return createBytePairModel(model, vocabulary);
    case "WordPiece":
      return createWordPieceModel(model, vocabulary);
    case "Unigram":
      return createUnigramModel(model, vocabulary, eosToken);
    default:
      throw new UnsupportedError(
        `The tokenizer's model is of type ${excerpt(type)}; BPE, WordPiece and Unigram are implemented. Convert the tokenizer to one of them.`,
      );
  }
}

/** Files of old versions leave the type out. */
function inferType(model: JsonObject): string {
  if (model.merges !== undefined) return "BPE";
  if (Array.isArray(model.vocab)) return "Unigram";
  return "continuing_subword_prefix" in model ? "WordPiece" : "missing";
}

function createWordPieceModel(model: JsonObject, vocabulary: ReadonlyMap<string, number>): EncodeWord {
  const unknown = unknownId(model.unk_token, vocabulary);
  if (unknown === undefined) {
    throw new InvalidFileError("model.unk_token of a WordPiece model must name a token of model.vocab.");
  }
  const config = {
    ...model,
    continuing_subword_prefix:
      typeof model.continuing_subword_prefix === "string" ? model.continuing_subword_prefix : "##",
    max_input_chars_per_word: typeof model.max_input_chars_per_word === "number" ? model.max_input_chars_per_word : 100,
  };
  const library = guarded("model", () => new WordPiece(config));
  return (word) => library.encode([word]).map((token) => vocabulary.get(token) ?? unknown);
}

function createUnigramModel(
  model: JsonObject,
  vocabulary: ReadonlyMap<string, number>,
  eosToken: string | undefined,
): EncodeWord {
  const library = guarded("model", () => new Unigram(model, eosToken ?? ""));
  const unknown = typeof model.unk_id === "number" ? model.unk_id : undefined;
  return (word) =>
    library(word === "" ? [] : [word]).flatMap((token) => {
      const id = vocabulary.get(token) ?? unknown;
      return id === undefined ? [] : [id];
    });
}
