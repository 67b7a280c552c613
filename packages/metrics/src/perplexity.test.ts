import { readFileSync } from "node:fs";
import { InvalidArgumentError, PrecisionUnavailableError, type Progress } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { createMockLanguageModel, type MockLanguageModel, type MockState } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { meanNegativeLogLikelihood, negativeLogLikelihoods } from "./negative-log-likelihood.js";
import { countChunks, perplexity } from "./perplexity.js";

/** The golden file's own tolerances. */
const RELATIVE = 1e-9;
const ABSOLUTE = 1e-12;

function expectNear(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.abs(expected) * RELATIVE + ABSOLUTE);
}

interface ExpectedLosses {
  token_nll: number[][];
  chunk_nll: number[];
  mean_nll: number;
  perplexity: number;
  total_nll: number;
}

interface GoldenCase {
  name: string;
  tokens: number[][];
  float_logits: number[][][];
  quantized_logits: number[][][];
  expected: { float: ExpectedLosses; quantized: ExpectedLosses };
}

interface Golden {
  cases: GoldenCase[];
  chunking: { tokens: number; chunk: number; chunks: number; scored_tokens: number; dropped: number }[];
}

const path = goldenPath("metrics", "perplexity.json");
const golden: Golden | undefined = path && JSON.parse(readFileSync(path, "utf8"));
const sides = (golden?.cases ?? []).flatMap(({ name, tokens, float_logits, quantized_logits, expected }) => [
  [`${name}, float`, { tokens, logits: float_logits, expected: expected.float }] as const,
  [`${name}, quantized`, { tokens, logits: quantized_logits, expected: expected.quantized }] as const,
]);

/** A model that answers with recorded logits: the chunk is known by its tokens, the position by their number. */
function recordedModel(tokens: number[][], logits: number[][][]): MockLanguageModel {
  const answer = (state: MockState): number[] => {
    const chunk = tokens.findIndex((ids) => state.tokens.every((id, index) => ids[index] === id));
    return logits[chunk]![state.tokens.length - 1]!;
  };
  const vocabularySize = logits[0]![0]!.length;
  return createMockLanguageModel({ answers: { kind: "logits", logits: answer }, vocabularySize, precisions: [4] });
}

describe.skipIf(!golden)(golden ? "golden perplexities" : skipReason("golden perplexities"), () => {
  it.each(sides)("has the same loss at every position: %s", (_, { tokens, logits, expected }) => {
    tokens.forEach((ids, chunk) => {
      const scored = Float32Array.from(logits[chunk]!.slice(0, -1).flat());
      const losses = negativeLogLikelihoods(scored, ids.slice(1));
      expect(losses).toHaveLength(expected.token_nll[chunk]!.length);
      losses.forEach((loss, position) => {
        expectNear(loss, expected.token_nll[chunk]![position]!);
      });
      expectNear(meanNegativeLogLikelihood(scored, ids.slice(1)), expected.chunk_nll[chunk]!);
    });
  });

  it.each(sides)("has the same perplexity over all chunks, in slices of any size: %s", async (_, side) => {
    const { tokens, logits, expected } = side;
    const ids = [...tokens.flat(), ...tokens[0]!.slice(0, -1)];
    const tokensPerChunk = tokens[0]!.length;
    for (const tokensPerForward of [1, 3, 256]) {
      const model = recordedModel(tokens, logits);
      const found = await perplexity(model, ids, { precision: 4, tokensPerChunk, tokensPerForward });
      expectNear(found.perplexity, expected.perplexity);
      expectNear(found.meanLoss, expected.mean_nll);
      found.chunkLosses.forEach((loss, chunk) => {
        expectNear(loss, expected.chunk_nll[chunk]!);
      });
      expect(found.tokensScored).toBe(tokens.length * (tokensPerChunk - 1));
      expect(found.tokensDropped).toBe(tokensPerChunk - 1);
      expectNear(found.meanLoss * found.tokensScored, expected.total_nll);
    }
  });

  it("cuts texts into as many chunks", () => {
    for (const { tokens, chunk, chunks, scored_tokens, dropped } of golden!.chunking) {
      if (chunks === 0) expect(() => countChunks(tokens, chunk)).toThrow(InvalidArgumentError);
      else expect(countChunks(tokens, chunk)).toBe(chunks);
      expect(scored_tokens).toBe(chunks * (chunk - 1));
      expect(dropped).toBe(tokens - chunks * chunk);
    }
  });
});

describe("perplexity", () => {
  const uniform = () =>
    createMockLanguageModel({ answers: { kind: "logits", logits: () => new Float32Array(10) }, vocabularySize: 10 });
  const ids = Array.from({ length: 100 }, (_, index) => index % 10);

  it("is the size of the vocabulary for a model that knows nothing", async () => {
    const found = await perplexity(uniform(), ids, { precision: 3, tokensPerChunk: 16 });
    expect(found.perplexity).toBeCloseTo(10, 10);
    expect(found).toMatchObject({ tokensScored: 90, tokensDropped: 4 });
  });

  it("scores every chunk from an empty sequence and forwards neither its last token nor too many at once", async () => {
    const model = uniform();
    await perplexity(model, Uint32Array.from(ids), { precision: 2, tokensPerChunk: 8, chunks: 2, tokensPerForward: 5 });
    const calls = model.forwards.map(({ position, tokens, precision, logits }) => ({
      position,
      tokens,
      precision,
      logits,
    }));
    const how = { precision: 2, logits: "all" };
    expect(calls).toEqual([
      { position: 0, tokens: [0, 1, 2, 3, 4], ...how },
      { position: 5, tokens: [5, 6], ...how },
      { position: 0, tokens: [8, 9, 0, 1, 2], ...how },
      { position: 5, tokens: [3, 4], ...how },
    ]);
    expect(model.openSequences).toBe(0);
  });

  it("reports targets as they are scored", async () => {
    const reports: Progress[] = [];
    await perplexity(uniform(), ids, {
      precision: 3,
      tokensPerChunk: 50,
      tokensPerForward: 30,
      onProgress: (report) => reports.push(report),
    });
    expect(reports.map(({ done }) => done)).toEqual([30, 49, 79, 98]);
    expect(reports.every(({ total, unit }) => total === 98 && unit === "tokens")).toBe(true);
  });

  it("stops at an abort and frees its sequence", async () => {
    const model = uniform();
    const controller = new AbortController();
    const reason = new Error("enough");
    const options = { precision: 3, tokensPerChunk: 50, tokensPerForward: 7, signal: controller.signal };
    const work = perplexity(model, ids, { ...options, onProgress: () => controller.abort(reason) });
    await expect(work).rejects.toBe(reason);
    expect(model.forwards).toHaveLength(1);
    expect(model.openSequences).toBe(0);
  });

  it("says how many tokens there are when they are too few", async () => {
    const options = { precision: 3, tokensPerChunk: 64 };
    await expect(perplexity(uniform(), [1, 2, 3], options)).rejects.toThrow(
      "The text has 3 tokens, too few for 1 chunk of 64.",
    );
    await expect(perplexity(uniform(), ids, { ...options, chunks: 2 })).rejects.toThrow(
      "has 100 tokens, too few for 2 chunks",
    );
    await expect(perplexity(uniform(), ids, { ...options, tokensPerChunk: 1 })).rejects.toThrow(InvalidArgumentError);
    await expect(perplexity(uniform(), ids, { ...options, chunks: 0 })).rejects.toThrow(InvalidArgumentError);
    await expect(perplexity(uniform(), ids, { ...options, precision: 5 })).rejects.toThrow(PrecisionUnavailableError);
  });
});

describe("negativeLogLikelihoods", () => {
  it("keeps the digits of probabilities near one", () => {
    const [loss] = negativeLogLikelihoods(Float32Array.of(40, 0), [0]);
    expect(loss! / Math.exp(-40)).toBeCloseTo(1, 12);
  });

  it("refuses logits that do not fit the targets", () => {
    expect(() => negativeLogLikelihoods(new Float32Array(7), [0, 1])).toThrow(InvalidArgumentError);
    expect(() => negativeLogLikelihoods(new Float32Array(4), [0, 2])).toThrow(InvalidArgumentError);
    expect(() => negativeLogLikelihoods(new Float32Array(4), [])).toThrow(InvalidArgumentError);
  });
});
