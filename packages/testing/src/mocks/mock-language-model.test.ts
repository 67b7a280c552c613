import { readFileSync } from "node:fs";
import { ContextExceededError, InvalidArgumentError, PrecisionUnavailableError } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import type { MockAnswers } from "./mock-answers.js";
import { createMockLanguageModel, type MockLanguageModel } from "./mock-language-model.js";

type Run = [precision: number, length: number];

interface LoopCase {
  name: string;
  prompt: number[];
  eosIds: number[];
  loaded: number[];
  precisions: number[];
  highSteps: number;
  model: MockAnswers;
  maxNew?: number;
  maxLength?: number;
  corrected: { generated: number[]; prefill: number; decode: Run[] };
}

const path = goldenPath("schedulers", "loop", "loop.json");
const golden: { vocabulary: number; cases: LoopCase[] } | undefined = path && JSON.parse(readFileSync(path, "utf8"));

/** Greedy generation with two precisions, only as much of a runtime as these cases need. */
async function generate(model: MockLanguageModel, golden: LoopCase): Promise<number[]> {
  const { prompt, eosIds, precisions, highSteps, corrected } = golden;
  const limit = golden.maxNew ?? (golden.maxLength === undefined ? 256 : golden.maxLength - prompt.length);
  const sequence = await model.createSequence();
  const generated: number[] = [];
  let { logits } = await sequence.forward(prompt, { precision: corrected.prefill });
  for (;;) {
    generated.push(logits.indexOf(Math.max(...logits)));
    if (eosIds.includes(generated.at(-1)!) || generated.length >= limit) return generated;
    const precision = generated.length - 1 < highSteps ? Math.max(...precisions) : Math.min(...precisions);
    ({ logits } = await sequence.forward(generated.slice(-1), { precision }));
  }
}

describe.skipIf(!golden)(golden ? "golden generation loops" : skipReason("golden generation loops"), () => {
  it("generates the golden ids at the golden precisions from scripts and tables", async () => {
    const kinds = new Set<string>();
    for (const loop of golden!.cases) {
      kinds.add(loop.model.kind);
      const options = { answers: loop.model, precisions: loop.loaded, vocabularySize: golden!.vocabulary };
      const model = createMockLanguageModel(options);
      expect(await generate(model, loop), loop.name).toEqual(loop.corrected.generated);
      const expected = loop.corrected.decode.flatMap(([precision, length]) => new Array(length).fill(precision));
      const [prefill, ...decode] = model.forwards.map(({ precision }) => precision);
      expect([prefill, decode], loop.name).toEqual([loop.corrected.prefill, expected]);
    }
    expect([...kinds].sort()).toEqual(["script", "table"]);
  });
});

const counting: MockAnswers = { kind: "script", tokens: [10, 11, 12] };
const likeliest = (logits: Float32Array): number => logits.indexOf(Math.max(...logits));

describe("createMockLanguageModel", () => {
  it("gives logits of the last, of all or of no positions", async () => {
    const sequence = await createMockLanguageModel({ answers: counting, vocabularySize: 20 }).createSequence();
    const { logits: all } = await sequence.forward([1, 2], { precision: 4, logits: "all" });
    expect(all).toHaveLength(40);
    expect(all.reduce((sum, value) => sum + value, 0)).toBe(2);
    const { logits: none } = await sequence.forward([10], { precision: 4, logits: "none" });
    expect(none).toHaveLength(0);
    const { logits: last } = await sequence.forward([11, 12], { precision: [4, 2] });
    expect(likeliest(last)).toBe(12);
    expect(last).toHaveLength(20);
  });

  it("answers from what is cached, so that truncation brings the old answer back", async () => {
    const sequence = await createMockLanguageModel({ answers: counting }).createSequence();
    await sequence.forward([1, 2, 3], { precision: 4 });
    const first = (await sequence.forward([10], { precision: 4 })).logits;
    sequence.truncate(3);
    expect(sequence.length).toBe(3);
    expect((await sequence.forward([10], { precision: 4 })).logits).toEqual(first);
    sequence.truncate(0);
    expect(likeliest((await sequence.forward([1], { precision: 4 })).logits)).toBe(10);
    expect(() => sequence.truncate(2)).toThrow(InvalidArgumentError);
  });

  it("stops between chunks at an abort and is as long as before", async () => {
    const model = createMockLanguageModel({ answers: counting });
    const sequence = await model.createSequence();
    await sequence.forward([1], { precision: 4 });
    const controller = new AbortController();
    const done: number[] = [];
    const onProgress = (progress: { done: number }) => {
      done.push(progress.done);
      if (progress.done >= 4) controller.abort(new Error("enough"));
    };
    const options = { precision: 4, chunkTokens: 2, signal: controller.signal, onProgress };
    await expect(sequence.forward([1, 2, 3, 4, 5, 6], options)).rejects.toThrow("enough");
    expect(done).toEqual([2, 4]);
    expect(sequence.length).toBe(1);
    expect(model.forwards).toHaveLength(1);
  });

  it("refuses what does not fit, precisions it lacks and calls that overlap", async () => {
    const model = createMockLanguageModel({ answers: counting, precisions: [3, 4], vocabularySize: 20 });
    const sequence = await model.createSequence({ capacity: 3, cacheType: "f16" });
    expect(model.cacheTypes).toEqual(["f16"]);
    await expect(sequence.forward([1, 2, 3, 4], { precision: 4 })).rejects.toThrow(ContextExceededError);
    await expect(sequence.forward([1], { precision: 2 })).rejects.toThrow(PrecisionUnavailableError);
    await expect(sequence.forward([1], { precision: [4, 8] })).rejects.toThrow(PrecisionUnavailableError);
    await expect(sequence.forward([1], { precision: [4] })).rejects.toThrow(InvalidArgumentError);
    await expect(sequence.forward([20], { precision: 4 })).rejects.toThrow(InvalidArgumentError);
    await expect(sequence.forward([], { precision: 4 })).rejects.toThrow(InvalidArgumentError);
    expect(sequence.length).toBe(0);
    const running = sequence.forward([1], { precision: 4 });
    await expect(sequence.forward([1], { precision: 4 })).rejects.toThrow("must not overlap");
    await running;
    await sequence[Symbol.asyncDispose]();
    await sequence[Symbol.asyncDispose]();
    expect(model.openSequences).toBe(0);
    await expect(sequence.forward([1], { precision: 4 })).rejects.toThrow(InvalidArgumentError);
  });

  it("has keys and values that depend on position, token, precision and block, and on nothing else", async () => {
    const read = async (tokens: number[], precisions: number[], block: number) => {
      const sequence = await createMockLanguageModel({ answers: counting }).createSequence();
      for (const [index, token] of tokens.entries()) await sequence.forward([token], { precision: precisions[index]! });
      return sequence.readKeyValues(block);
    };
    const first = await read([1, 2], [4, 4], 1);
    expect(first).toMatchObject({ keyValueHeads: 2, positions: 2, headDimension: 4 });
    expect(first.keys).toHaveLength(16);
    expect(Math.max(...first.keys.map(Math.abs))).toBeLessThanOrEqual(1);
    expect(await read([1, 2], [4, 4], 1)).toEqual(first);
    const others = [await read([1, 3], [4, 4], 1), await read([1, 2], [4, 3], 1), await read([1, 2], [4, 4], 0)];
    for (const other of others) expect(other.keys).not.toEqual(first.keys);
    expect(first.values).not.toEqual(first.keys);
    // Position 0 of head 0 does not know of what came later.
    expect(others[1]!.keys.subarray(0, 4)).toEqual(first.keys.subarray(0, 4));
  });

  it("prices decisions by their mean precision", () => {
    const model = createMockLanguageModel({ answers: counting });
    expect(model.cost([4, 2]).effectiveBits).toBe(3);
    expect(model.cost(8).nestedBytes).toBe(model.description.nestedWeights);
    expect(() => model.cost(5)).toThrow(PrecisionUnavailableError);
  });
});
