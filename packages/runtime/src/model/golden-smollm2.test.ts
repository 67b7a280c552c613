/**
 * A real model of 135 million parameters on WebAssembly kernels; about half a minute. The plain TypeScript kernels would
 * need an hour.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KernelSet, LanguageModel } from "@stepdown/core";
import { createWasmKernels } from "@stepdown/kernels-wasm";
import { openCheckpoint } from "@stepdown/model-format";
import { dataPath, goldenPath, skipReason } from "@stepdown/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { logSumExp } from "../sampling/log-probabilities.js";
import { largestDifference, readTensors } from "../test-support/golden-models.js";
import { loadLanguageModel } from "./load-language-model.js";

/** Tolerances of the reference files' README, for float32 arithmetic. */
const LOGIT_TOLERANCE = 1e-3;
const KEY_VALUE_TOLERANCE = 3e-4;

/** For a cache of 16-bit numbers, which moves logits by up to 0.05. */
const HALF_CACHE_TOLERANCE = 0.25;

/** Likely tokens whose logits are stored per position. */
const TOP = 20;

const folder = goldenPath("smollm2");
const modelFolder = findModelFolder();
const isThere = folder !== undefined && modelFolder !== undefined;
const prompts = folder === undefined ? [] : Object.keys(readJson(join(folder, "prompts.json")));

describe.skipIf(!isThere)(isThere ? "a model of 135 million parameters" : skipReason("SmolLM2-135M"), () => {
  let kernels: KernelSet;
  let model: LanguageModel;
  let expected: ReadonlyMap<string, Float32Array>;

  beforeAll(async () => {
    expected = await readTensors(join(folder!, "expected.safetensors"));
    kernels = await createWasmKernels();
    await using checkpoint = await openCheckpoint(modelFolder!);
    model = await loadLanguageModel({ checkpoint, kernels });
  });
  afterAll(async () => {
    await model?.[Symbol.asyncDispose]();
    await kernels?.[Symbol.asyncDispose]();
  });

  it.each(prompts)("computes the logits, cache and greedy continuation of prompt %s", async (prompt) => {
    const get = (name: string): Float32Array => expected.get(`${prompt}.${name}`)!;
    const ids = [...get("input_ids")];
    const precision = model.precisions[0]!;
    const vocabulary = model.description.vocabularySize;
    const greedy = [...get("greedy_ids")];
    await using sequence = await model.createSequence({ capacity: ids.length + greedy.length });
    const { logits: all } = await sequence.forward(ids, { precision, logits: "all" });
    const row = (t: number): Float32Array => all.subarray(t * vocabulary, (t + 1) * vocabulary);

    expect(largestDifference(row(ids.length - 1), get("last_logits"))).toBeLessThan(LOGIT_TOLERANCE);
    for (const t of ids.keys()) {
      const top = pick(row(t), get("top20_ids").subarray(t * TOP, (t + 1) * TOP));
      expect(largestDifference(top, get("top20_logits").subarray(t * TOP, (t + 1) * TOP))).toBeLessThan(
        LOGIT_TOLERANCE,
      );
    }
    const logProbabilities = ids.slice(1).map((id, t) => row(t)[id]! - logSumExp(row(t)));
    const wanted = get("token_log_probabilities");
    expect(largestDifference(Float32Array.from(logProbabilities), wanted)).toBeLessThan(LOGIT_TOLERANCE);

    const { keys, values } = await sequence.readKeyValues(model.description.blocks - 1);
    expect(largestDifference(keys, get("last_block_keys"))).toBeLessThan(KEY_VALUE_TOLERANCE);
    expect(largestDifference(values, get("last_block_values"))).toBeLessThan(KEY_VALUE_TOLERANCE);

    await using half = await model.createSequence({ capacity: ids.length, cacheType: "f16" });
    const { logits: rough } = await half.forward(ids, { precision });
    expect(largestDifference(rough, get("last_logits"))).toBeLessThan(HALF_CACHE_TOLERANCE);

    let logits = row(ids.length - 1);
    for (const [step, wantedId] of greedy.entries()) {
      const top = pick(logits, get("greedy_top20_ids").subarray(step * TOP, (step + 1) * TOP));
      const wantedTop = get("greedy_top20_logits").subarray(step * TOP, (step + 1) * TOP);
      expect(largestDifference(top, wantedTop)).toBeLessThan(LOGIT_TOLERANCE);
      const id = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
      expect(id).toBe(wantedId);
      if (step + 1 < greedy.length) ({ logits } = await sequence.forward([id], { precision }));
    }
  });
});

function pick(logits: Float32Array, ids: Float32Array): Float32Array {
  return ids.map((id) => logits[id]!);
}

/** The folder of the model whose name begins with that of the reference folder, among the data's models. */
function findModelFolder(): string | undefined {
  const models = dataPath("models");
  const name = models && readdirSync(models).find((entry) => entry.toLowerCase().startsWith("smollm2"));
  const found = name && join(models, name);
  return found && existsSync(found) ? found : undefined;
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}
