import { createReadStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { StepdownError } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createInMemoryCheckpoint } from "./in-memory-checkpoint.js";
import { nestedLayerSource } from "./nested/layer-sources.js";
import { writeNestedModel } from "./nested/write-nested-model.js";
import { openCheckpoint } from "./open-checkpoint.js";
import type { TensorSource } from "./safetensors/tensor-source.js";
import { writeSafetensors } from "./safetensors/write-safetensors.js";
import { createMapDirectory } from "./sources/map-directory.js";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "stepdown-open-"));
});
afterAll(() => rm(root, { recursive: true }));

const tensor = (name: string, value: number): TensorSource => ({
  name,
  type: "F32",
  shape: [1, 2],
  read: async () => Float32Array.of(value, value),
});
const make = async (files: Record<string, string | TensorSource[]>): Promise<string> => {
  const directory = await mkdtemp(join(root, "model-"));
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string") await writeFile(join(directory, name), content);
    else await writeSafetensors(join(directory, name), content);
  }
  return directory;
};
const indexOf = (map: Record<string, string>) => JSON.stringify({ metadata: {}, weight_map: map });
const index = "model.safetensors.index.json";

describe("float models", () => {
  test("one file, or the only one of another name, is opened", async () => {
    for (const name of ["model.safetensors", "pytorch.safetensors"]) {
      const checkpoint = await openCheckpoint(
        await make({ "config.json": '{"a": 1}', [name]: [tensor("x.weight", 3)] }),
      );
      expect(checkpoint).toMatchObject({ kind: "float", config: { a: 1 }, precisions: [32] });
      expect(await checkpoint.readLinear("x")).toEqual({
        codec: "dense",
        type: "f32",
        rows: 1,
        columns: 2,
        data: Float32Array.of(3, 3),
      });
    }
  });

  test("shards are opened by their index", async () => {
    const directory = await make({
      "config.json": "{}",
      "a.safetensors": [tensor("x.weight", 1)],
      "b.safetensors": [tensor("y.weight", 2)],
      [index]: indexOf({ "x.weight": "a.safetensors", "y.weight": "b.safetensors" }),
    });
    const checkpoint = await openCheckpoint(pathToFileURL(directory));
    expect([...(await checkpoint.readFloat32("y.weight"))]).toEqual([2, 2]);
    expect(checkpoint.tensors.size).toBe(2);
    await expect(checkpoint.readLinear("z")).rejects.toMatchObject({ code: "missing-file" });
  });

  test.each<[string, string, Record<string, string | TensorSource[]>, string]>([
    ["an empty directory", "missing-file", {}, "found no config.json, *.safetensors or *.gguf"],
    ["a configuration alone", "missing-file", { "config.json": "{}" }, "no *.safetensors or *.gguf"],
    ["weights alone", "missing-file", { "model.safetensors": [] }, "no config.json"],
    ["a configuration that is no JSON", "invalid-file", { "config.json": "{" }, "no JSON"],
    ["a configuration that is no object", "invalid-file", { "config.json": "[]" }, "object"],
    [
      "another quantization",
      "unsupported",
      { "config.json": '{"quantization_config":{"quant_method":"gptq"}}' },
      "gptq",
    ],
    [
      "several files and no index",
      "missing-file",
      { "config.json": "{}", "a.safetensors": [], "b.safetensors": [] },
      index,
    ],
    ["an index without map", "invalid-file", { "config.json": "{}", [index]: "{}" }, "weight_map"],
    [
      "a missing shard",
      "missing-file",
      { "config.json": "{}", [index]: indexOf({ x: "a.safetensors" }) },
      "a.safetensors",
    ],
    [
      "a shard outside",
      "invalid-file",
      { "config.json": "{}", [index]: indexOf({ x: "../a.safetensors" }) },
      "file name",
    ],
    [
      "a tensor that is not there",
      "invalid-file",
      { "config.json": "{}", "a.safetensors": [], [index]: indexOf({ x: "a.safetensors" }) },
      "promises",
    ],
    [
      "a tensor too many",
      "invalid-file",
      {
        "config.json": "{}",
        "a.safetensors": [tensor("x", 1), tensor("y", 1)],
        [index]: indexOf({ x: "a.safetensors" }),
      },
      "nothing of it",
    ],
    ["two GGUF files", "invalid-file", { "a.gguf": "", "b.gguf": "" }, "2 .gguf files"],
    ["a GGUF file that is none", "invalid-file", { "a.gguf": "no GGUF file" }, "GGUF"],
  ])("%s: %s", async (_, code, files, message) => {
    await expect(openCheckpoint(await make(files))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test("paths to nothing, or to part of a model, say what to give", async () => {
    await expect(openCheckpoint(join(root, "none"))).rejects.toMatchObject({ code: "missing-file" });
    const directory = await make({ "config.json": "{}", "model.safetensors": [] });
    await expect(openCheckpoint(join(directory, "model.safetensors"))).rejects.toMatchObject({
      code: "invalid-file",
      message: expect.stringContaining("directory"),
    });
  });

  test("an index of any content gives a model or an error of ours", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (config, map) => {
        const files = new Map([
          ["config.json", new TextEncoder().encode(JSON.stringify(config))],
          [index, new TextEncoder().encode(JSON.stringify({ weight_map: map, metadata: map }))],
        ]);
        try {
          await openCheckpoint(createMapDirectory(files));
        } catch (error) {
          if (!StepdownError.isInstance(error)) throw error;
        }
      }),
    );
  });
});

describe("models behind a URL and in Blobs", () => {
  test("are the same as on disk; shards are not verified over the network unless asked", async () => {
    const directory = join(root, "remote");
    const weight = {
      codec: "codebook",
      rows: 1,
      columns: 8,
      seedBits: 1,
      bits: 2,
      planes: [Uint8Array.of(5), Uint8Array.of(9)],
      tables: new Map([1, 2].map((p) => [p, new Uint16Array(2 ** p)])),
    } as const;
    await writeNestedModel({
      directory,
      config: {},
      layers: [nestedLayerSource("x", weight, { followsPrecision: true })],
      tensors: [],
    });
    const requests: string[] = [];
    const server = createServer(async (request, response) => {
      const path = join(directory, basename(request.url ?? ""));
      const [start = 0, end = 0] = (request.headers.range ?? "").replace("bytes=", "").split("-").map(Number);
      requests.push(`${basename(path)} ${end - start + 1}`);
      const size = (await stat(path).catch(() => undefined))?.size;
      if (size === undefined) return void response.writeHead(404).end();
      const last = Math.min(end, size - 1);
      response.writeHead(206, { "content-range": `bytes ${start}-${last}/${size}` });
      createReadStream(path, { start, end: last }).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/model`;
    try {
      const low = await openCheckpoint(url, { maximumPrecision: 1 });
      expect(await low.readLinear("x")).toMatchObject({ bits: 1 });
      expect(requests.filter((line) => line.startsWith("model-00002"))).toEqual([]);
      const size = (await readFile(join(directory, "model-00001-of-00002.safetensors"))).length;
      expect(requests).not.toContain(`model-00001-of-00002.safetensors ${size}`);

      const checkpoint = await openCheckpoint(url, { verify: "always" });
      expect(await checkpoint.readLinear("x")).toEqual(weight);
      expect(requests).toContain(`model-00001-of-00002.safetensors ${size}`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }

    const blobs = new Map<string, Blob>();
    for (const name of await readdir(directory)) blobs.set(name, new Blob([await readFile(join(directory, name))]));
    expect(await (await openCheckpoint(createMapDirectory(blobs))).readLinear("x")).toEqual(weight);
  });
});

describe("models in memory", () => {
  test("answer like opened ones and can be written and opened again", async () => {
    const weight = {
      codec: "uniform",
      rows: 2,
      columns: 3,
      seedBits: 1,
      bits: 2,
      planes: [Uint8Array.of(5, 2), Uint8Array.of(1, 7)],
      scales: Float32Array.of(1, 4),
    } as const;
    const checkpoint = createInMemoryCheckpoint({
      config: { model_type: "x" },
      tensors: new Map([["n.weight", { shape: [2], data: Float32Array.of(1, 2) }]]),
      nestedLayers: new Map([["l", { weight, followsPrecision: true }]]),
    });
    expect(checkpoint).toMatchObject({ kind: "nested", precisions: [1, 2] });
    // Labels 3 0 2 of 2 bits: scale · (2u + 1 − 4) / 4.
    expect([...(await checkpoint.readFloat32("l.weight")).subarray(0, 3)]).toEqual([0.75, -0.75, 0.25]);
    expect(await checkpoint.readLinear("l", { maximumPrecision: 1 })).toMatchObject({
      bits: 1,
      seedBits: 1,
      planes: [weight.planes[0]],
    });
    await expect(checkpoint.readLinear("l", { maximumPrecision: 3 })).rejects.toMatchObject({
      code: "precision-unavailable",
    });
    expect(checkpoint.has("l.weight") && checkpoint.has("n.weight") && !checkpoint.has("l")).toBe(true);

    const plain = createInMemoryCheckpoint({
      config: {},
      tensors: new Map([["a.weight", { shape: [1, 1], data: Float32Array.of(5) }]]),
    });
    expect(plain.kind).toBe("float");
    expect(await plain.readLinear("a")).toMatchObject({ codec: "dense", data: Float32Array.of(5) });
  });
});

const logits = goldenPath("logits");
describe.skipIf(logits === undefined)(
  logits === undefined ? skipReason("published small models") : "published small models",
  () => {
    test("all open, with the width of their numbers", async () => {
      let opened = 0;
      for (const entry of await readdir(logits as string, { withFileTypes: true })) {
        const folder = join(logits as string, entry.name);
        if (!entry.isDirectory() || !(await readdir(folder)).includes("config.json")) continue;
        const checkpoint = await openCheckpoint(folder);
        const types = new Set(
          [...checkpoint.tensors.values()].filter(({ shape }) => shape.length > 1).map(({ type }) => type),
        );
        expect(checkpoint.precisions).toEqual([types.has("F32") ? 32 : 16]);
        for (const [name, { shape }] of checkpoint.tensors) {
          const values = await checkpoint.readFloat32(name);
          expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
          expect(values.every(Number.isFinite)).toBe(true);
        }
        opened++;
      }
      expect(opened).toBeGreaterThan(0);
    });
  },
);
