import { InvalidFileError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sentencePieceTokenizer } from "../../test/small-tokenizers.js";
import { BPE } from "../library.js";
import { type AddedToken, parseAddedTokens } from "./added-token.js";
import { createAddedTokenSplitter } from "./added-token-splitter.js";
import { createBytePairModel } from "./byte-pair-model.js";
import { createPreTokenizer } from "./pre-tokenizer.js";
import { parseSplitBehavior, type SplitBehavior, splitText } from "./split-text.js";
import { parseModelVocabulary } from "./vocabulary.js";

describe("splitting by a pattern", () => {
  test.each<[SplitBehavior, string[]]>([
    ["Removed", ["the", "final", "countdown"]],
    ["Isolated", ["the", "-", "final", "-", "-", "countdown"]],
    ["MergedWithPrevious", ["the-", "final-", "-", "countdown"]],
    ["MergedWithNext", ["the", "-final", "-", "-countdown"]],
    ["Contiguous", ["the", "-", "final", "--", "countdown"]],
  ])("%s", (behavior, expected) => {
    expect(splitText("the-final--countdown", /-/g, behavior)).toEqual(expected);
  });

  test("inverted, the text between the matches takes their part", () => {
    expect(splitText("ab, cd", /[a-z]+/g, "Removed", true)).toEqual(["ab", "cd"]);
  });

  test("behaviors are read in both spellings and others refused", () => {
    expect(parseSplitBehavior("merged_with_next", "x")).toBe("MergedWithNext");
    expect(() => parseSplitBehavior("Torn", "x")).toThrow(InvalidFileError);
  });
});

describe("pre-tokenizers", () => {
  const split = (config: unknown, text: string, atStart = true) => createPreTokenizer(config).split(text, atStart);

  test("digits are all of Unicode's numbers, one by one or in runs", () => {
    expect(split({ type: "Digits", individual_digits: true }, "a1\u00bd\u0663b")).toEqual([
      "a",
      "1",
      "\u00bd",
      "\u0663",
      "b",
    ]);
    expect(split({ type: "Digits", individual_digits: false }, "a1\u00bd\u0663b")).toEqual(["a", "1\u00bd\u0663", "b"]);
  });

  test("white space is Unicode's: U+0085 is some, U+FEFF is not", () => {
    expect(split({ type: "ByteLevel", use_regex: true }, "a\u0085\ufeffb")).toEqual(["a", "\u0085", "\ufeff", "b"]);
  });

  test("Whitespace, Punctuation and Metaspace follow the reference", () => {
    expect(split({ type: "Whitespace" }, "h\u00e9, y'all!")).toEqual(["h\u00e9", ",", "y", "'", "all", "!"]);
    expect(split({ type: "Punctuation" }, "a..b$")).toEqual(["a", ".", ".", "b", "$"]);
    expect(split({ type: "Metaspace" }, "a  b")).toEqual(["\u2581a", "\u2581", "\u2581b"]);
    expect(split({ type: "Metaspace", split: false, prepend_scheme: "first" }, "a b")).toEqual(["\u2581a\u2581b"]);
    expect(split({ type: "Metaspace", split: false, prepend_scheme: "first" }, "a b", false)).toEqual(["a\u2581b"]);
  });

  test("a sequence applies its steps in order, bytes are spelled last", () => {
    const steps = [
      { type: "Digits", individual_digits: true },
      { type: "ByteLevel", add_prefix_space: false },
    ];
    const preTokenizer = createPreTokenizer({ type: "Sequence", pretokenizers: steps });
    expect(preTokenizer.split("in 1999", true)).toEqual(["in", " ", "1", "9", "9", "9"]);
    expect(preTokenizer.spell(" \u00e9")).toBe("\u0120\u00c3\u00a9");
  });

  test("no piece of the text is lost or doubled", () => {
    const preTokenizer = createPreTokenizer({ type: "ByteLevel", add_prefix_space: false });
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(preTokenizer.split(text, true).join("")).toBe(text);
      }),
    );
  });
});

describe("added tokens", () => {
  const token = (id: number, content: string, options: Partial<AddedToken> = {}): AddedToken => ({
    id,
    content,
    singleWord: false,
    stripLeft: false,
    stripRight: false,
    normalized: false,
    special: true,
    ...options,
  });
  const split = (text: string, ...tokens: AddedToken[]) =>
    createAddedTokenSplitter(tokens.map((entry) => [entry.content, entry]))
      .split(text)
      .map((section) => ("id" in section ? section.id : section.text));

  test("the leftmost and then the longest match wins", () => {
    expect(split("xabcab", token(1, "ab"), token(2, "abc"), token(3, "bcab"))).toEqual(["x", 2, 1]);
  });

  test("white space is swallowed where the token says so", () => {
    expect(split("a \n<m>  b", token(1, "<m>", { stripLeft: true, stripRight: true }))).toEqual(["a", 1, "b"]);
    expect(split("a  <m> <m> b", token(1, "<m>", { stripRight: true }))).toEqual(["a  ", 1, 1, "b"]);
  });

  test("a single word must not touch another", () => {
    const word = token(1, "cat", { singleWord: true });
    expect(split("cat concat cats (cat)", word)).toEqual([1, " concat cats (", 1, ")"]);
  });

  test("`normalized` defaults to the opposite of `special`", () => {
    expect(
      parseAddedTokens([
        { id: 0, content: "a", special: true },
        { id: 1, content: "b" },
      ]).map((entry) => entry.normalized),
    ).toEqual([false, true]);
  });
});

describe("cutting long words", () => {
  test("never changes an id", () => {
    const model = sentencePieceTokenizer().model as Record<string, unknown>;
    const vocabulary = parseModelVocabulary(model.vocab);
    const encode = createBytePairModel(model, vocabulary);
    const whole = new BPE({ ...model, merges: (model.merges as string[]).map((merge) => merge.split(" ")) });
    const words = fc.string({ unit: fc.constantFrom(..."\u2581abcdeht"), minLength: 130, maxLength: 600 });
    fc.assert(
      fc.property(words, (word) => {
        expect(encode(word)).toEqual(whole.bpe(word).map((token) => vocabulary.get(token)));
      }),
    );
  });
});
