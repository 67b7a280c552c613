import { readFileSync } from "node:fs";
import { join } from "node:path";
import { float32ToFloat16, openFileSource, openSafetensors, type SafetensorsFile } from "@stepdown/model-format";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { beforeAll, describe, expect, test } from "vitest";
import { weightedSquaredError } from "../weighted-squared-error.js";
import { seedByLloyd } from "./lloyd-seed.js";
import { type ClusteredRows, quantizeRows, type RowRange, writeLabels } from "./quantize-rows.js";
import { randomDraws } from "./random-draws.js";
import { SortedRow } from "./sorted-row.js";
import { upscaleRow } from "./upscale-row.js";

/** Relative: sums may be added in another order. */
const TABLE_TOLERANCE = 1e-6;

interface Case {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly seedBits: number;
  readonly parentBits: number;
  readonly randomState: number;
  readonly weightedSquaredError: Readonly<Record<string, number>>;
}

/** One case with its tensors. */
interface Golden extends Case {
  readonly range: RowRange;
  readonly draws: Float64Array;
  readonly seedCentroids: Float64Array;
  readonly seedBorders: Int32Array;
  readonly labels: Uint8Array;
  readonly qweight: Int32Array;
  readonly tables: readonly Float32Array[];
  readonly halfTables: readonly Uint16Array[];
}

const folder = goldenPath("any-precision");
const cases: readonly Case[] =
  folder === undefined ? [] : JSON.parse(readFileSync(join(folder, "index.json"), "utf8")).cases;
const suite = "published quantizer";

describe.skipIf(folder === undefined)(folder === undefined ? skipReason(suite) : suite, () => {
  const goldens = new Map<string, Golden>();
  beforeAll(async () => {
    for (const each of cases) goldens.set(each.name, await readCase(each));
  });

  describe.each(cases)("$name", ({ name }) => {
    test("random numbers are the same", () => {
      const { draws, randomState } = goldens.get(name)!;
      expect(randomDraws(randomState, draws.length)).toEqual(draws);
    });

    test("seed centroids and borders of rows with mass are the same to the last bit", () => {
      const golden = goldens.get(name)!;
      const row = new SortedRow(golden.columns);
      const clusters = 2 ** golden.seedBits;
      let compared = 0;
      for (let r = 0; r < golden.rows; r++) {
        load(row, golden, r);
        if (!hasEnoughMass(row, clusters)) continue;
        const centroids = new Float32Array(clusters);
        const borders = new Int32Array(clusters + 1);
        seedByLloyd(row, golden.draws, centroids, borders);
        expect(borders).toEqual(golden.seedBorders.slice(r * (clusters + 1), (r + 1) * (clusters + 1)));
        expect(Float64Array.from(centroids)).toEqual(golden.seedCentroids.slice(r * clusters, (r + 1) * clusters));
        compared++;
      }
      expect(compared).toBeGreaterThan(0);
    });

    test("reference mode gives the same labels, packed words and tables", () => {
      const golden = goldens.get(name)!;
      const { labels, tables } = quantizeLikeReference(golden);
      const { rows, columns } = golden;
      // Equal values may exchange their labels where the original sorts unstably; words then differ likewise.
      expect(labelsByValue(golden.range, labels)).toEqual(labelsByValue(golden.range, golden.labels));
      if (!hasTies(golden)) {
        expect(labels).toEqual(golden.labels);
        expect(permutedWords(labels, rows, columns, golden.parentBits)).toEqual(golden.qweight);
      }
      for (const [i, table] of tables.entries()) {
        const expected = golden.tables[i]!;
        expect(float32ToFloat16(table)).toEqual(golden.halfTables[i]);
        const worst = table.reduce((most, x, j) => Math.max(most, relativeError(x, expected[j]!)), 0);
        expect(worst).toBeLessThanOrEqual(TABLE_TOLERANCE);
      }
    });

    test("the error measured from the published tables is the recorded one", () => {
      const golden = goldens.get(name)!;
      for (const [precision, recorded] of Object.entries(golden.weightedSquaredError)) {
        const error = weightedSquaredError({ ...golden.range, ...golden }, Number(precision));
        expect(error).toBeCloseTo(recorded, 12);
      }
    });

    test("exact mode's error at the seed precision is not larger", () => {
      const golden = goldens.get(name)!;
      const range: RowRange = { ...golden.range, mode: "exact" };
      const error = weightedSquaredError({ ...range, ...quantizeRows(range) }, golden.seedBits);
      expect(error).toBeLessThanOrEqual(golden.weightedSquaredError[golden.seedBits]! * (1 + TABLE_TOLERANCE));
    });
  });

  test.each(["fixed", "exact"] as const)("%s mode's error is on average not larger at any precision", (mode) => {
    const sums = new Map<string, { ours: number; recorded: number }>();
    for (const golden of goldens.values()) {
      const range: RowRange = { ...golden.range, mode };
      const result = { ...range, ...quantizeRows(range) };
      for (const [precision, recorded] of Object.entries(golden.weightedSquaredError)) {
        const sum = sums.get(precision) ?? { ours: 0, recorded: 0 };
        sum.ours += weightedSquaredError(result, Number(precision));
        sum.recorded += recorded;
        sums.set(precision, sum);
      }
    }
    expect(sums.size).toBeGreaterThan(0);
    for (const { ours, recorded } of sums.values()) expect(ours).toBeLessThanOrEqual(recorded * (1 + TABLE_TOLERANCE));
  });
});

/** Reference mode, starting from the published seed in rows where the draws decide between candidates of no inertia. */
function quantizeLikeReference(golden: Golden): ClusteredRows {
  const { rows, columns, seedBits, parentBits, range } = golden;
  const result = quantizeRows(range);
  const clusters = 2 ** seedBits;
  const row = new SortedRow(columns);
  const borders = new Int32Array(2 ** parentBits + 1);
  for (let r = 0; r < rows; r++) {
    load(row, golden, r);
    if (hasEnoughMass(row, clusters)) continue;
    result.tables[0]!.set(golden.seedCentroids.subarray(r * clusters, (r + 1) * clusters), r * clusters);
    borders.set(golden.seedBorders.subarray(r * (clusters + 1), (r + 1) * (clusters + 1)));
    upscaleRow(row, r, seedBits, parentBits, "reference", result.tables, borders);
    writeLabels(row, borders, 2 ** parentBits, result.labels, r * columns);
  }
  return result;
}

/** With fewer values of mass than clusters, the inertia left for the last centroids is rounding noise. */
function hasEnoughMass(row: SortedRow, clusters: number): boolean {
  let values = 0;
  for (let i = 0; i < row.columns; i++) if (row.mass[i + 1]! > row.mass[i]!) values++;
  return values >= clusters;
}

function load(row: SortedRow, { range, columns }: Golden, r: number): void {
  row.load(range.weight, r * columns, range.sensitivity, r * columns);
}

function hasTies({ rows, columns, range }: Golden): boolean {
  for (let r = 0; r < rows; r++) {
    const weights = range.weight.subarray(r * columns, (r + 1) * columns);
    const nonZero = [...weights].filter((w) => w !== 0);
    if (new Set(nonZero).size < nonZero.length) return true;
  }
  return false;
}

/** Sorted (value, label) pairs of every row. */
function labelsByValue({ rows, columns, weight }: RowRange, labels: Uint8Array): number[][][] {
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: columns }, (_, k) => [weight[r * columns + k]! + 0, labels[r * columns + k]!]).sort(
      (a, b) => a[0]! - b[0]! || a[1]! - b[1]!,
    ),
  );
}

function relativeError(a: number, b: number): number {
  return a === b ? 0 : Math.abs(a - b) / Math.abs(b);
}

/** Labels as the published packer arranges them: int32 `[bits][rows][columns / 32]`, columns permuted per 1024. */
function permutedWords(labels: Uint8Array, rows: number, columns: number, bits: number): Int32Array {
  const wordsPerRow = columns / 32;
  const words = new Int32Array(bits * rows * wordsPerRow);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) {
      const chunk = Math.floor(k / 1024);
      const threads = 1024 * (chunk + 1) <= columns ? 32 : (columns % 1024) / 32;
      const eighth = Math.floor((k % 1024) / 8);
      const word = 32 * chunk + (eighth % threads);
      const position = 31 - 8 * Math.floor(eighth / threads) - (k % 8);
      for (let j = 0; j < bits; j++) {
        const bit = (labels[r * columns + k]! >> (bits - 1 - j)) & 1;
        words[(j * rows + r) * wordsPerRow + word]! |= bit << position;
      }
    }
  }
  return words;
}

async function readCase(each: Case): Promise<Golden> {
  const source = await openFileSource(join(folder!, `${each.name}.safetensors`));
  const file = await openSafetensors(source!);
  const levels = Array.from({ length: each.parentBits - each.seedBits + 1 }, (_, i) => each.seedBits + i);
  const range: RowRange = {
    rows: each.rows,
    columns: each.columns,
    seedBits: each.seedBits,
    bits: each.parentBits,
    mode: "reference",
    seed: each.randomState,
    weight: await file.readFloat32("weight"),
    sensitivity: await file.readFloat32("sensitivity"),
  };
  return {
    ...each,
    range,
    draws: await read(file, "draws", Float64Array),
    seedCentroids: await read(file, "seed_centroids", Float64Array),
    seedBorders: await read(file, "seed_borders", Int32Array),
    labels: await read(file, "labels", Uint8Array),
    qweight: await read(file, "qweight", Int32Array),
    tables: await Promise.all(levels.map((b) => read(file, `lut${b}_f32`, Float32Array))),
    halfTables: await Promise.all(levels.map((b) => read(file, `lut${b}`, Uint16Array))),
  };
}

async function read<T>(file: SafetensorsFile, name: string, view: new (buffer: ArrayBuffer) => T): Promise<T> {
  const bytes = await file.readBytes(name);
  return new view(bytes.slice().buffer);
}
