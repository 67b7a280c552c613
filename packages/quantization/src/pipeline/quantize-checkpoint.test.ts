import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Checkpoint,
  type CodebookWeight,
  InvalidArgumentError,
  InvalidFileError,
  MissingFileError,
  OutputFailedError,
  type Progress,
  UnsupportedError,
} from "@stepdown/core";
import { createInMemoryCheckpoint, dequantizeNested, openCheckpoint } from "@stepdown/model-format";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { quantizeBinaryCoded } from "../linear/quantize-binary-coded.js";
import { quantizeLinear } from "../linear/quantize-linear.js";
import { createRowPool } from "../pool/create-row-pool.js";
import { linearLayerNames } from "./architectures.js";
import { quantizeCheckpoint } from "./quantize-checkpoint.js";

const HIDDEN = 24;
const VOCABULARY = 40;
const BLOCKS = 2;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-quantize-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

interface Changes {
  readonly config?: Record<string, unknown>;
  /** Replaces tensors; `undefined` leaves one out. */
  readonly tensors?: Readonly<Record<string, { shape: number[]; data: Float32Array } | undefined>>;
}

/** A small model with every kind of tensor; its numbers depend on their names only. */
function createModel({ config = {}, tensors = {} }: Changes = {}): Checkpoint {
  const full = {
    architectures: ["LlamaForCausalLM"],
    num_hidden_layers: BLOCKS,
    hidden_size: HIDDEN,
    tie_word_embeddings: false,
    ...config,
  };
  const all: Record<string, { shape: number[]; data: Float32Array } | undefined> = {};
  const add = (name: string, ...shape: number[]): void => {
    const seed = [...name].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 9973, 7);
    const length = shape.reduce((product, size) => product * size, 1);
    all[name] = { shape, data: Float32Array.from({ length }, (_, i) => Math.sin(seed + i * i)) };
  };
  add("model.embed_tokens.weight", VOCABULARY, HIDDEN);
  add("lm_head.weight", VOCABULARY, HIDDEN);
  add("model.norm.weight", HIDDEN);
  for (const name of linearLayerNames({ architectures: ["LlamaForCausalLM"], num_hidden_layers: BLOCKS })) {
    add(`${name}.weight`, HIDDEN, HIDDEN);
  }
  add("model.layers.0.self_attn.q_proj.bias", HIDDEN);
  const present = Object.entries({ ...all, ...tensors }).flatMap(([name, tensor]) =>
    tensor === undefined ? [] : [[name, tensor] as const],
  );
  return createInMemoryCheckpoint({
    config: full,
    tensors: new Map(present),
    textAssets: { tokenizerJson: { model: { type: "BPE" } }, chatTemplate: "{{ messages }}" },
  });
}

function quantize(checkpoint: Checkpoint, options: object = {}): ReturnType<typeof quantizeCheckpoint> {
  return quantizeCheckpoint({ checkpoint, directory: join(folder, "model"), threads: 0, ...options });
}

describe("a quantized checkpoint", () => {
  test("opens as a nested model whose layers are those of quantizeLinear", async () => {
    const source = createModel();
    await quantize(source, { bits: 5 });
    await using model = await openCheckpoint(join(folder, "model"), { verify: "always" });
    expect(model.kind).toBe("nested");
    expect(model.precisions).toEqual([2, 3, 4, 5]);
    const name = "model.layers.1.mlp.up_proj";
    expect(model.nestedLayers.get(name)).toMatchObject({ rows: HIDDEN, columns: HIDDEN, followsPrecision: true });
    await using pool = await createRowPool({ threads: 0 });
    const weight = await source.readFloat32(`${name}.weight`);
    const expected = await quantizeLinear(weight, { rows: HIDDEN, columns: HIDDEN }, { bits: 5, pool });
    expect(await model.readLinear(name)).toEqual(expected);
    expect(dequantizeNested(expected)).toEqual(await model.readFloat32(`${name}.weight`));
  });

  test("has embedding and head in a uniform code that follows no precision", async () => {
    await quantize(createModel(), { head: 6 });
    await using model = await openCheckpoint(join(folder, "model"));
    for (const name of ["model.embed_tokens", "lm_head"]) {
      expect(model.nestedLayers.get(name)).toMatchObject({ codec: "uniform", bits: 6, followsPrecision: false });
    }
  });

  test("keeps norms and biases in float32, and embedding and head in half precision where asked to", async () => {
    const source = createModel();
    await quantize(source, { head: "keep" });
    await using model = await openCheckpoint(join(folder, "model"));
    expect(model.tensors.get("model.norm.weight")?.type).toBe("F32");
    expect(model.tensors.get("model.layers.0.self_attn.q_proj.bias")?.type).toBe("F32");
    expect(model.tensors.get("lm_head.weight")?.type).toBe("F16");
    expect(await model.readFloat32("model.norm.weight")).toEqual(await source.readFloat32("model.norm.weight"));
  });

  test("keeps a matrix in float32 when half precision would overflow", async () => {
    const data = new Float32Array(VOCABULARY * HIDDEN).fill(1e5);
    const tensors = { "lm_head.weight": { shape: [VOCABULARY, HIDDEN], data } };
    await quantize(createModel({ tensors }), { head: "keep" });
    await using model = await openCheckpoint(join(folder, "model"));
    expect(model.tensors.get("lm_head.weight")?.type).toBe("F32");
    expect(model.tensors.get("model.embed_tokens.weight")?.type).toBe("F16");
  });

  test.each([
    ["both are stored", {}],
    ["only the head is stored", { "model.embed_tokens.weight": undefined }],
    ["only the embedding is stored", { "lm_head.weight": undefined }],
  ])("has one matrix for tied embeddings when %s", async (_, tensors) => {
    for (const head of ["keep", 8] as const) {
      const directory = join(folder, String(head));
      await quantize(createModel({ config: { tie_word_embeddings: true }, tensors }), { head, directory });
      await using model = await openCheckpoint(directory);
      expect(model.has("model.embed_tokens.weight")).toBe(true);
      expect(model.has("lm_head.weight")).toBe(false);
    }
  });

  test("carries its text assets and says how it was made", async () => {
    const sensitivity = { name: "flat", key: "k1", read: async () => undefined };
    await quantize(createModel(), { mode: "fixed", seed: 7, sensitivity, head: "keep" });
    await using model = await openCheckpoint(join(folder, "model"));
    const assets = await model.readTextAssets();
    expect(assets).toMatchObject({ tokenizerJson: { model: { type: "BPE" } }, chatTemplate: "{{ messages }}" });
    const config = JSON.parse(await readFile(join(folder, "model", "config.json"), "utf8"));
    expect(config).toMatchObject({ hidden_size: HIDDEN });
    expect(config.quantization_config).toMatchObject({
      codec: "codebook",
      seed_bits: 2,
      bits: 4,
      mode: "fixed",
      seed: 7,
      head_bits: "keep",
      sensitivity: { name: "flat", key: "k1" },
    });
    expect(config.quantization_config.library).toMatch(/^@stepdown\/quantization \d+\.\d+\.\d+/);
  });

  test("uses a sensitivity where there is one", async () => {
    const asked: string[] = [];
    const sensitivity = {
      name: "first-columns",
      key: "k2",
      async read(name: string, shape: { columns: number }) {
        asked.push(name);
        if (!name.endsWith("q_proj")) return undefined;
        return {
          kind: "columns" as const,
          values: Float32Array.from({ length: shape.columns }, (_, k) => 1 / (1 + k)),
        };
      },
    };
    await quantize(createModel(), { directory: join(folder, "with"), codec: "codebook", sensitivity });
    await quantize(createModel(), { directory: join(folder, "without"), codec: "codebook" });
    await using weighted = await openCheckpoint(join(folder, "with"));
    await using plain = await openCheckpoint(join(folder, "without"));
    expect(asked.sort()).toEqual(linearLayerNames({ ...plain.config }).sort());
    const differs = async (name: string): Promise<boolean> =>
      JSON.stringify(await weighted.readLinear(name)) !== JSON.stringify(await plain.readLinear(name));
    expect(await differs("model.layers.0.self_attn.q_proj")).toBe(true);
    expect(await differs("model.layers.0.self_attn.k_proj")).toBe(false);
  });

  test("is in the binary code where errors can be weighed and nothing of the codebook's is asked for", async () => {
    const sensitivity = { name: "none", key: "k3", read: async () => undefined };
    const codecOf = async (options: object): Promise<unknown> => {
      const directory = join(folder, JSON.stringify(Object.keys(options)).replaceAll(/\W/g, "_"));
      await quantize(createModel(), { directory, ...options });
      await using model = await openCheckpoint(directory);
      return [...model.nestedLayers.values()].find(({ followsPrecision }) => followsPrecision)?.codec;
    };
    expect(await codecOf({})).toBe("codebook");
    expect(await codecOf({ sensitivity })).toBe("bcq");
    expect(await codecOf({ sensitivity, mode: "fixed" })).toBe("codebook");
  });

  test("is reported with its effective bits and bytes", async () => {
    const report = await quantize(createModel(), { bits: 3, head: 8 });
    const matrices = 7 * BLOCKS;
    expect(report).toMatchObject({
      layers: matrices,
      weights: matrices * HIDDEN * HIDDEN,
      resumedLayers: 0,
      threads: 0,
      // 8 planes and a float32 scale per row, twice.
      headBytes: 2 * VOCABULARY * (HIDDEN + 4),
    });
    // p planes of HIDDEN / 8 bytes and 2^p half-precision entries per row.
    const bytes = (p: number): number => matrices * HIDDEN * ((p * HIDDEN) / 8 + 2 * 2 ** p);
    expect(report.precisions).toEqual([
      { precision: 2, bytes: bytes(2), effectiveBits: expect.closeTo(2 + (16 * 4) / HIDDEN, 9) },
      { precision: 3, bytes: bytes(3), effectiveBits: expect.closeTo(3 + (16 * 8) / HIDDEN, 9) },
    ]);
    await using model = await openCheckpoint(report.directory);
    const nested = [...model.nestedLayers.values()].filter(({ followsPrecision }) => followsPrecision);
    expect(nested.reduce((sum, layer) => sum + layer.bytesAt(3), 0)).toBe(bytes(3));
  });

  test("of the binary codec opens with layers that are those of quantizeBinaryCoded, and is reported alike", async () => {
    const source = createModel();
    const report = await quantize(source, { codec: "bcq", bits: 5, offset: true, head: "keep" });
    await using model = await openCheckpoint(join(folder, "model"), { verify: "always" });
    expect(model.precisions).toEqual([2, 3, 4, 5]);
    const config = JSON.parse(await readFile(join(folder, "model", "config.json"), "utf8"));
    expect(config.quantization_config).toMatchObject({ codec: "bcq", group_size: null, offsets: true });
    const name = "model.layers.1.mlp.up_proj";
    await using pool = await createRowPool({ threads: 0 });
    const weight = await source.readFloat32(`${name}.weight`);
    const shape = { rows: HIDDEN, columns: HIDDEN };
    const expected = await quantizeBinaryCoded(weight, shape, { bits: 5, offset: true, pool });
    expect(expected.groupSize).toBe(HIDDEN);
    expect(await model.readLinear(name)).toEqual(expected);
    expect(dequantizeNested(expected)).toEqual(await model.readFloat32(`${name}.weight`));
    // One group per row: p planes, p + 1 codes and a half-precision step.
    const perRow = (p: number): number => (p * HIDDEN) / 8 + p + 1 + 2;
    expect(report.precisions.map(({ bytes }) => bytes)).toEqual(
      [2, 3, 4, 5].map((p) => 7 * BLOCKS * HIDDEN * perRow(p)),
    );
  });

  test("leaves nothing beside itself, and progress ends at its total in every phase", async () => {
    const reports: Progress[] = [];
    await quantize(createModel(), { onProgress: (progress: Progress) => reports.push({ ...progress }) });
    expect(await readdir(folder)).toEqual(["model"]);
    const phases = [...new Set(reports.map(({ phase }) => phase))];
    expect(phases.length).toBeGreaterThanOrEqual(2);
    for (const phase of phases) {
      const done = reports.filter((report) => report.phase === phase).map((report) => report.done);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(reports.findLast((report) => report.phase === phase)).toMatchObject({
        done: done.at(-1),
        total: done.at(-1),
      });
    }
  });
});

describe("refusals", () => {
  test("an unknown architecture names those that are known", async () => {
    const run = quantize(createModel({ config: { architectures: ["RwkvForCausalLM"] } }));
    await expect(run).rejects.toThrow(UnsupportedError);
    await expect(run).rejects.toThrow(/RwkvForCausalLM.*LlamaForCausalLM.*PhiForCausalLM/);
  });

  test.each([
    [{ architectures: undefined }, UnsupportedError],
    [{ num_hidden_layers: 1e9 }, InvalidFileError],
    [{ num_hidden_layers: "2" }, InvalidFileError],
    [{ num_hidden_layers: 3 }, MissingFileError],
  ])("a configuration with %j is refused", async (config, kind) => {
    await expect(quantize(createModel({ config }))).rejects.toThrow(kind);
  });

  test("a nested model is not quantized again", async () => {
    await quantize(createModel());
    await using model = await openCheckpoint(join(folder, "model"));
    await expect(quantize(model, { directory: join(folder, "again") })).rejects.toThrow(InvalidArgumentError);
  });

  test("a damaged tensor is named, and the work done so far can be taken up", async () => {
    const name = "model.layers.1.mlp.down_proj.weight";
    const damaged = { shape: [HIDDEN, HIDDEN], data: new Float32Array(HIDDEN * HIDDEN).fill(Number.NaN) };
    const run = quantize(createModel({ tensors: { [name]: damaged } }));
    await expect(run).rejects.toThrow(InvalidFileError);
    await expect(run).rejects.toThrow(name);
    expect(await readdir(folder)).toEqual(["model.partial"]);
    const report = await quantize(createModel());
    expect(report.resumedLayers).toBeGreaterThan(0);
  });

  test.each([
    { head: 1 },
    { head: 9 },
    { head: "drop" },
    { bits: 12 },
    { threads: -1 },
    { groupSize: 24 },
    { codec: "bcq", groupSize: 16 },
    { codec: "bcq", mode: "exact" },
  ])("options %j are refused", async (options) => {
    await expect(quantize(createModel(), options)).rejects.toThrow(InvalidArgumentError);
  });

  test.each(["bcq", "codebook"])(
    "error feedback of %s without a text is refused before anything is written",
    async (codec) => {
      const run = quantize(createModel(), { codec, effort: "calibrated" });
      await expect(run).rejects.toThrow(InvalidArgumentError);
      await expect(run).rejects.toThrow(/calibration text/);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  test("error feedback and weights kept apart are refused together", async () => {
    const sensitivity = { name: "guided", key: "a", read: async () => undefined };
    const run = quantize(createModel(), { effort: "best", outliers: 0.01, sensitivity });
    await expect(run).rejects.toThrow(UnsupportedError);
    await expect(run).rejects.toThrow(/outliers is 0.01.*best/);
  });

  test("an unknown codec names those that are known", async () => {
    await expect(quantize(createModel(), { codec: "zip" })).rejects.toThrow(UnsupportedError);
    await expect(quantize(createModel(), { codec: "zip" })).rejects.toThrow(/codebook.*bcq/);
  });

  test("a directory that holds files is left alone unless overwriting is allowed", async () => {
    await quantize(createModel());
    await writeFile(join(folder, "model", "notes.txt"), "mine");
    await expect(quantize(createModel(), { bits: 3 })).rejects.toThrow(OutputFailedError);
    await quantize(createModel(), { bits: 3, overwrite: true });
    await using model = await openCheckpoint(join(folder, "model"), { verify: "always" });
    expect(model.precisions).toEqual([2, 3]);
    expect(await readFile(join(folder, "model", "notes.txt"), "utf8")).toBe("mine");
  });

  test("a work directory that is not ours is left alone", async () => {
    await writeFile(join(folder, "model.partial"), "mine");
    await expect(quantize(createModel())).rejects.toThrow(OutputFailedError);
    expect(await readFile(join(folder, "model.partial"), "utf8")).toBe("mine");
    await rm(join(folder, "model.partial"));
    await mkdir(join(folder, "model.partial"));
    await writeFile(join(folder, "model.partial", "key.json"), '{"mine":true}');
    await expect(quantize(createModel())).rejects.toThrow(/move it away/);
    expect(await readFile(join(folder, "model.partial", "key.json"), "utf8")).toBe('{"mine":true}');
  });
});

describe("groups of columns", () => {
  test("are those of quantizeLinear, outliers beside them, and count in the bits", async () => {
    const options = { bits: 4, groupCount: 3, outliers: 0.01 };
    const grouped = await quantize(createModel(), options);
    const plain = await quantize(createModel(), { ...options, groupCount: 1, directory: join(folder, "plain") });
    const bitsAt = ({ precisions }: typeof grouped, i: number): number => precisions[i]!.effectiveBits;
    expect(bitsAt(grouped, 2) - bitsAt(plain, 2)).toBeCloseTo((2 * 16 * 2 ** 4) / HIDDEN, 6);
    await using source = createModel();
    await using model = await openCheckpoint(grouped.directory, { verify: "always" });
    expect(model.config.quantization_config).toMatchObject({ codec: "codebook", group_count: 3 });
    await using pool = await createRowPool({ threads: 0 });
    let kept = 0;
    for (const name of linearLayerNames(source.config)) {
      const { outliers, ...weight } = (await model.readLinear(name)) as CodebookWeight;
      const without = (await source.readFloat32(`${name}.weight`)).slice();
      for (let row = 0; outliers !== undefined && row < HIDDEN; row++) {
        for (let i = outliers.starts[row]!; i < outliers.starts[row + 1]!; i++) {
          without[row * HIDDEN + outliers.columns[i]!] = 0;
          kept++;
        }
      }
      const shape = { rows: HIDDEN, columns: HIDDEN };
      expect(weight).toEqual(await quantizeLinear(without, shape, { bits: 4, groupCount: 3, pool }));
    }
    expect(kept).toBeGreaterThan(0);
  });

  test("that a layer cannot have, or of the other codec, are refused before anything is written", async () => {
    await expect(quantize(createModel(), { groupCount: 4 })).rejects.toThrow(
      /groupCount is 4; the 24 columns of model/,
    );
    await expect(quantize(createModel(), { groupCount: 2, codec: "bcq" })).rejects.toThrow(/codec codebook/);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("outliers", () => {
  const share = 0.02;

  async function quantized(options: object = {}): Promise<{ directory: string; effectiveBits: number }> {
    const directory = join(folder, `outliers-${JSON.stringify(options).length}`);
    await using checkpoint = createModel();
    const report = await quantizeCheckpoint({
      checkpoint,
      directory,
      bits: 4,
      threads: 0,
      outliers: share,
      ...options,
    });
    return { directory, effectiveBits: report.precisions[0]!.effectiveBits };
  }

  test("replace the largest weights at every precision, are about as many as asked for, and count in the bits", async () => {
    const { directory, effectiveBits } = await quantized();
    await using source = createModel();
    await using model = await openCheckpoint(directory);
    let [kept, all, bytes] = [0, 0, 0];
    for (const name of linearLayerNames(source.config)) {
      const original = await source.readFloat32(`${name}.weight`);
      const weight = await model.readLinear(name);
      if (weight.codec !== "codebook") throw new Error(`${name} is ${weight.codec}`);
      const { outliers, ...rest } = weight;
      all += original.length;
      kept += outliers?.values.length ?? 0;
      if (outliers !== undefined) bytes += 4 * outliers.values.length + 4 * (HIDDEN + 1);
      for (const p of [2, 4]) {
        const [whole, plain] = [dequantizeNested(weight, p), dequantizeNested(rest, p)];
        const places = [...whole.keys()].filter((i) => whole[i] !== plain[i]);
        const smallest = Math.min(...places.map((i) => Math.abs(original[i]!)));
        for (const i of places) expect(whole[i]).toBeCloseTo(original[i]!, 3);
        expect(original.filter((w) => Math.abs(w) > smallest).length).toBeLessThanOrEqual(outliers?.values.length ?? 0);
      }
    }
    // Weights of a sine crowd at its largest values, so that a threshold moves many at once.
    expect(kept / all).toBeGreaterThan(share / 2);
    expect(kept / all).toBeLessThan(share * 2);
    const without = await quantized({ outliers: 0 });
    expect(effectiveBits - without.effectiveBits).toBeCloseTo((8 * bytes) / all, 6);
  });

  test("are chosen by the sensitivities of single weights too", async () => {
    const values = new Float32Array(HIDDEN * HIDDEN).fill(1e-3);
    const place = 5 * HIDDEN + 7;
    values[place] = 1;
    const sensitivity = { name: "one weight", key: "1", read: async () => ({ kind: "weights", values }) as const };
    const { directory } = await quantized({ sensitivity });
    await using source = createModel();
    await using model = await openCheckpoint(directory);
    for (const name of linearLayerNames(source.config)) {
      const weight = await model.readLinear(name);
      const original = (await source.readFloat32(`${name}.weight`))[place]!;
      expect(dequantizeNested(weight as CodebookWeight, 2)[place]).toBeCloseTo(original, 3);
    }
  });

  test.each([
    [{ outliers: -0.1 }, /share of the weights/],
    [{ outliers: Number.NaN }, /share of the weights/],
    [{ outliers: 0.5 }, /share of the weights/],
    [{ codec: "bcq" }, /codec codebook/],
  ])("%o is refused", async (options, message) => {
    await expect(quantized(options)).rejects.toThrow(message);
  });

  test("do not depend on the threads", async () => {
    const files = async (directory: string) =>
      Promise.all((await readdir(directory)).sort().map((name) => readFile(join(directory, name))));
    const { directory } = await quantized();
    const other = await quantized({ threads: 3 });
    expect(await files(other.directory)).toEqual(await files(directory));
  });
});
