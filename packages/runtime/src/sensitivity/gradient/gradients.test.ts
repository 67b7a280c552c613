/** The backward pass against the reference files, and against differences of the runtime's own loss. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FloatBuffer, GradientKernels } from "@stepdown/core";
import { createWasmGradientKernels } from "@stepdown/kernels-wasm";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { largestDifference, listGoldenModels, readTensors } from "../../test-support/golden-models.js";
import { makeNested, randomCheckpoint, tinyConfig } from "../../test-support/tiny-models.js";
import { collectGradientSensitivity } from "./collect-gradient-sensitivity.js";
import { allocateGradientBuffers } from "./gradient-buffers.js";
import { type GradientObserver, runGradientPass } from "./gradient-pass.js";
import { type GradientModel, loadGradientModel } from "./gradient-weights.js";

/** Tolerances of the reference files' README: losses absolute, others relative to a tensor's largest magnitude. */
const LOSS = 1e-5;
const GRADIENT = 1e-4;
const FISHER = 2e-4;
const MOMENT = 1e-5;

function relative(found: Float32Array, expected: Float32Array): number {
  return largestDifference(found, expected) / expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Loss of a sequence and the gradient of every linear layer. */
async function gradientsOf(kernels: GradientKernels, model: GradientModel, ids: readonly number[]) {
  const gradients = new Map<string, Float32Array>();
  const inputs = new Map<string, { x: Float32Array; gradient: Float32Array }>();
  const take = (buffer: FloatBuffer, length: number): Float32Array => kernels.read(buffer, 0, length);
  const observer: GradientObserver = {
    onGradient({ name, rows, columns }, input, gradient, tokens) {
      const output = kernels.allocate(rows * columns);
      kernels.multiply({
        left: { buffer: gradient, rowStride: 1, columnStride: rows },
        right: { buffer: input, rowStride: columns, columnStride: 1 },
        output: { buffer: output, rowStride: columns, columnStride: 1 },
        ...{ rows, columns, depth: tokens },
      });
      gradients.set(name, kernels.read(output));
      kernels.free(output);
      inputs.set(name, { x: take(input, tokens * columns), gradient: take(gradient, tokens * rows) });
    },
  };
  const buffers = allocateGradientBuffers(kernels, model.configuration, ids.length);
  const loss = await runGradientPass({ kernels, model, buffers }, ids, observer);
  buffers.free();
  return { loss, gradients, inputs };
}

const models = listGoldenModels(goldenPath("gradients"));

describe.skipIf(models.length === 0)(models.length === 0 ? skipReason("gradients") : "gradients", () => {
  for (const { name, folder, unsupported, variants } of models) {
    if (unsupported !== undefined) {
      it.skip(`of ${name} (skipped: ${unsupported})`);
      continue;
    }
    it(`of ${name} are those of the reference: losses, gradients, Fisher sums and second moments`, async () => {
      const expected = await readTensors(join(folder, "expected.safetensors"));
      const { lossPerSequence, quantizableModules } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
      const ids = [...expected.get("input_ids")!];
      await using checkpoint = await variants[0]!.open();
      const length = ids.length / lossPerSequence.length;
      const chunks = Array.from({ length: lossPerSequence.length }, (_, i) => ids.slice(i * length, (i + 1) * length));
      await using kernels = await createWasmGradientKernels();

      const model = await loadGradientModel(checkpoint, kernels);
      const { loss, gradients } = await gradientsOf(kernels, model, chunks[0]!);
      model.free();
      expect(Math.abs(loss - lossPerSequence[0])).toBeLessThan(LOSS);
      expect([...gradients.keys()].sort()).toEqual([...quantizableModules].sort());
      for (const [layer, gradient] of gradients)
        expect(relative(gradient, expected.get(`grad.${layer}.weight`)!), layer).toBeLessThan(GRADIENT);

      using fisher = await collectGradientSensitivity({ kind: "fisher", checkpoint, kernels, chunks });
      fisher.losses.forEach((value, i) => {
        expect(Math.abs(value - lossPerSequence[i])).toBeLessThan(LOSS);
      });
      expect(fisher.layers.map((layer) => layer.name).sort()).toEqual([...quantizableModules].sort());
      for (const layer of quantizableModules)
        expect(relative(fisher.read(layer)!.values, expected.get(`fisher.${layer}.weight`)!)).toBeLessThan(FISHER);

      using moments = await collectGradientSensitivity({ kind: "input-moments", checkpoint, kernels, chunks });
      for (const { name: layer, columns } of moments.layers) {
        const { values } = moments.read(layer)!;
        const diagonal = expected.get(`moment.${layer}`)!.map((_, k) => values[k * columns + k]! / ids.length);
        expect(relative(diagonal, expected.get(`moment.${layer}`)!)).toBeLessThan(MOMENT);
        const whole = expected.get(`hessian.${layer}`);
        if (whole !== undefined) expect(relative(values, whole)).toBeLessThan(MOMENT);
      }
    });
  }
});

/** One configuration per branch of the pass. */
const configurations: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "a tied head": { tie_word_embeddings: true },
  "biases everywhere": { attention_bias: true, mlp_bias: true },
  "layer norms side by side": {
    ...{ architectures: ["StableLmForCausalLM"], use_parallel_residual: true, use_qkv_bias: true },
    partial_rotary_factor: 0.5,
  },
  "head norms and a window": {
    ...{ architectures: ["Qwen3ForCausalLM"], head_dim: 16, use_sliding_window: true, sliding_window: 5 },
    max_window_layers: 1,
  },
};

describe("a backward pass", () => {
  for (const [what, changes] of Object.entries(configurations))
    it(`with ${what} gives the slopes of the loss along its gradients`, async () => {
      await using checkpoint = randomCheckpoint({ ...tinyConfig, ...changes });
      await using kernels = await createWasmGradientKernels();
      const model = await loadGradientModel(checkpoint, kernels);
      const ids = Array.from({ length: 20 }, (_, i) => (i * i * 7 + 3) % 40);
      const { gradients } = await gradientsOf(kernels, model, ids);
      const layers = model.weights.blocks.flatMap((b) => [
        b.query,
        b.key,
        b.value,
        b.attentionOutput,
        b.gate,
        b.up,
        b.down,
      ]);
      for (const { name, weight } of layers) {
        const gradient = gradients.get(name)!;
        const squares = gradient.reduce((sum, value) => sum + value * value, 0);
        // A step that changes the loss by a hundredth: well above float32's rounding, well below curvature.
        const step = 0.005 / squares;
        const kept = kernels.read(weight);
        const lossAt = async (s: number): Promise<number> => {
          kernels.write(
            weight,
            kept.map((value, i) => value + s * gradient[i]!),
          );
          return (await gradientsOf(kernels, model, ids)).loss;
        };
        const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
        kernels.write(weight, kept);
        expect(Math.abs(slope / squares - 1), name).toBeLessThan(0.01);
      }
    });

  it("weighs tokens of guided moments by the mean squared gradient of the layer's outputs", async () => {
    await using checkpoint = randomCheckpoint();
    await using kernels = await createWasmGradientKernels({ threads: 2 });
    const chunks = [
      Array.from({ length: 21 }, (_, i) => (i * 11) % 40),
      [1, 2, 3],
      Array.from({ length: 9 }, (_, i) => i),
    ];
    using found = await collectGradientSensitivity({ kind: "guided", checkpoint, kernels, chunks });
    const model = await loadGradientModel(checkpoint, kernels);
    const expected = new Map(found.layers.map(({ name, columns }) => [name, new Float32Array(columns * columns)]));
    for (const chunk of chunks) {
      const { inputs } = await gradientsOf(kernels, model, chunk);
      for (const { name, rows, columns } of found.layers) {
        const { x, gradient } = inputs.get(name)!;
        const sums = expected.get(name)!;
        for (let t = 0; t < chunk.length; t++) {
          const output = gradient.subarray(t * rows, (t + 1) * rows);
          const weight = (1e6 * output.reduce((sum, value) => sum + value * value, 0)) / rows;
          for (let i = 0; i < columns; i++)
            for (let j = 0; j < columns; j++)
              sums[i * columns + j]! += weight * x[t * columns + i]! * x[t * columns + j]!;
        }
      }
    }
    for (const [name, values] of expected) expect(relative(found.read(name)!.values, values)).toBeLessThan(MOMENT);
    expect(found.read("model.norm")).toBeUndefined();
  });

  it("reports tokens in rising order, stops on request and leaves no memory behind", async () => {
    await using checkpoint = randomCheckpoint();
    await using kernels = await createWasmGradientKernels();
    const [taken, allocate, free] = [new Set<FloatBuffer>(), kernels.allocate, kernels.free];
    kernels.allocate = (length) => {
      const buffer = allocate.call(kernels, length);
      taken.add(buffer);
      return buffer;
    };
    kernels.free = (buffer) => {
      taken.delete(buffer);
      free.call(kernels, buffer);
    };
    const chunks = [
      [1, 2, 3, 4],
      [5, 6, 7],
    ];
    const done: number[] = [];
    const stop = new AbortController();
    const onProgress = ({ unit, done: tokens }: { unit: string; done: number }): void => {
      if (unit !== "tokens") return;
      done.push(tokens);
      if (tokens === 5) stop.abort(new Error("enough"));
    };
    const shared = { kind: "fisher", checkpoint, kernels, chunks } as const;
    await expect(collectGradientSensitivity({ ...shared, signal: stop.signal, onProgress })).rejects.toThrow("enough");
    expect(taken.size).toBe(0);
    done.length = 0;
    const result = await collectGradientSensitivity({ ...shared, onProgress });
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(7);
    result[Symbol.dispose]();
    expect(taken.size).toBe(0);
  });

  it("refuses chunks of one token, unknown tokens and nested models", async () => {
    await using kernels = await createWasmGradientKernels();
    await using checkpoint = randomCheckpoint();
    const shared = { kind: "fisher", checkpoint, kernels } as const;
    await expect(collectGradientSensitivity({ ...shared, chunks: [[1]] })).rejects.toThrow(/two tokens/);
    await expect(collectGradientSensitivity({ ...shared, chunks: [] })).rejects.toThrow(/at least one chunk/);
    await expect(collectGradientSensitivity({ ...shared, chunks: [[1, 40]] })).rejects.toThrow(/Token id 40/);
    await using nested = randomCheckpoint(tinyConfig, { precisions: [2, 3, 4], make: makeNested });
    const chunks = [[1, 2]];
    await expect(collectGradientSensitivity({ ...shared, checkpoint: nested, chunks })).rejects.toThrow(
      /nested weights/,
    );
  });
});
