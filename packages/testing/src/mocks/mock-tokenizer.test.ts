import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMockTokenizer } from "./mock-tokenizer.js";

const tokenizer = createMockTokenizer();

describe("createMockTokenizer", () => {
  it("encodes bytes, with a start token where wanted, and decodes them back", () => {
    expect(tokenizer.encode("é")).toEqual([256, 0xc3, 0xa9]);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
      }),
    );
  });

  it("streams the same text piece by piece, whatever the ids", () => {
    const ids = fc.array(fc.integer({ min: 0, max: 257 }), { maxLength: 12 });
    fc.assert(
      fc.property(ids, fc.boolean(), (sequence, skipSpecialTokens) => {
        const decoder = tokenizer.createStreamingDecoder({ skipSpecialTokens });
        const pieces = sequence.map((id) => decoder.push(id));
        expect(pieces.join("") + decoder.end()).toBe(tokenizer.decode(sequence, { skipSpecialTokens }));
      }),
    );
  });

  it("never gives out half a character", () => {
    const decoder = tokenizer.createStreamingDecoder();
    const pieces = tokenizer.encode("a😀b", { addSpecialTokens: false }).map((id) => decoder.push(id));
    expect(pieces).toEqual(["a", "", "", "", "😀", "b"]);
    decoder.push(0xf0);
    expect(decoder.end()).toBe("\uFFFD");
  });

  it("knows its special tokens and writes conversations", () => {
    expect(tokenizer.idOfToken("</s>")).toBe(257);
    expect(tokenizer.idOfToken("a")).toBe(97);
    expect(tokenizer.idOfToken("ab")).toBeUndefined();
    expect(tokenizer.applyChatTemplate([{ role: "user", content: "hi" }])).toBe("[user]hi\n[assistant]");
  });
});
