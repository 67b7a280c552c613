import { InvalidFileError } from "@stepdown/core";
import { describe, expect, it } from "vitest";
import { readTrace } from "./trace-document.js";

const trace = { promptTokens: 5, prefill: 4, decode: [4, 3, [3, 2]] };

describe("a trace document", () => {
  it("may be what generate prints: the first token's bits are the prompt's", () => {
    const tokens = [4, 4, 3, [3, 2]].map((bits, id) => ({ id, text: "a", bits }));
    expect(readTrace({ text: "aaaa", tokens, prefillBits: 4, promptTokens: 5, averageBits: 3.2 }, "run.json")).toEqual(
      trace,
    );
  });

  it("may be a trace, or hold one", () => {
    expect(readTrace(trace, "trace.json")).toEqual(trace);
    expect(readTrace({ task: "summary", trace }, "record.json")).toEqual(trace);
  });

  it.each([
    [{ error: { code: "unsupported", message: "no such codec" } }, /failed run: no such codec/],
    [{}, /generate --json/],
    [{ promptTokens: 5 }, /neither tokens nor a list decode/],
    [{ promptTokens: 5, prefill: 4, decode: [4, "3"] }, /decode\[1\]/],
    [{ promptTokens: 5, prefillBits: 4, tokens: [{ bits: 4 }, null] }, /tokens\[1\]\.bits/],
    [{ promptTokens: 5, prefill: [], decode: [4] }, /prefill/],
    [{ promptTokens: 5, prefillBits: 4, tokens: [{ bits: 4 }] }, /no decode passes/],
  ])("that is none is refused, naming the file and the key: %j", (document, message) => {
    expect(() => readTrace(document, "run.json")).toThrow(InvalidFileError);
    expect(() => readTrace(document, "run.json")).toThrow(/run\.json/);
    expect(() => readTrace(document, "run.json")).toThrow(message);
  });
});
