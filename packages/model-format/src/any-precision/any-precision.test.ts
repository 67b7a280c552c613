import { readdirSync } from "node:fs";
import type { CodebookWeight } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { unpackLabels } from "../nested/planes.js";
import { asBytes } from "../numbers/views.js";
import { openCheckpoint } from "../open-checkpoint.js";
import { openSafetensors } from "../safetensors/open-safetensors.js";
import { layOutSafetensors, streamSafetensors } from "../safetensors/stream-safetensors.js";
import type { TensorSource } from "../safetensors/tensor-source.js";
import { openFileSource } from "../sources/file-source.js";
import { createMapDirectory } from "../sources/map-directory.js";
import { restorePlaneOrder } from "./plane-order.js";

/** Packs labels the way the specification words it: word by word, bit by bit. */
function packReference(labels: Uint8Array, rows: number, columns: number, bits: number): Uint32Array[] {
  return Array.from({ length: bits }, (_, plane) => {
    const words = new Uint32Array((rows * columns) / 32);
    for (let row = 0; row < rows; row++) {
      for (let w = 0; w < columns / 32; w++) {
        const c = Math.floor(w / 32);
        const threads = 1024 * (c + 1) <= columns ? 32 : (columns % 1024) / 32;
        for (let m = 0; m < 32; m++) {
          const column = 1024 * c + 8 * (threads * Math.floor(m / 8) + (w - 32 * c)) + (m % 8);
          const bit = (labels[row * columns + column]! >> (bits - 1 - plane)) & 1;
          words[(row * columns) / 32 + w]! |= bit << (31 - m);
        }
      }
    }
    return words;
  });
}

const restore = (words: Uint32Array, rows: number, columns: number) => restorePlaneOrder(asBytes(words), rows, columns);
const wordsOf = (hex: string) => Uint32Array.from(hex.split(" "), (word) => Number.parseInt(word, 16));

async function directoryOf(config: unknown, tensors: TensorSource[]) {
  const parts: Uint8Array[] = [];
  await streamSafetensors(layOutSafetensors(tensors), async (bytes) => void parts.push(bytes.slice()));
  const file = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  return createMapDirectory(
    new Map([
      ["config.json", new TextEncoder().encode(JSON.stringify(config))],
      ["model.safetensors", file],
    ]),
  );
}

const source = (name: string, type: string, shape: readonly number[], view: ArrayBufferView): TensorSource => ({
  name,
  type,
  shape,
  read: async () => view,
});

describe("column order", () => {
  // Labels (5c + 3r + floor(c/8)) mod 8 of 64 columns, two rows: the published vectors.
  test.each([
    [0, "5a69a596 4b2db4d2 2db4d24b a5965a69"],
    [1, "33cc33cc 66996699 99669966 33cc33cc"],
    [2, "55555555 aaaaaaaa aaaaaaaa 55555555"],
  ])("the published words of plane %d become our plane", (plane, hex) => {
    const bytes = restore(wordsOf(hex), 2, 64);
    for (let row = 0; row < 2; row++) {
      for (let c = 0; c < 64; c++) {
        const label = (5 * c + 3 * row + Math.floor(c / 8)) % 8;
        expect((bytes[row * 8 + (c >> 3)]! >> (c & 7)) & 1).toBe((label >> (2 - plane)) & 1);
      }
    }
  });

  test("labels packed word by word come back, for every kind of last chunk", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 2 }),
        fc.integer(),
        (words, rows, seed) => {
          const columns = 32 * words;
          const labels = Uint8Array.from(
            { length: rows * columns },
            (_, i) => (Math.imul(i + 1, 2654435761 ^ seed) >>> 20) & 15,
          );
          const planes = packReference(labels, rows, columns, 4).map((plane) => restore(plane, rows, columns));
          expect(unpackLabels(planes, rows, columns, 4)).toEqual(labels);
        },
      ),
      { numRuns: 60 },
    );
  });
});

const folder = goldenPath("any-precision");
const cases = folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith(".safetensors"));

describe.skipIf(folder === undefined)(
  folder === undefined ? skipReason("models of the reference packer") : "models of the reference packer",
  () => {
    test("every case opens as a nested checkpoint with the reference's labels and tables", async () => {
      let compared = 0;
      for (const name of cases) {
        const golden = await openSafetensors((await openFileSource(`${folder}/${name}`))!);
        const packed = golden.tensors.get("qweight");
        if (packed === undefined) continue;
        const [bits = 0, rows = 0, words = 0] = packed.shape;
        const tables = [...golden.tensors.keys()].filter((key) => /^lut\d$/.test(key));
        const seedBits = Math.min(...tables.map((key) => Number(key.slice(3))));
        const layer = "model.layers.0.mlp.up_proj";
        const tensors = [source(`${layer}.qweight`, "I32", packed.shape, await golden.readBytes("qweight"))];
        for (const key of tables) {
          tensors.push(source(`${layer}.${key}`, "F16", golden.tensors.get(key)!.shape, await golden.readBytes(key)));
        }
        const directory = await directoryOf(
          { anyprec: { seed_precision: seedBits, parent_precision: bits, group_count: 1 } },
          tensors,
        );

        const checkpoint = await openCheckpoint(directory);
        const weight = (await checkpoint.readLinear(layer)) as CodebookWeight;

        expect(checkpoint.nestedLayers.get(layer)).toMatchObject({
          codec: "codebook",
          rows,
          columns: 32 * words,
          seedBits,
          bits,
        });
        expect(unpackLabels(weight.planes, rows, 32 * words, bits)).toEqual(await golden.readBytes("labels"));
        for (const key of tables)
          expect(asBytes(weight.tables.get(Number(key.slice(3)))!)).toEqual(await golden.readBytes(key));
        compared++;
      }
      expect(compared).toBeGreaterThan(0);
    });
  },
);

describe("what cannot be opened", () => {
  const good = { seed_precision: 2, parent_precision: 3 };
  const tensors = () => [
    source("a.qweight", "I32", [3, 1, 1], new Int32Array(3)),
    source("a.lut2", "F16", [1, 4], new Uint16Array(4)),
    source("a.lut3", "F16", [1, 8], new Uint16Array(8)),
    source("n.weight", "F16", [2], Uint16Array.of(0x3c00, 0)),
  ];

  test("a minimal model opens, with its window and its float tensors", async () => {
    const checkpoint = await openCheckpoint(await directoryOf({ anyprec: good }, tensors()), { maximumPrecision: 2 });
    expect(checkpoint.precisions).toEqual([2]);
    expect([...(await checkpoint.readFloat32("n.weight"))]).toEqual([1, 0]);
    expect(await checkpoint.readLinear("a")).toMatchObject({ bits: 2, columns: 32 });
    expect(checkpoint.has("a.weight")).toBe(true);
    expect(checkpoint.has("a.qweight")).toBe(false);
    await expect(checkpoint.readLinear("a", { maximumPrecision: 3 })).rejects.toMatchObject({
      code: "precision-unavailable",
    });
  });

  test.each<[string, string, unknown, (list: TensorSource[]) => TensorSource[]]>([
    ["sparse outliers in the configuration", "unsupported", { ...good, sparse_numvals: { a: 3 } }, (list) => list],
    [
      "sparse outliers among the tensors",
      "unsupported",
      good,
      (list) => [...list, source("a.rows", "I32", [1], new Int32Array(1))],
    ],
    ["several groups", "unsupported", { ...good, group_count: 2 }, (list) => list],
    ["impossible bits", "invalid-file", { seed_precision: 4, parent_precision: 3 }, (list) => list],
    ["other bits than planes", "invalid-file", { seed_precision: 2, parent_precision: 4 }, (list) => list],
    ["a missing table", "invalid-file", good, (list) => list.filter(({ name }) => name !== "a.lut3")],
    ["no layers", "invalid-file", good, (list) => list.slice(3)],
  ])("%s: %s", async (_, code, anyprec, change) => {
    await expect(openCheckpoint(await directoryOf({ anyprec }, change(tensors())))).rejects.toMatchObject({ code });
  });

  test("an empty map of outliers is no reason to refuse", async () => {
    const directory = await directoryOf({ anyprec: { ...good, sparse_numvals: {} } }, tensors());
    expect((await openCheckpoint(directory)).kind).toBe("nested");
  });
});
