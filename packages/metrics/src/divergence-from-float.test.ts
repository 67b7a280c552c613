import { InvalidArgumentError, type Progress } from "@stepdown/core";
import { createMockLanguageModel } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { divergenceFromFloat } from "./divergence-from-float.js";
import { perplexity } from "./perplexity.js";
import { mean } from "./statistics.js";

const VOCABULARY = 12;
const ids = Array.from({ length: 70 }, (_, index) => (index * 5) % VOCABULARY);

/** Logits that depend on the position and, by `sharpness`, on who answers. */
function model(sharpness: number, vocabularySize = VOCABULARY) {
  return createMockLanguageModel({
    answers: {
      kind: "logits",
      logits: ({ tokens }) =>
        Float32Array.from({ length: vocabularySize }, (_, id) => sharpness * Math.sin(id * tokens.length)),
    },
    vocabularySize,
    precisions: [2, 3],
  });
}

describe("divergenceFromFloat", () => {
  it("finds the losses that perplexity finds, for the model and for the reference, in slices of any size", async () => {
    const [reference, other] = [model(2), model(1)];
    const options = { tokensPerChunk: 16, chunks: 3 };
    const alone = await perplexity(other, ids, { ...options, precision: 3 });
    const referenceAlone = await perplexity(reference, ids, { ...options, precision: 3 });
    for (const tokensPerForward of [1, 4, 256]) {
      const found = await divergenceFromFloat(reference, other, ids, { ...options, tokensPerForward });
      expect(found.precisions.map(({ precision }) => precision)).toEqual([2, 3]);
      expect(found.tokensScored).toBe(45);
      for (const { tokens } of found.precisions) {
        expect(mean(tokens.losses)).toBeCloseTo(alone.meanLoss, 12);
        expect(mean(tokens.referenceLosses)).toBeCloseTo(referenceAlone.meanLoss, 12);
        expect(Math.min(...tokens.divergences)).toBeGreaterThan(0);
      }
    }
    expect(reference.openSequences + other.openSequences).toBe(0);
  });

  it("finds no divergence between a model and itself, and the same most likely token everywhere", async () => {
    const same = model(3);
    const { precisions } = await divergenceFromFloat(same, same, ids, { tokensPerChunk: 20, precisions: [2] });
    expect(precisions).toHaveLength(1);
    expect(Math.max(...precisions[0]!.tokens.divergences)).toBe(0);
    expect(mean(precisions[0]!.tokens.sameTop)).toBe(1);
  });

  it("reports every precision's tokens, and stops at an abort with all sequences freed", async () => {
    const reports: Progress[] = [];
    const onProgress = (report: Progress) => void reports.push(report);
    await divergenceFromFloat(model(2), model(1), ids, { tokensPerChunk: 35, tokensPerForward: 34, onProgress });
    expect(reports.map(({ done }) => done)).toEqual([34, 68, 102, 136]);
    expect(reports.at(-1)?.total).toBe(136);

    const [reference, other] = [model(2), model(1)];
    const controller = new AbortController();
    const work = divergenceFromFloat(reference, other, ids, {
      tokensPerChunk: 35,
      tokensPerForward: 5,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await expect(work).rejects.toThrow("enough");
    expect(reference.openSequences + other.openSequences).toBe(0);
  });

  it("refuses models of different vocabularies", async () => {
    await expect(divergenceFromFloat(model(1), model(1, 13), ids)).rejects.toThrow(InvalidArgumentError);
  });
});
