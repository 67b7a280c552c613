/** Small tokenizers in the form of tokenizer.json, for tests that must not need any file. */
import type { JsonObject } from "../src/untrusted.js";

const end = {
  id: 0,
  content: "<end>",
  special: true,
  normalized: false,
  single_word: false,
  lstrip: false,
  rstrip: false,
};

/** Byte-level BPE over the bytes of ASCII letters and some others, GPT-2's splitting. */
export function byteLevelTokenizer(): JsonObject {
  const alphabet = [..."abcdefghijklmnopqrstuvwxyz.,!\u0120\u010a\u00c3\u00a9\u00e2\u0124\u00ac\u0142"];
  const words = ["<end>", ...alphabet, "th", "the", "\u0120the", "\u0120t", "an", "in", "aa", "aaaa"];
  return {
    version: "1.0",
    added_tokens: [end],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: ids(words),
      merges: ["t h", "th e", "\u0120 the", "\u0120 t", "a n", ["i", "n"], "a a", "aa aa"].map((merge) =>
        Array.isArray(merge) ? merge.join(" ") : merge,
      ),
    },
  };
}

/** SentencePiece-like BPE: `▁` for spaces, bytes for the unknown, the whole text one word. */
export function sentencePieceTokenizer(): JsonObject {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const pieces = ["<end>", ...bytes, ..."\u2581abcdeht", "th", "the", "\u2581the", "ab", "\u2581a", "aa", "aab"];
  return {
    added_tokens: [end],
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "\u2581" },
        { type: "Replace", pattern: { String: " " }, content: "\u2581" },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<end>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<end>": { id: "<end>", ids: [0], tokens: ["<end>"] } },
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "\u2581" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<end>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: ids(pieces),
      merges: ["t h", "th e", "\u2581 the", "a b", "\u2581 a", "a a", "aa b"],
    },
  };
}

/** WordPiece with BERT's normalizer and marks around the text. */
export function wordPieceTokenizer(): JsonObject {
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##s", "a", "b", "!", "\u{20000}"];
  return {
    added_tokens: ["[UNK]", "[CLS]", "[SEP]"].map((content, index) => ({ ...end, id: index + 1, content })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: { type: "WordPiece", unk_token: "[UNK]", vocab: ids(pieces) },
  };
}

/** Unigram over `▁` text, as T5-like models have it. */
export function unigramTokenizer(): JsonObject {
  const vocab = [
    ["<end>", 0],
    ["<unk>", 0],
    ["\u2581", -3],
    ["a", -2],
    ["b", -2],
    ["ab", -2.5],
    ["\u2581ab", -3],
  ];
  return {
    added_tokens: [end],
    normalizer: { type: "Replace", pattern: { String: "$" }, content: "$&" },
    pre_tokenizer: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always" },
    post_processor: null,
    decoder: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always" },
    model: { type: "Unigram", unk_id: 1, vocab },
  };
}

/** Ids in order of the list. */
export function ids(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}
