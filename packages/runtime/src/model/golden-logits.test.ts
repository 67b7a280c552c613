import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LanguageModel } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { largestDifference, listGoldenModels, readTensors } from "../test-support/golden-models.js";
import { kernelSets } from "../test-support/kernel-sets.js";
import { loadLanguageModel } from "./load-language-model.js";

/** Logits move by up to 0.011 with 16-bit keys and values (README of the reference files, which allows this much). */
const HALF_CACHE_TOLERANCE = 0.05;

/** Chunk sizes that divide no prompt length evenly. */
const ODD_CHUNKS = [5, 13];

const root = goldenPath("logits");
const models = listGoldenModels(root);
const summary = root === undefined ? {} : readSummary(join(root, "summary.json"));

describe.skipIf(models.length === 0)(models.length === 0 ? skipReason("logits of reference models") : "logits", () => {
  for (const { name, folder, unsupported, variants } of models) {
    if (unsupported !== undefined) {
      it.skip(`${name} (skipped: ${unsupported})`);
      continue;
    }
    const tolerance = summary[name]?.tolerance;
    for (const { label: kernelsName, create } of kernelSets) {
      for (const { label, open } of variants) {
        it(`of ${name} from ${label} on ${kernelsName} kernels`, async () => {
          const expected = await readTensors(join(folder, "expected.safetensors"));
          await using kernels = await create();
          await using checkpoint = await open();
          await using model = await loadLanguageModel({ checkpoint, kernels });
          await comparePrompts(model, expected, tolerance!);
          await compareGreedy(model, expected, tolerance!);
        });
      }
      it(`of ${name} in odd chunks and with a 16-bit cache on ${kernelsName} kernels`, async () => {
        const expected = await readTensors(join(folder, "expected.safetensors"));
        await using kernels = await create();
        await using checkpoint = await variants[0]!.open();
        await using model = await loadLanguageModel({ checkpoint, kernels });
        const longest = promptsOf(expected).sort((a, b) => b.ids.length - a.ids.length)[0]!;
        const precision = model.precisions[0]!;
        for (const chunkTokens of ODD_CHUNKS) {
          await using sequence = await model.createSequence();
          const { logits } = await sequence.forward(longest.ids, { precision, logits: "all", chunkTokens });
          expect(largestDifference(logits, longest.logits)).toBeLessThan(tolerance!);
        }
        await using half = await model.createSequence({ cacheType: "f16" });
        const { logits } = await half.forward(longest.ids, { precision, logits: "all" });
        const difference = largestDifference(logits, longest.logits);
        expect(difference).toBeLessThan(HALF_CACHE_TOLERANCE);
        // A 16-bit cache that changes nothing would be no 16-bit cache.
        expect(difference).toBeGreaterThan(1e-5);
      });
    }
  }
});

type Tensors = ReadonlyMap<string, Float32Array>;

/** Prompts by the names of their tensors: `prompt….input_ids`, `prompt….logits`. */
function promptsOf(expected: Tensors): { prefix: string; ids: number[]; logits: Float32Array }[] {
  return [...expected.keys()].flatMap((name) => {
    const prefix = /^(.+)\.input_ids$/.exec(name)?.[1];
    const logits = expected.get(`${prefix}.logits`);
    return prefix === undefined || logits === undefined ? [] : [{ prefix, ids: [...expected.get(name)!], logits }];
  });
}

async function comparePrompts(model: LanguageModel, expected: Tensors, tolerance: number): Promise<void> {
  const precision = model.precisions[0]!;
  const prompts = promptsOf(expected);
  expect(prompts.length).toBeGreaterThan(0);
  for (const { prefix, ids, logits: wanted } of prompts) {
    await using sequence = await model.createSequence({ capacity: ids.length });
    const { logits } = await sequence.forward(ids, { precision, logits: "all" });
    expect(largestDifference(logits, wanted)).toBeLessThan(tolerance);
    const wantedKeys = expected.get(`${prefix}.last_block_keys`);
    if (wantedKeys === undefined) continue;
    const { keys, values } = await sequence.readKeyValues(model.description.blocks - 1);
    expect(largestDifference(keys, wantedKeys)).toBeLessThan(tolerance);
    expect(largestDifference(values, expected.get(`${prefix}.last_block_values`)!)).toBeLessThan(tolerance);
  }
}

/** Token by token with a cache, each chosen from the model's own logits. */
async function compareGreedy(model: LanguageModel, expected: Tensors, tolerance: number): Promise<void> {
  const precision = model.precisions[0]!;
  const vocabulary = model.description.vocabularySize;
  const runs = promptsOf(expected).filter(({ prefix }) => expected.has(`${prefix}.greedy_ids`));
  expect(runs.length).toBeGreaterThan(0);
  for (const { prefix, ids } of runs) {
    const wantedIds = [...expected.get(`${prefix}.greedy_ids`)!];
    const wantedLogits = expected.get(`${prefix}.greedy_logits`)!;
    await using sequence = await model.createSequence();
    let { logits } = await sequence.forward(ids, { precision });
    for (const [step, wanted] of wantedIds.entries()) {
      const row = wantedLogits.subarray(step * vocabulary, (step + 1) * vocabulary);
      expect(largestDifference(logits, row)).toBeLessThan(tolerance);
      const id = logits.indexOf(Math.max(...logits));
      expect(id).toBe(wanted);
      ({ logits } = await sequence.forward([id], { precision }));
    }
  }
}

function readSummary(path: string): Record<string, { tolerance: number } | undefined> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, { tolerance: number }>;
}
