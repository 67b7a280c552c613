import { mkdtemp, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CodebookWeight,
  InvalidFileError,
  type NestedWeight,
  type Precision,
  type SparseOutliers,
} from "@stepdown/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { STREAM_CHUNK_BYTES } from "../limits.js";
import { float32ToFloat16 } from "../numbers/float16.js";
import { openCheckpoint } from "../open-checkpoint.js";
import type { ByteSource } from "../sources/byte-source.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import { openPathDirectory } from "../sources/path-directory.js";
import { dequantizeNested } from "./dequantize-nested.js";
import { parseLayerList } from "./layer-list.js";
import { nestedLayerSource } from "./layer-sources.js";
import { packPlanes, unpackLabels } from "./planes.js";
import { writeNestedModel } from "./write-nested-model.js";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "stepdown-nested-"));
});
afterAll(() => rm(root, { recursive: true }));

/** Numbers that look random and are the same every time. */
function createNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function makeWeight(
  codec: NestedWeight["codec"],
  rows: number,
  columns: number,
  seedBits: Precision,
  bits: Precision,
): NestedWeight {
  const next = createNumbers(rows * 31 + columns);
  // Large weights get planes of one repeated byte: only their size matters.
  const planes =
    rows * columns > 1e6
      ? Array.from({ length: bits }, (_, j) => new Uint8Array((rows * columns) / 8).fill(0x35 + j))
      : packPlanes(
          Uint8Array.from({ length: rows * columns }, () => Math.floor(next() * 2 ** bits)),
          rows,
          columns,
          bits,
        );
  const shape = { rows, columns, seedBits, bits, planes };
  const halves = (count: number) => float32ToFloat16(Float32Array.from({ length: count }, () => next() - 0.5));
  const codes = (count: number) => Int8Array.from({ length: count }, () => Math.floor(next() * 255) - 127);
  const precisions = Array.from({ length: bits - seedBits + 1 }, (_, i) => seedBits + i);
  if (codec === "uniform") return { codec, ...shape, scales: Float32Array.from({ length: rows }, next) };
  if (codec === "codebook") {
    return { codec, ...shape, tables: new Map(precisions.map((p) => [p, halves(rows * 2 ** p)])) };
  }
  const groupSize = columns / 3;
  const scales = precisions.map(
    (p) => [p, { codes: codes(rows * 3 * p), steps: halves(rows), offsets: codes(rows * 3) }] as const,
  );
  return { codec, ...shape, groupSize, scales: new Map(scales) };
}

const textAssets = [
  { name: "tokenizer.json", bytes: new TextEncoder().encode('{"version": "1.0"}') },
  { name: "chat_template.jinja", bytes: new TextEncoder().encode("{{ messages }}") },
];

interface Example {
  directory: string;
  weights: Map<string, NestedWeight>;
}

async function writeExample(name: string, codec: NestedWeight["codec"] = "codebook", large = false): Promise<Example> {
  const directory = join(root, name);
  const weights = new Map<string, NestedWeight>([
    ["model.embed_tokens", makeWeight("uniform", 11, 21, 1, 6)],
    ["model.layers.0.mlp.up_proj", makeWeight(codec, 5, 21, 2, 4)],
    ["model.layers.1.mlp.up_proj", makeWeight(codec, large ? 1200 : 8, large ? 64_000 : 33, 2, 4)],
  ]);
  await writeNestedModel({
    directory,
    config: { model_type: "llama", hidden_size: 21 },
    quantization: { sensitivity: "none", bits: 99 },
    textAssets,
    layers: [...weights].map(([key, weight]) =>
      nestedLayerSource(key, weight, { followsPrecision: key !== "model.embed_tokens" }),
    ),
    tensors: [
      { name: "model.norm.weight", type: "F32", shape: [3], read: async () => Float32Array.of(1, 2, 3) },
      { name: "model.norm.bias", type: "BF16", shape: [2], read: async () => Float32Array.of(1, -2) },
      { name: "lm_head.weight", type: "F16", shape: [2, 2], read: async () => Uint16Array.of(0x3c00, 0, 0, 0xbc00) },
    ],
  });
  return { directory, weights };
}

/** Outliers in every third column, the first row without any. */
function withOutliers(weight: NestedWeight): CodebookWeight {
  if (weight.codec !== "codebook") throw new Error("only codebooks have outliers");
  const starts = new Uint32Array(weight.rows + 1);
  const columns: number[] = [];
  for (let row = 0; row < weight.rows; row++) {
    for (let k = row; row > 0 && k < weight.columns; k += 3) columns.push(k);
    starts[row + 1] = columns.length;
  }
  const values = float32ToFloat16(Float32Array.from(columns, (_, i) => 5 + i));
  return { ...weight, outliers: { starts, columns: Uint16Array.from(columns), values } };
}

async function writeOutliers(name: string, weight: NestedWeight): Promise<string> {
  const directory = join(root, name);
  const layers = [nestedLayerSource("model.layers.0.mlp.up_proj", weight, { followsPrecision: true })];
  await writeNestedModel({ directory, config: {}, layers, tensors: [] });
  return directory;
}

describe("outliers", () => {
  const plain = makeWeight("codebook", 5, 21, 2, 4);
  const weight = withOutliers(plain);

  test("come back at every window of precisions, and replace what the tables say", async () => {
    const directory = await writeOutliers("outliers", weight);
    for (const maximumPrecision of [2, 3, 4]) {
      await using checkpoint = await openCheckpoint(directory, { maximumPrecision });
      const read = await checkpoint.readLinear("model.layers.0.mlp.up_proj");
      expect(read.codec === "codebook" && read.outliers).toEqual(weight.outliers);
      const values = dequantizeNested(weight, maximumPrecision);
      expect(await checkpoint.readFloat32("model.layers.0.mlp.up_proj.weight")).toEqual(values);
      const expected = dequantizeNested(plain, maximumPrecision);
      const { starts, columns } = weight.outliers!;
      for (let row = 0; row < 5; row++) {
        for (let i = starts[row]!; i < starts[row + 1]!; i++) expected[row * 21 + columns[i]!] = 5 + i;
      }
      expect(values).toEqual(expected);
    }
  });

  test("count in the bytes of every precision", async () => {
    await using checkpoint = await openCheckpoint(await writeOutliers("outlier-bytes", weight));
    await using other = await openCheckpoint(await writeOutliers("no-outliers", plain));
    const bytesAt = (opened: typeof checkpoint, p: number) =>
      opened.nestedLayers.get("model.layers.0.mlp.up_proj")!.bytesAt(p);
    for (const p of [2, 3, 4]) {
      expect(bytesAt(checkpoint, p) - bytesAt(other, p)).toBe(4 * 6 + 4 * weight.outliers!.values.length);
    }
  });

  test.each<[string, (outliers: SparseOutliers) => void]>([
    ["a column outside the matrix", ({ columns }) => columns.set([21])],
    ["columns that do not ascend", ({ columns }) => columns.set([7, 7])],
    ["rows that overlap", ({ starts }) => starts.set([4], 2)],
    ["rows that end far outside", ({ starts }) => starts.set([0xffffffff], 3)],
    ["rows that do not begin at 0", ({ starts }) => starts.set([1])],
    ["rows that leave entries over", ({ starts }) => starts.set([0], 5)],
    ["a value that is infinite", ({ values }) => values.set([0x7c00], 2)],
  ])("%s is refused as damage", async (what, damage) => {
    const damaged = structuredClone(weight);
    const name = `outliers-${what.replaceAll(" ", "-")}`;
    if (what.startsWith("a value")) {
      damage(damaged.outliers!);
      await expect(writeOutliers(name, damaged)).rejects.toThrow(/infinite/);
      return;
    }
    damage(damaged.outliers!);
    await using checkpoint = await openCheckpoint(await writeOutliers(name, damaged));
    await expect(checkpoint.readLinear("model.layers.0.mlp.up_proj")).rejects.toThrow(/outliers.*damaged/);
  });
});

describe("groups of columns", () => {
  const plain = makeWeight("codebook", 5, 48, 2, 4) as CodebookWeight;
  const tables = new Map(
    [2, 3, 4].map((p) => [p, float32ToFloat16(Float32Array.from({ length: 5 * 3 * 2 ** p }, (_, i) => i))]),
  );
  const weight: CodebookWeight = { ...plain, groupCount: 3, tables };

  test("come back at every precision, each with its tables", async () => {
    const directory = await writeOutliers("groups", withOutliers(weight));
    await using checkpoint = await openCheckpoint(directory);
    const read = await checkpoint.readLinear("model.layers.0.mlp.up_proj");
    expect(read).toEqual(withOutliers(weight));
    for (const p of [2, 3, 4]) {
      const labels = unpackLabels(weight.planes.slice(0, p), 5, 48, p);
      const expected = Float32Array.from(labels, (label, i) => Math.floor(i / 16) * 2 ** p + label);
      expect(dequantizeNested(weight, p)).toEqual(expected);
      const { bytesAt } = checkpoint.nestedLayers.get("model.layers.0.mlp.up_proj")!;
      const outliers = withOutliers(weight).outliers!.values.length;
      expect(bytesAt(p)).toBe(5 * 6 * p + 5 * 3 * 2 ** p * 2 + 4 * 6 + 4 * outliers);
    }
  });

  test.each([
    ["codebook", 5],
    ["codebook", 4],
    ["codebook", 0],
    ["codebook", 1.5],
    ["codebook", "3"],
    ["uniform", 2],
    ["bcq", 2],
  ])("a %s layer of 48 columns with %o is refused", (codec, group_count) => {
    const layer = { ...{ name: "a", codec, rows: 5, columns: 48, seed_bits: 2, bits: 4 }, follows_precision: true };
    const list = JSON.stringify([{ ...layer, group_size: 48, group_count }]);
    expect(() => parseLayerList(list, "x")).toThrow(InvalidFileError);
  });
});

/** A directory that counts the bytes read of every file. */
async function countReads(
  path: string,
  slow?: () => Promise<void>,
): Promise<{ directory: ModelDirectory; opened: Set<string>; bytes: Map<string, number> }> {
  const inner = (await openPathDirectory(path))!;
  const bytes = new Map<string, number>();
  const opened = new Set<string>();
  const directory: ModelDirectory = {
    ...inner,
    async open(name, options) {
      opened.add(name);
      const source = await inner.open(name, options);
      if (source === undefined) return undefined;
      const counting: ByteSource = {
        ...source,
        async read(offset, length, readOptions) {
          bytes.set(name, (bytes.get(name) ?? 0) + length);
          await slow?.();
          return source.read(offset, length, readOptions);
        },
      };
      return counting;
    },
  };
  return { directory, opened, bytes };
}

const shard = (i: number) => `model-0000${i}-of-00003.safetensors`;

describe.each(["codebook", "uniform", "bcq"] as const)("a nested model of codec %s", (codec) => {
  test("comes back as it was written, at every window of precisions", async () => {
    const { directory, weights } = await writeExample(`round-trip-${codec}`, codec);

    const checkpoint = await openCheckpoint(directory);

    expect(checkpoint.kind).toBe("nested");
    expect(checkpoint.precisions).toEqual([2, 3, 4]);
    expect(checkpoint.config).toMatchObject({
      hidden_size: 21,
      quantization_config: {
        quant_method: "stepdown",
        format_version: 1,
        codec,
        seed_bits: 2,
        bits: 4,
        sensitivity: "none",
      },
    });
    for (const [name, weight] of weights) {
      expect(await checkpoint.readLinear(name)).toEqual(weight);
      expect(checkpoint.has(`${name}.weight`)).toBe(true);
      expect(await checkpoint.readFloat32(`${name}.weight`)).toEqual(dequantizeNested(weight));
    }
    const narrow = await checkpoint.readLinear("model.layers.0.mlp.up_proj", {
      minimumPrecision: 3,
      maximumPrecision: 3,
    });
    expect(narrow).toMatchObject({ codec, seedBits: 3, bits: 3 });
    expect((narrow as NestedWeight).planes).toHaveLength(3);
    if (narrow.codec === "codebook") expect([...narrow.tables.keys()]).toEqual([3]);
    if (narrow.codec === "bcq") expect([...narrow.scales.keys()]).toEqual([3]);
    expect(await checkpoint.readLinear("model.embed_tokens", { maximumPrecision: 2 })).toEqual(
      weights.get("model.embed_tokens"),
    );
  });

  test("listed bytes are the bytes that a precision's tensors have", async () => {
    const { directory } = await writeExample(`bytes-${codec}`, codec);
    const checkpoint = await openCheckpoint(directory);
    for (const [name, layer] of checkpoint.nestedLayers) {
      for (const p of layer.followsPrecision ? checkpoint.precisions : [layer.bits]) {
        let expected = 0;
        for (const [tensor, { bytes }] of checkpoint.tensors) {
          const suffix = tensor.startsWith(`${name}.`) ? tensor.slice(name.length + 1) : "";
          const plane = /^plane\.(\d)$/.exec(suffix);
          const read = plane === null ? suffix === "scale" || suffix.endsWith(`.${p}`) : Number(plane[1]) < p;
          if (read) expected += bytes;
        }
        expect(layer.bytesAt(p)).toBe(expected);
      }
      if (layer.followsPrecision) expect(() => layer.bytesAt(5)).toThrow("2 to 4 bits");
    }
  });
});

describe("what is read", () => {
  test("at three bits nothing of the shard for four bits is touched", async () => {
    const { directory: path, weights } = await writeExample("lazy");
    const { directory, opened, bytes } = await countReads(path);

    const checkpoint = await openCheckpoint(directory, { maximumPrecision: 3, verify: "always" });
    for (const name of weights.keys()) await checkpoint.readLinear(name);

    expect(checkpoint.precisions).toEqual([2, 3]);
    expect(opened.has(shard(2))).toBe(true);
    expect(opened.has(shard(3))).toBe(false);
    expect(
      [...checkpoint.tensors.keys()].filter((name) => /(plane\.3|table\.4)$/.test(name) && !name.includes("embed")),
    ).toEqual([]);
    const weight = await checkpoint.readLinear("model.layers.0.mlp.up_proj");
    expect(weight).toMatchObject({ bits: 3, seedBits: 2 });
    await expect(checkpoint.readLinear("model.layers.0.mlp.up_proj", { maximumPrecision: 4 })).rejects.toMatchObject({
      code: "precision-unavailable",
    });
    expect(bytes.has(shard(3))).toBe(false);
  });

  test("without verification opening reads the first header only, and a layer its own bytes", async () => {
    const { directory: path } = await writeExample("ranges", "codebook", true);
    const { directory, bytes } = await countReads(path);

    const checkpoint = await openCheckpoint(directory, { verify: "never" });

    expect(bytes.get(shard(1))).toBeLessThan(8192);
    expect(bytes.has(shard(2))).toBe(false);
    await checkpoint.readLinear("model.layers.0.mlp.up_proj", { maximumPrecision: 3, minimumPrecision: 3 });
    expect(bytes.get(shard(1))).toBeLessThan(8192);
    expect(bytes.get(shard(2))).toBeLessThan(8192);
    expect(bytes.has(shard(3))).toBe(false);
  });

  test("texts beside the weights come back, parsed and raw", async () => {
    const { directory } = await writeExample("texts");
    const checkpoint = await openCheckpoint(directory);
    expect(await checkpoint.readTextAssets()).toEqual({
      tokenizerJson: { version: "1.0" },
      chatTemplate: "{{ messages }}",
    });
    expect((await checkpoint.readTextAssetFiles()).map(({ name, bytes }) => [name, [...bytes]])).toEqual(
      textAssets.map(({ name, bytes }) => [name, [...bytes]]),
    );
  });

  test("float tensors beside the planes are read in their types", async () => {
    const { directory } = await writeExample("floats");
    const checkpoint = await openCheckpoint(directory);
    expect([...(await checkpoint.readFloat32("model.norm.bias"))]).toEqual([1, -2]);
    expect(await checkpoint.readLinear("lm_head")).toEqual({
      codec: "dense",
      rows: 2,
      columns: 2,
      type: "f16",
      data: Uint16Array.of(0x3c00, 0, 0, 0xbc00),
    });
    expect(checkpoint.has("model.norm.weight")).toBe(true);
    expect(checkpoint.has("model.norm")).toBe(false);
    await expect(checkpoint.readFloat32("model.none")).rejects.toMatchObject({ code: "missing-file" });
  });
});

describe("verification", () => {
  test("a shard that was changed is named with both checksums when it is first needed", async () => {
    const { directory, weights } = await writeExample("changed");
    const path = join(directory, shard(2));
    const bytes = await readFile(path);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path, bytes);

    const checkpoint = await openCheckpoint(directory);
    const low = await checkpoint.readLinear("model.layers.0.mlp.up_proj", { maximumPrecision: 2 });
    expect(low).toMatchObject({ bits: 2 });
    for (let i = 0; i < 2; i++) {
      await expect(checkpoint.readLinear("model.layers.0.mlp.up_proj")).rejects.toMatchObject({
        code: "checksum-mismatch",
        message: expect.stringMatching(/00002-of-00003.*[0-9a-f]{64}.*[0-9a-f]{64}/),
      });
    }
    const trusting = await openCheckpoint(directory, { verify: "never" });
    expect(unpackLabels((low as NestedWeight).planes, 5, 21, 2)).toEqual(
      unpackLabels(weights.get("model.layers.0.mlp.up_proj")!.planes, 5, 21, 2),
    );
    await trusting.readLinear("model.layers.0.mlp.up_proj");
  });

  test("goes on where it was stopped", async () => {
    const { directory: path } = await writeExample("resume", "codebook", true);
    const stop = new AbortController();
    let readsUntilStop = Number.POSITIVE_INFINITY;
    const { directory, bytes } = await countReads(path, async () => {
      if (--readsUntilStop === 0) stop.abort(new Error("enough"));
    });
    const checkpoint = await openCheckpoint(directory, { verify: "always" });
    const size = (await readFile(join(path, shard(2)))).length;
    expect(size).toBeGreaterThan(STREAM_CHUNK_BYTES);
    const window = { minimumPrecision: 3, maximumPrecision: 3 };

    // Two planes of the first shard, then one chunk of the second; the fourth read is stopped.
    readsUntilStop = 4;
    await expect(
      checkpoint.readLinear("model.layers.0.mlp.up_proj", { ...window, signal: stop.signal }),
    ).rejects.toThrow("enough");
    const firstRun = bytes.get(shard(2)) ?? 0;
    await checkpoint.readLinear("model.layers.0.mlp.up_proj", window);

    // The first chunk counts; the one in flight when the signal fired is read again; header and layer are small.
    expect(firstRun).toBe(size);
    expect(bytes.get(shard(2))).toBeLessThan(2 * size - STREAM_CHUNK_BYTES + 8192);
  });

  test("two readers at once verify a shard once", async () => {
    const { directory: path } = await writeExample("together");
    const { directory, bytes } = await countReads(path);
    const checkpoint = await openCheckpoint(directory, { verify: "always" });
    const names = ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"];
    await Promise.all(names.map((name) => checkpoint.readLinear(name)));
    const size = (await readFile(join(path, shard(3)))).length;
    expect(bytes.get(shard(3))).toBeLessThan(3 * size);
  });
});

describe("damaged models", () => {
  const damage = async (name: string, change: (directory: string) => Promise<void>, options = {}) => {
    const { directory, weights } = await writeExample(name);
    await change(directory);
    const checkpoint = await openCheckpoint(directory, { verify: "never", ...options });
    for (const layer of weights.keys()) await checkpoint.readLinear(layer);
  };
  const edit = (file: string, from: string | RegExp, to: string) => async (directory: string) => {
    const path = join(directory, file);
    const text = await readFile(path, "latin1");
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    await writeFile(path, changed, "latin1");
  };
  const index = "model.safetensors.index.json";
  /** Writes into the bytes of a tensor of a shard. */
  const poke =
    (file: string, tensor: string, bytes: readonly number[], at = 0) =>
    async (directory: string) => {
      const path = join(directory, file);
      const content = await readFile(path);
      const headerBytes = Number(content.readBigUInt64LE(0));
      const header = JSON.parse(content.subarray(8, 8 + headerBytes).toString());
      content.set(bytes, 8 + headerBytes + header[tensor].data_offsets[0] + at);
      await writeFile(path, content);
    };
  const layer = "model.layers.0.mlp.up_proj";

  test.each<[string, string, (directory: string) => Promise<void>, string]>([
    ["a missing shard", "missing-file", (d) => unlink(join(d, shard(3))), "lower maximumPrecision"],
    ["a truncated shard", "invalid-file", (d) => truncate(join(d, shard(2)), 100), "truncated"],
    ["a missing index", "missing-file", (d) => unlink(join(d, index)), index],
    [
      "an unknown version",
      "unsupported",
      edit("config.json", '"format_version": 1', '"format_version": 2'),
      "format_version",
    ],
    ["an unknown codec in the configuration", "unsupported", edit("config.json", '"codebook"', '"magic"'), "magic"],
    [
      "an unknown codec of a layer",
      "unsupported",
      edit(shard(1), 'codec\\":\\"codebook', 'codec\\":\\"codeb**k'),
      "codeb**k",
    ],
    ["nine bits", "invalid-file", edit("config.json", '"bits": 4', '"bits": 9'), "bits"],
    ["no bits", "invalid-file", edit("config.json", '"seed_bits": 2', '"seed_bits": 0'), "seed_bits"],
    ["seed above bits", "invalid-file", edit("config.json", '"seed_bits": 2', '"seed_bits": 5'), "seed_bits"],
    [
      "a configuration of another model",
      "invalid-file",
      edit("config.json", '"seed_bits": 2', '"seed_bits": 3'),
      "shards",
    ],
    ["layers of another model", "invalid-file", edit(shard(1), 'seed_bits\\":2', 'seed_bits\\":3'), "mixed"],
    ["a wrong size in the list", "invalid-file", edit(shard(1), 'rows\\":5', 'rows\\":6'), "expected"],
    ["a checksum that is none", "invalid-file", edit(index, /"sha256": "[0-9a-f]/, '"sha256": "x'), "SHA-256"],
    [
      "a shard outside the directory",
      "invalid-file",
      edit(index, /model-00003-of-00003/g, "../00003-of-00003"),
      "file name",
    ],
    [
      "one file for two precisions",
      "invalid-file",
      edit(index, /model-00003-of-00003/g, "model-00002-of-00003"),
      "file of its own",
    ],
    [
      "an index without a tensor",
      "invalid-file",
      edit(index, `"${layer}.plane.3"`, `"${layer}.plane.X"`),
      "does not say",
    ],
    ["an infinite table entry", "invalid-file", poke(shard(2), `${layer}.table.3`, [0x00, 0x7c], 4), "entry 2"],
    [
      "a scale that is no number",
      "invalid-file",
      poke(shard(1), "model.embed_tokens.scale", [0, 0, 0xc0, 0x7f], 8),
      "row 2",
    ],
    ["bits beyond the columns", "invalid-file", poke(shard(3), `${layer}.plane.3`, [0x20], 2), "beyond column 21"],
  ])("%s gives %s", async (name, code, change, message) => {
    await expect(damage(`damaged-${name}`, change)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test.each([1, 5, 2.5])("maximumPrecision %d of a model with 2 to 4 bits is unavailable", async (maximumPrecision) => {
    await expect(
      damage(`maximum-${maximumPrecision}`, async () => undefined, { maximumPrecision }),
    ).rejects.toMatchObject({
      code: "precision-unavailable",
    });
  });
});
