import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Checkpoint } from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { openCheckpoint } from "@stepdown/model-format";
import { loadLanguageModel } from "@stepdown/runtime";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSyntheticCheckpoint } from "../synthetic/synthetic-model.js";
import { ensureSyntheticGguf, type GgufFileType, ggufFileTypes } from "./synthetic-gguf.js";

/** Wide enough for a row of a K type, narrow enough to be computed in no time. */
const config = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 256,
  intermediate_size: 288,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 300,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 20000,
  tie_word_embeddings: false,
};
const seed = 5;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-bench-gguf-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const make = async (type: GgufFileType, changes: object = {}, into = folder) =>
  await ensureSyntheticGguf({ config: { ...config, ...changes }, name: "tiny", type, seed }, into, () => {});

async function logitsOf(checkpoint: Checkpoint): Promise<Float32Array> {
  await using kernels = createReferenceKernels();
  await using model = await loadLanguageModel({ checkpoint, kernels });
  await using sequence = await model.createSequence({ capacity: 8 });
  return (await sequence.forward([3, 299, 17, 4, 100], { precision: model.precisions[0]! })).logits;
}

describe("synthetic GGUF files", () => {
  it.each([
    ["f16", "F16", false],
    ["f32", "F32", true],
  ] as const)("a %s file gives the logits of the synthetic model", async (kind, type, tied) => {
    const shape = { ...config, tie_word_embeddings: tied };
    const { path } = await make(type, shape);
    await using file = await openCheckpoint(path);
    const name = "synthetic";
    await using made = createSyntheticCheckpoint({ config: shape, name, kind, seedBits: 2, bits: 4, seed });
    expect(await logitsOf(file)).toEqual(await logitsOf(made));
  });

  it.each(Object.keys(ggufFileTypes) as GgufFileType[])("%s has weights of a trained layer's size", async (type) => {
    const { path, weightBytes } = await make(type);
    await using file = await openCheckpoint(path);
    let bytes = 0;
    for (const [name, tensor] of file.tensors) {
      if (tensor.shape.length !== 2) continue;
      if (name !== "model.embed_tokens.weight") bytes += tensor.bytes;
      const values = await file.readFloat32(name);
      const columns = tensor.shape[1]!;
      let [sum, squares] = [0, 0];
      for (const value of values) {
        sum += value;
        squares += value * value;
      }
      const spread = Math.sqrt((squares / values.length) * columns);
      expect([name, spread > 0.5 && spread < 2]).toEqual([name, true]);
      expect(Math.abs(sum / values.length) * Math.sqrt(columns)).toBeLessThan(0.2);
    }
    expect(weightBytes).toBe(bytes);
    const logits = await logitsOf(file);
    expect(logits.every(Number.isFinite)).toBe(true);
  });

  it("takes IQ4_NL and Q8_0 where a K type does not fit", async () => {
    const narrow = { hidden_size: 96, num_attention_heads: 3, num_key_value_heads: 1, tie_word_embeddings: true };
    const { path } = await make("Q2_K", narrow);
    await using file = await openCheckpoint(path);
    expect(file.tensors.get("model.embed_tokens.weight")?.type).toBe("Q8_0");
    expect(file.tensors.get("model.layers.0.mlp.up_proj.weight")?.type).toBe("IQ4_NL");
  });

  it("is the same every time, is made once, and leaves nothing half done", async () => {
    const other = await mkdtemp(join(folder, "again-"));
    const first = await make("Q3_K");
    const second = await make("Q3_K", {}, other);
    expect(Buffer.compare(await readFile(first.path), await readFile(second.path))).toBe(0);
    let written = 0;
    const options = { config, name: "tiny", type: "Q3_K", seed } as const;
    await ensureSyntheticGguf(options, other, () => written++);
    expect(written).toBe(0);

    const stop = AbortSignal.abort();
    const empty = await mkdtemp(join(folder, "stopped-"));
    await expect(ensureSyntheticGguf(options, empty, () => {}, stop)).rejects.toThrow();
    expect(await readdir(empty)).toEqual([]);
  });
});
