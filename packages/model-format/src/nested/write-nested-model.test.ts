import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CodebookWeight } from "@stepdown/core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openCheckpoint } from "../open-checkpoint.js";
import { type NestedLayerSource, nestedLayerSource } from "./layer-sources.js";
import { type WriteNestedModelOptions, writeNestedModel } from "./write-nested-model.js";

let root: string;
let place: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "stepdown-write-"));
});
beforeEach(async () => {
  place = await mkdtemp(join(root, "case-"));
});
afterAll(() => rm(root, { recursive: true }));

const name = "model.layers.0.mlp.up_proj";

function weight(bits = 3): CodebookWeight {
  const tables = new Map(
    Array.from({ length: bits - 1 }, (_, i) => [i + 2, new Uint16Array(2 * 2 ** (i + 2)).fill(i)]),
  );
  const planes = Array.from({ length: bits }, (_, j) => Uint8Array.of(j, 1, j, 1));
  return { codec: "codebook", rows: 2, columns: 9, seedBits: 2, bits, planes, tables };
}

function model(
  directory: string,
  changes: Partial<WriteNestedModelOptions> = {},
  layer: Partial<NestedLayerSource> = {},
): WriteNestedModelOptions {
  return {
    directory,
    config: { model_type: "llama" },
    quantization: { seed: 1 },
    layers: [{ ...nestedLayerSource(name, weight(), { followsPrecision: true }), ...layer }],
    tensors: [{ name: "model.norm.weight", type: "F32", shape: [2], read: async () => Float32Array.of(1, 2) }],
    textAssets: [{ name: "tokenizer.json", bytes: new TextEncoder().encode("{}") }],
    ...changes,
  };
}

describe("writing a nested model", () => {
  test("gives the same bytes each time", async () => {
    await writeNestedModel(model(join(place, "a")));
    await writeNestedModel(model(join(place, "b")));

    const names = await readdir(join(place, "a"));
    expect(names.sort()).toEqual([
      "config.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
      "tokenizer.json",
    ]);
    for (const file of names)
      expect(await readFile(join(place, "a", file))).toEqual(await readFile(join(place, "b", file)));
    expect((await readdir(place)).sort()).toEqual(["a", "b"]);
  });

  test("reports progress that rises to the total, which the index names", async () => {
    const reports: number[] = [];
    let total: number | undefined;
    await writeNestedModel(
      model(join(place, "m"), {
        onProgress(progress) {
          reports.push(progress.done);
          total = progress.total;
        },
      }),
    );
    expect(reports).toEqual([...reports].sort((a, b) => a - b));
    expect(reports.at(-1)).toBe(total);
    const index = JSON.parse(await readFile(join(place, "m", "model.safetensors.index.json"), "utf8"));
    expect(index.metadata).toMatchObject({ total_size: total, format: "stepdown" });
  });

  test("a failing source, a wrong size, a number that is none and a stop leave nothing behind", async () => {
    const stop = new AbortController();
    const target = join(place, "m");
    const inner = nestedLayerSource(name, weight(), { followsPrecision: true });
    const reading = (kind: string, result: () => Promise<ArrayBufferView>): Partial<NestedLayerSource> => ({
      read: (part, options) => (part.kind === kind ? result() : inner.read(part, options)),
    });

    await expect(
      writeNestedModel(
        model(
          target,
          {},
          reading("table", () => Promise.reject(new Error("no luck"))),
        ),
      ),
    ).rejects.toThrow("no luck");
    await expect(
      writeNestedModel(
        model(
          target,
          {},
          reading("plane", async () => new Uint8Array(3)),
        ),
      ),
    ).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringContaining("takes 4 bytes"),
    });
    await expect(
      writeNestedModel(
        model(
          target,
          {},
          reading("table", async () => new Uint16Array(8).fill(0x7c00)),
        ),
      ),
    ).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("infinite") });
    const stopping = reading("table", async () => {
      stop.abort(new Error("stopped"));
      return new Uint16Array(8);
    });
    await expect(writeNestedModel(model(target, { signal: stop.signal }, stopping))).rejects.toThrow("stopped");

    expect(await readdir(place)).toEqual([]);
  });

  test("layers that cannot be are refused before anything is written", async () => {
    const other = nestedLayerSource("other", weight(4), { followsPrecision: true });
    const good = nestedLayerSource(name, weight(), { followsPrecision: true });
    const cases: [NestedLayerSource[], string][] = [
      [[], "needs a layer"],
      [[good, good], "twice"],
      [[good, other], "must agree"],
      [[{ ...good, bits: 9 }], "bits"],
      [[{ ...good, codec: "bcq", groupSize: 2 }], "do not divide"],
    ];
    for (const [layers, message] of cases) {
      await expect(writeNestedModel(model(join(place, "m"), { layers }))).rejects.toMatchObject({
        code: "invalid-argument",
        message: expect.stringContaining(message),
      });
    }
    for (const asset of ["config.json", "../x", "model.safetensors"]) {
      await expect(
        writeNestedModel(model(join(place, "m"), { textAssets: [{ name: asset, bytes: new Uint8Array(1) }] })),
      ).rejects.toThrow(asset);
    }
    expect(await readdir(place)).toEqual([]);
  });
});

describe("the place of a nested model", () => {
  test("files of strangers are not written among, unless asked, and never deleted", async () => {
    const target = join(place, "m");
    await mkdir(target);
    await writeFile(join(target, "thesis.txt"), "precious");

    await expect(writeNestedModel(model(target))).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringContaining("thesis.txt"),
    });
    expect(await readdir(target)).toEqual(["thesis.txt"]);

    await writeNestedModel(model(target, { overwrite: true }));
    expect(await readFile(join(target, "thesis.txt"), "utf8")).toBe("precious");
    expect((await openCheckpoint(target)).precisions).toEqual([2, 3]);
  });

  test("a model of ours is replaced when asked, its surplus shards and texts go, other files stay", async () => {
    const target = join(place, "m");
    const wide = nestedLayerSource(name, weight(5), { followsPrecision: true });
    await writeNestedModel(model(target, { layers: [wide] }));
    await writeFile(join(target, "notes.md"), "mine");

    await expect(writeNestedModel(model(target))).rejects.toThrow("already holds a nested model");
    await writeNestedModel(model(target, { textAssets: [], overwrite: true }));

    expect((await readdir(target)).sort()).toEqual([
      "config.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
      "notes.md",
    ]);
    const checkpoint = await openCheckpoint(target, { verify: "always" });
    expect(await checkpoint.readLinear(name)).toEqual(weight());
    expect((await readdir(place)).sort()).toEqual(["m"]);
  });

  test("an empty directory is taken and missing parents are made", async () => {
    await mkdir(join(place, "empty"));
    await writeNestedModel(model(join(place, "empty")));
    await writeNestedModel(model(join(place, "a", "b", "c")));
    expect((await openCheckpoint(join(place, "empty"))).kind).toBe("nested");
    expect((await openCheckpoint(join(place, "a", "b", "c"))).kind).toBe("nested");
  });

  test("a place that cannot be written gives OutputFailedError", async () => {
    await writeFile(join(place, "file"), "");
    await expect(writeNestedModel(model(join(place, "file", "m")))).rejects.toMatchObject({ code: "output-failed" });
    await expect(writeNestedModel(model(join(place, "file")))).rejects.toMatchObject({ code: "output-failed" });
    expect(await readdir(place)).toEqual(["file"]);
  });

  test.skipIf(process.getuid?.() === 0)(
    "a directory without permission gives OutputFailedError (skipped for root)",
    async () => {
      await chmod(place, 0o500);
      await expect(writeNestedModel(model(join(place, "m")))).rejects.toMatchObject({ code: "output-failed" });
      await chmod(place, 0o700);
    },
  );
});
