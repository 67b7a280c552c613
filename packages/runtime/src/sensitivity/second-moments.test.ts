import { join } from "node:path";
import { InvalidArgumentError } from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { createMockLanguageModel } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { loadLanguageModel } from "../model/load-language-model.js";
import { largestDifference, listGoldenModels, readTensors } from "../test-support/golden-models.js";
import { randomCheckpoint } from "../test-support/tiny-models.js";
import { collectSecondMoments } from "./collect-second-moments.js";
import { createSecondMomentSensitivity } from "./create-second-moment-sensitivity.js";

/** Relative to the largest value of a tensor, for float32 arithmetic (README of the reference files). */
const TOLERANCE = 1e-5;

const models = listGoldenModels(goldenPath("gradients"));

describe.skipIf(models.length === 0)(models.length === 0 ? skipReason("second moments") : "second moments", () => {
  for (const { name, folder, unsupported, variants } of models) {
    if (unsupported !== undefined) {
      it.skip(`of ${name} (skipped: ${unsupported})`);
      continue;
    }
    it(`of ${name} are those of the reference`, async () => {
      const expected = await readTensors(join(folder, "expected.safetensors"));
      const ids = [...expected.get("input_ids")!];
      const tokens = expected.get("logits.0")!.length;
      await using checkpoint = await variants[0]!.open();
      const length = tokens / Number(checkpoint.config.vocab_size);
      const chunks = Array.from({ length: ids.length / length }, (_, i) => ids.slice(i * length, (i + 1) * length));
      await using kernels = createReferenceKernels();
      const done: number[] = [];
      const onProgress = (progress: { done: number }): void => void done.push(progress.done);
      const moments = await collectSecondMoments({ checkpoint, kernels, chunks, onProgress });

      const names = [...expected.keys()].filter((key) => key.startsWith("moment.")).map((key) => key.slice(7));
      expect([...moments.keys()].sort()).toEqual(names.sort());
      for (const layer of names) {
        const wanted = expected.get(`moment.${layer}`)!;
        const scale = Math.max(...wanted);
        expect(largestDifference(moments.get(layer)!, wanted) / scale).toBeLessThan(TOLERANCE);
      }
      expect(done.at(-1)).toBe(ids.length);
    });
  }
});

describe("second moments of a loaded model", () => {
  it("do not depend on how text is cut into chunks of the forward pass, and leave the model as it was", async () => {
    const model = await loadLanguageModel({ checkpoint: randomCheckpoint(), kernels: createReferenceKernels() });
    const chunk = [3, 1, 4, 1, 5];
    const once = await collectSecondMoments({ model, chunks: [chunk] });
    const twice = await collectSecondMoments({ model, chunks: [chunk, chunk] });
    for (const [name, values] of once) expect(largestDifference(twice.get(name)!, values)).toBeLessThan(1e-6);
    await using sequence = await model.createSequence({ capacity: 5 });
    expect((await sequence.forward(chunk, { precision: 32 })).logits).toHaveLength(40);
  });

  it("need calibration text and something to run it on", async () => {
    const model = await loadLanguageModel({ checkpoint: randomCheckpoint(), kernels: createReferenceKernels() });
    await expect(collectSecondMoments({ model, chunks: [] })).rejects.toBeInstanceOf(InvalidArgumentError);
    const mock = createMockLanguageModel({ answers: { kind: "script", tokens: [1] } });
    await expect(collectSecondMoments({ model: mock, chunks: [[1]] })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(collectSecondMoments({ chunks: [[1]] })).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it("stop when aborted", async () => {
    const model = await loadLanguageModel({ checkpoint: randomCheckpoint(), kernels: createReferenceKernels() });
    const controller = new AbortController();
    const run = collectSecondMoments({
      model,
      chunks: [[1], [2], [3]],
      signal: controller.signal,
      onProgress: ({ done }) => done === 2 && controller.abort(new Error("stop")),
    });
    await expect(run).rejects.toThrow("stop");
  });
});

describe("the sensitivity source of second moments", () => {
  const shape = { rows: 2, columns: 2 };

  it("gives one value per column, nothing for layers that were not seen, and refuses other shapes", async () => {
    const source = await createSecondMomentSensitivity(new Map([["a", Float32Array.of(1, 2)]]), { key: "mine" });
    expect({ name: source.name, key: source.key }).toEqual({ name: "second-moments", key: "mine" });
    expect(await source.read("a", shape)).toEqual({ kind: "columns", values: Float32Array.of(1, 2) });
    expect(await source.read("b", shape)).toBeUndefined();
    await expect(source.read("a", { rows: 2, columns: 3 })).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it("has a key of its own that depends on names and values but not on their order", async () => {
    const keyOf = async (entries: [string, Float32Array][]): Promise<string> => {
      return (await createSecondMomentSensitivity(new Map(entries))).key;
    };
    const a: [string, Float32Array] = ["a", Float32Array.of(1)];
    const b: [string, Float32Array] = ["b", Float32Array.of(2)];
    const key = await keyOf([a, b]);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(await keyOf([b, a])).toBe(key);
    expect(await keyOf([a, ["b", Float32Array.of(3)]])).not.toBe(key);
    expect(
      await keyOf([
        ["a", Float32Array.of(1, 2)],
        ["b", new Float32Array()],
      ]),
    ).not.toBe(key);
  });
});
