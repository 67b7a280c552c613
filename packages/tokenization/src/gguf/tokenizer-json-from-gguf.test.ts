import { InvalidFileError, StepdownError, UnsupportedError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteLevelTokenizer } from "../../test/small-tokenizers.js";
import { createTokenizer } from "../create-tokenizer.js";
import { tokenizerJsonFromGguf } from "./tokenizer-json-from-gguf.js";

const pieces = ["<unk>", "<s>", "</s>", "<0xE2>", "<0x82>", "<0xAC>", "\u2581", "a", "b", "ab", "\u2581ab", "<tool>"];
const sentencePiece = {
  "tokenizer.ggml.model": "llama",
  "tokenizer.ggml.tokens": pieces,
  "tokenizer.ggml.scores": Float32Array.from(pieces, (_, id) => -id),
  "tokenizer.ggml.token_type": Int32Array.from([2, 3, 3, 6, 6, 6, 1, 1, 1, 1, 1, 4]),
  "tokenizer.ggml.bos_token_id": 1,
  "tokenizer.ggml.eos_token_id": 2n,
  "tokenizer.ggml.unknown_token_id": 0,
};
const bytePair = {
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "llama-bpe",
  "tokenizer.ggml.tokens": ["a", "b", "ab", "<|end|>", "1"],
  "tokenizer.ggml.token_type": [1, 1, 1, 3, 1],
  "tokenizer.ggml.merges": ["a b"],
  "tokenizer.ggml.bos_token_id": 3,
};
const wordPiece = {
  "tokenizer.ggml.model": "bert",
  "tokenizer.ggml.tokens": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581play", "ing", "s"],
  "tokenizer.ggml.token_type": [3, 3, 3, 3, 1, 1, 1],
  "tokenizer.ggml.unknown_token_id": 1,
  "tokenizer.ggml.cls_token_id": 2,
  "tokenizer.ggml.seperator_token_id": 3,
};

describe("vocabularies in GGUF metadata", () => {
  test("SentencePiece pieces join by score, unknown characters become bytes, text comes back", () => {
    const tokenizer = createTokenizer({ ggufMetadata: sentencePiece });
    expect(tokenizer.encode("ab a\u20ac<tool>")).toEqual([1, 10, 6, 7, 3, 4, 5, 11]);
    expect(tokenizer.decode(tokenizer.encode("ab a\u20ac"), { skipSpecialTokens: true })).toBe("ab a\u20ac");
    expect(tokenizer.endOfSequenceIds).toEqual([2]);
  });

  test("the start token, the end token and the space in front follow the file's settings", () => {
    const tokenizer = createTokenizer({
      ggufMetadata: {
        ...sentencePiece,
        "tokenizer.ggml.add_bos_token": false,
        "tokenizer.ggml.add_eos_token": true,
        "tokenizer.ggml.add_space_prefix": false,
      },
    });
    expect(tokenizer.encode("ab")).toEqual([9, 2]);
    expect(tokenizer.decode([6, 9])).toBe(" ab");
  });

  test("a file without kinds of tokens is read by roles and spelling", () => {
    const { "tokenizer.ggml.token_type": _, ...metadata } = sentencePiece;
    expect(createTokenizer({ ggufMetadata: metadata }).encode("ab\u20ac")).toEqual([1, 10, 3, 4, 5]);
  });

  test("byte-level BPE takes splitting and start token from the pre-tokenizer's name", () => {
    expect(createTokenizer({ ggufMetadata: bytePair }).encode("ab1")).toEqual([3, 2, 4]);
    expect(createTokenizer({ ggufMetadata: { ...bytePair, "tokenizer.ggml.pre": "qwen2" } }).encode("ab1")).toEqual([
      2, 4,
    ]);
  });

  test("WordPiece is surrounded by its marks", () => {
    const tokenizer = createTokenizer({ ggufMetadata: wordPiece });
    expect(tokenizer.encode("Playing plays")).toEqual([2, 4, 5, 4, 6, 3]);
    expect(tokenizer.decode([4, 5])).toBe("playing");
  });

  test("a whole tokenizer.json inside the metadata is used", () => {
    const ggufMetadata = {
      "tokenizer.huggingface.json": JSON.stringify(byteLevelTokenizer()),
      "tokenizer.chat_template": "T",
    };
    const tokenizer = createTokenizer({ ggufMetadata });
    expect(tokenizer.encode("the")).toEqual([tokenizer.idOfToken("the")]);
    expect(tokenizer.applyChatTemplate([])).toBe("T");
  });

  test("what is unknown is named and refused", () => {
    expect(() => tokenizerJsonFromGguf({ ...bytePair, "tokenizer.ggml.pre": "mystery" })).toThrow(UnsupportedError);
    expect(() => tokenizerJsonFromGguf({ ...bytePair, "tokenizer.ggml.pre": "mystery" })).toThrow(/mystery.*qwen2/);
    expect(() => tokenizerJsonFromGguf({ ...bytePair, "tokenizer.ggml.pre": "constructor" })).toThrow(UnsupportedError);
    expect(() => tokenizerJsonFromGguf({ ...bytePair, "tokenizer.ggml.model": "rwkv" })).toThrow(UnsupportedError);
    expect(() => tokenizerJsonFromGguf({ "tokenizer.ggml.model": "no_vocab", "tokenizer.ggml.tokens": [] })).toThrow(
      UnsupportedError,
    );
  });

  test("metadata that cannot be right is refused", () => {
    for (const change of [
      { "tokenizer.ggml.tokens": "ab" },
      { "tokenizer.ggml.tokens": [1, 2] },
      { "tokenizer.ggml.token_type": [1] },
      { "tokenizer.ggml.merges": undefined },
      { "tokenizer.ggml.bos_token_id": 17 },
      { "tokenizer.ggml.bos_token_id": -1 },
      { "tokenizer.ggml.merges": ["a"] },
    ]) {
      expect(() => createTokenizer({ ggufMetadata: { ...bytePair, ...change } }), JSON.stringify(change)).toThrow(
        InvalidFileError,
      );
    }
  });

  test.each([sentencePiece, bytePair, wordPiece])("any value replaced works or throws an error of ours", (metadata) => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.bigInt(), fc.int8Array(), fc.array(fc.string()));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(metadata)), value, (key, replacement) => {
        try {
          const tokenizer = createTokenizer({ ggufMetadata: { ...metadata, [key]: replacement } });
          tokenizer.decode(tokenizer.encode("ab playing \u20ac"));
        } catch (error) {
          if (!StepdownError.isInstance(error)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});
