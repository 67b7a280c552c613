import {
  InvalidArgumentError,
  InvalidFileError,
  MissingFileError,
  StepdownError,
  UnsupportedError,
} from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  byteLevelTokenizer,
  ids,
  sentencePieceTokenizer,
  unigramTokenizer,
  wordPieceTokenizer,
} from "../test/small-tokenizers.js";
import { createTokenizer } from "./create-tokenizer.js";
import type { JsonObject } from "./untrusted.js";

const small = { byteLevelTokenizer, sentencePieceTokenizer, wordPieceTokenizer, unigramTokenizer };

describe("encoding", () => {
  test("byte-level BPE merges within words and keeps the space with the word", () => {
    const tokenizer = createTokenizer({ tokenizerJson: byteLevelTokenizer() });
    const tokens = ["the", "\u0120the", "\u0120t", "e", "\u0120", "aaaa", "aa", "a"].map(tokenizer.idOfToken);
    expect(tokenizer.encode("the the te  aaaaaaa")).toEqual([
      ...tokens.slice(0, 5),
      tokenizer.idOfToken("\u0120"),
      ...tokens.slice(5),
    ]);
  });

  test("characters without a token vanish before merging, so that their neighbours meet", () => {
    const tokenizer = createTokenizer({
      tokenizerJson: { ...byteLevelTokenizer(), pre_tokenizer: { type: "ByteLevel", use_regex: false } },
    });
    expect(tokenizer.encode("t\u0004he")).toEqual([tokenizer.idOfToken("the")]);
    expect(tokenizer.encode(`${"t\u0004he".repeat(100)}`)).toEqual(new Array(100).fill(tokenizer.idOfToken("the")));
  });

  test("SentencePiece BPE writes characters without a piece as bytes and puts the start token in front", () => {
    const tokenizer = createTokenizer({ tokenizerJson: sentencePieceTokenizer() });
    const expected = ["\u2581the", "\u2581", "<0xE2>", "<0x82>", "<0xAC>"].map(tokenizer.idOfToken);
    expect(tokenizer.encode("the \u20ac", { addSpecialTokens: false })).toEqual(expected);
    expect(tokenizer.encode("the \u20ac")).toEqual([0, ...expected]);
  });

  test("a run of unknown characters is one unknown token where the model says so", () => {
    const tokenizerJson = sentencePieceTokenizer();
    const model = { ...(tokenizerJson.model as JsonObject), byte_fallback: false };
    const encode = (fuse_unk: boolean) =>
      createTokenizer({
        tokenizerJson: { ...tokenizerJson, post_processor: null, model: { ...model, fuse_unk } },
      }).encode("a\u20ac\u20acb");
    expect(encode(true).filter((id) => id === 0)).toEqual([0]);
    expect(encode(false).filter((id) => id === 0)).toEqual([0, 0]);
  });

  test("WordPiece sets ideographs beyond U+FFFF apart and surrounds one text or two", () => {
    const tokenizer = createTokenizer({ tokenizerJson: wordPieceTokenizer(), tokenizerConfig: { pad_token: "[PAD]" } });
    expect(tokenizer.encode("Pl\u00e1ying\u{20000}plays")).toEqual([2, 4, 5, 10, 4, 6, 3]);
    expect(tokenizer.encodeFixedLength("a", { pair: "b b b b b", length: 8 })).toEqual({
      ids: [2, 7, 3, 8, 8, 8, 8, 3],
      attentionMask: [1, 1, 1, 1, 1, 1, 1, 1],
      typeIds: [0, 0, 0, 1, 1, 1, 1, 1],
    });
    expect(tokenizer.encodeFixedLength("a", { length: 5 })).toEqual({
      ids: [2, 7, 3, 0, 0],
      attentionMask: [1, 1, 1, 0, 0],
      typeIds: [0, 0, 0, 0, 0],
    });
    expect(() => tokenizer.encodeFixedLength("a", { length: 1 })).toThrow(InvalidArgumentError);
  });

  test("Unigram takes the most probable pieces, unknown text is the unknown token", () => {
    const tokenizer = createTokenizer({ tokenizerJson: unigramTokenizer() });
    expect(tokenizer.encode("ab b\u20ac\u20ac")).toEqual([6, 2, 4, 1]);
    expect(tokenizer.decode([6, 2, 4])).toBe("ab b");
  });

  test("RoBERTa's post-processor puts two separators between a pair", () => {
    const post_processor = { type: "RobertaProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] };
    const tokenizer = createTokenizer({ tokenizerJson: { ...wordPieceTokenizer(), post_processor } });
    expect(tokenizer.encodeFixedLength("a", { pair: "b", length: 6 }).ids).toEqual([2, 7, 3, 3, 8, 3]);
  });

  test("add_bos_token and add_eos_token count only where the post-processor adds nothing", () => {
    const tokenizerConfig = {
      bos_token: { content: "<end>" },
      eos_token: "a",
      add_bos_token: true,
      add_eos_token: true,
    };
    const without = createTokenizer({ tokenizerJson: byteLevelTokenizer(), tokenizerConfig });
    expect(without.encode("b")).toEqual([0, ...["b", "a"].map(without.idOfToken)]);
    expect(without.encode("b", { addSpecialTokens: false })).toEqual([without.idOfToken("b")]);
    const withProcessor = createTokenizer({ tokenizerJson: sentencePieceTokenizer(), tokenizerConfig });
    expect(withProcessor.encode("b").filter((id) => id === 0)).toEqual([0]);
    expect(withProcessor.encode("b").at(-1)).toBe(withProcessor.idOfToken("b"));
  });

  test("the strings of special tokens are tokens, unless they are to be read as text", () => {
    const tokenizer = createTokenizer({ tokenizerJson: byteLevelTokenizer() });
    expect(tokenizer.encode("a<end>b")).toEqual(["a", "<end>", "b"].map(tokenizer.idOfToken));
    expect(tokenizer.encode("a<end>b", { specialTokensAsText: true })).toEqual([..."aendb"].map(tokenizer.idOfToken));
  });
});

describe("decoding", () => {
  test("special tokens can be left out, ids nobody knows always are", () => {
    const tokenizer = createTokenizer({ tokenizerJson: byteLevelTokenizer() });
    const list = [0, ...tokenizer.encode("the an"), 999_999, -1, 0.5];
    expect(tokenizer.decode(list)).toBe("<end>the an");
    expect(tokenizer.decode(list, { skipSpecialTokens: true })).toBe("the an");
    expect(tokenizer.decode([])).toBe("");
  });

  test("a character whose bytes come one by one is given out with its last byte", () => {
    for (const make of [byteLevelTokenizer, sentencePieceTokenizer]) {
      const tokenizer = createTokenizer({ tokenizerJson: make() });
      const list = tokenizer.encode("\u20aca", { addSpecialTokens: false }).slice(make === byteLevelTokenizer ? 0 : 1);
      const decoder = tokenizer.createStreamingDecoder();
      expect(list.map((id) => decoder.push(id))).toEqual(["", "", "\u20ac", "a"]);
      expect(decoder.end()).toBe("");
    }
  });

  test("an unfinished character becomes U+FFFD at the end or when something else follows", () => {
    const tokenizer = createTokenizer({ tokenizerJson: sentencePieceTokenizer() });
    const [euro, a] = [tokenizer.idOfToken("<0xE2>")!, tokenizer.idOfToken("a")!];
    const decoder = tokenizer.createStreamingDecoder();
    expect([decoder.push(euro), decoder.push(a), decoder.push(euro), decoder.end()]).toEqual([
      "",
      "\ufffda",
      "",
      "\ufffd",
    ]);
  });

  test.each(Object.entries(small))(
    "%s: streamed pieces joined are the decoded text, whatever the ids",
    (_name, make) => {
      const tokenizer = createTokenizer({ tokenizerJson: make() });
      fc.assert(
        fc.property(fc.array(fc.nat(tokenizer.vocabularySize)), fc.boolean(), (list, skipSpecialTokens) => {
          const decoder = tokenizer.createStreamingDecoder({ skipSpecialTokens });
          const pieces = list.map((id) => decoder.push(id));
          expect(pieces.join("") + decoder.end()).toBe(tokenizer.decode(list, { skipSpecialTokens }));
        }),
      );
    },
  );
});

describe("what lies beside the vocabulary", () => {
  test("end-of-sequence ids come from all places, each once", () => {
    const assets = { tokenizerJson: byteLevelTokenizer(), tokenizerConfig: { eos_token: "<end>" } };
    expect(createTokenizer(assets).endOfSequenceIds).toEqual([0]);
    expect(createTokenizer({ ...assets, generationConfig: { eos_token_id: [7, 0] } }).endOfSequenceIds).toEqual([7, 0]);
    const ggufMetadata = { "tokenizer.ggml.eos_token_id": 5, "tokenizer.ggml.eot_token_id": 6n };
    expect(
      createTokenizer({ ...assets, generationConfig: { eos_token_id: 3 }, ggufMetadata }).endOfSequenceIds,
    ).toEqual([3, 0, 5, 6]);
    expect(createTokenizer({ tokenizerJson: byteLevelTokenizer() }).endOfSequenceIds).toEqual([]);
  });

  test("the vocabulary is as large as its largest id", () => {
    const added_tokens = [{ id: 500, content: "<far>", special: true }];
    const tokenizer = createTokenizer({ tokenizerJson: { ...byteLevelTokenizer(), added_tokens } });
    expect(tokenizer.vocabularySize).toBe(501);
    expect(tokenizer.idOfToken("<far>")).toBe(500);
    expect(tokenizer.idOfToken("nothing like it")).toBeUndefined();
  });

  test("without any vocabulary the error says what to add", () => {
    expect(() => createTokenizer({})).toThrow(MissingFileError);
    expect(() => createTokenizer({})).toThrow(/tokenizer\.json/);
  });

  test("components that are not implemented are refused, never passed over", () => {
    const base = byteLevelTokenizer();
    for (const change of [
      { normalizer: { type: "Mystery" } },
      { pre_tokenizer: { type: "Mystery" } },
      { post_processor: { type: "Mystery" } },
      { decoder: { type: "Mystery" } },
      { model: { type: "WordLevel", vocab: ids(["a"]) } },
    ]) {
      expect(() => createTokenizer({ tokenizerJson: { ...base, ...change } }), JSON.stringify(change)).toThrow(
        UnsupportedError,
      );
    }
  });

  test("files with impossible values are refused with a reason", () => {
    const base = byteLevelTokenizer();
    for (const change of [
      { model: null },
      { model: { type: "BPE", vocab: { a: -1 }, merges: [] } },
      { model: { type: "BPE", vocab: { a: 1e12 }, merges: [] } },
      { model: { type: "BPE", vocab: { a: 0 }, merges: ["a a"] } },
      { model: { type: "BPE", vocab: { a: 0 }, merges: [7] } },
      { model: { type: "WordPiece", vocab: { a: 0 }, unk_token: "[UNK]" } },
      { added_tokens: [{ id: "0", content: "x" }] },
      { added_tokens: [{ id: 4e9, content: "x" }] },
      { added_tokens: 5 },
      { pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } },
      { pre_tokenizer: { type: "Split", pattern: {}, behavior: "Isolated" } },
      { pre_tokenizer: { type: "Split", pattern: { String: "x" }, behavior: "Scattered" } },
      { decoder: { type: "Strip", content: "", start: 1, stop: 0 } },
      {
        post_processor: {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "constructor", type_id: 0 } }],
          pair: [],
        },
      },
    ]) {
      expect(() => createTokenizer({ tokenizerJson: { ...base, ...change } }), JSON.stringify(change)).toThrow(
        InvalidFileError,
      );
    }
    expect(() => createTokenizer({ tokenizerJson: [] })).toThrow(InvalidFileError);
    expect(() => createTokenizer({ tokenizerJson: base, generationConfig: { eos_token_id: "two" } })).toThrow(
      InvalidFileError,
    );
  });

  test.each([
    ["model", { type: { toString: "" } }],
    ["normalizer", { type: { toString: "" } }],
    ["pre_tokenizer", { type: { toString: "" } }],
    ["pre_tokenizer", { type: "Split", behavior: { toString: "" }, pattern: { String: "x" } }],
    ["post_processor", { type: { toString: "" } }],
    ["decoder", { type: { toString: "" } }],
  ])("a %s with an object that has a toString of its own is refused: %o", (component, config) => {
    const run = () => createTokenizer({ tokenizerJson: { ...byteLevelTokenizer(), [component]: config } });
    expect(run).toThrow(StepdownError);
  });

  test("components nested without end are refused", () => {
    let normalizer: unknown = { type: "Lowercase" };
    for (let depth = 0; depth < 100; depth += 1) normalizer = { type: "Sequence", normalizers: [normalizer] };
    expect(() => createTokenizer({ tokenizerJson: { ...byteLevelTokenizer(), normalizer } })).toThrow(InvalidFileError);
  });

  test.each(Object.entries(small))("%s with any value replaced works or throws an error of ours", (_name, make) => {
    const source = make();
    fc.assert(
      fc.property(fc.constantFrom(...paths(source)), fc.jsonValue({ maxDepth: 2 }), (path, value) => {
        try {
          const tokenizer = createTokenizer({ tokenizerJson: replaced(source, path, value) });
          tokenizer.decode(tokenizer.encode("the aab <end> [SEP] \u20ac"));
        } catch (error) {
          if (!StepdownError.isInstance(error)) throw error;
        }
      }),
      { numRuns: 400 },
    );
  });
});

/** Ways to every value of an object, short lists and objects in full, long ones by their first members. */
function paths(value: unknown, prefix: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [[...prefix]];
  const members = Object.entries(value).slice(0, 12);
  return [[...prefix], ...members.flatMap(([name, member]) => paths(member, [...prefix, name]))].filter(
    (path) => path.length > 0,
  );
}

function replaced(source: unknown, path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(source) as Record<string, unknown>;
  let place = copy;
  for (const name of path.slice(0, -1)) place = place[name] as Record<string, unknown>;
  place[path.at(-1)!] = value;
  return copy;
}
