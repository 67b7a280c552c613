import { createHash } from "node:crypto";
import { type CodebookWeight, InvalidArgumentError, InvalidFileError, type Sensitivity } from "@stepdown/core";
import { dequantizeNested, float16ToFloat32, unpackLabels } from "@stepdown/model-format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quantizeRows } from "../codebook/quantize-rows.js";
import { createRowPool } from "../pool/create-row-pool.js";
import type { RowPool } from "../pool/row-pool.js";
import { quantizeLinear } from "./quantize-linear.js";

/** Largest distance of a number from its nearest half-precision number: relative, and absolute near 0. */
const FLOAT16_ROUNDING = 2 ** -11;
const FLOAT16_SMALLEST_ROUNDING = 2 ** -25;

/** Hash of all planes and tables: comparing arrays element by element takes vitest seconds. */
function digest({ planes, tables }: CodebookWeight): string {
  const hash = createHash("sha256");
  for (const plane of planes) hash.update(plane);
  for (const [precision, table] of tables) hash.update(`${precision}`).update(table);
  return hash.digest("hex");
}

// Odd sizes: the last byte of a row is not full, and the rows do not divide into equal ranges.
const shape = { rows: 1001, columns: 131 };
const weight = Float32Array.from({ length: shape.rows * shape.columns }, (_, i) => Math.sin(i * i) * 0.05);
const columnValues = Float32Array.from({ length: shape.columns }, (_, k) => 1 + (k % 7));
const columns: Sensitivity = { kind: "columns", values: columnValues };
const weights: Sensitivity = {
  kind: "weights",
  values: Float32Array.from(weight, (_, i) => columnValues[i % shape.columns]!),
};

const pools: RowPool[] = [];
beforeAll(async () => {
  pools.push(...(await Promise.all([0, 1, 3].map((threads) => createRowPool({ threads })))));
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]()));
});

describe("threads", () => {
  test("worker threads really start", () => {
    expect(pools.map(({ threads, fallbackReason }) => [threads, fallbackReason])).toEqual([
      [0, undefined],
      [1, undefined],
      [3, undefined],
    ]);
  });

  test("the result is the same to the bit whatever their number", async () => {
    const options = { bits: 6, sensitivity: weights };
    const results = await Promise.all(pools.map((pool) => quantizeLinear(weight, shape, { ...options, pool })));
    expect(new Set(results.map(digest)).size).toBe(1);
  });

  test("a pool of its own is made and stopped when none is given", async () => {
    const small = { rows: 2, columns: 8 };
    const result = await quantizeLinear(weight.slice(0, 16), small);
    expect(result).toMatchObject({ codec: "codebook", ...small, seedBits: 2, bits: 4 });
  });

  test("a failed range names the reason", async () => {
    const pool = await createRowPool({ threads: 1 });
    await pool[Symbol.asyncDispose]();
    await expect(quantizeLinear(weight, shape, { pool })).rejects.toThrow(/disposed/);
  });

  test("impossible numbers of threads are refused", async () => {
    for (const threads of [-1, 1.5, 1e6, Number.NaN]) {
      await expect(createRowPool({ threads })).rejects.toThrow(InvalidArgumentError);
    }
  });
});

describe("result", () => {
  let result: CodebookWeight;
  beforeAll(async () => {
    result = await quantizeLinear(weight, shape, { bits: 5, sensitivity: columns, pool: pools[0]! });
  });

  test("planes and tables are those of the row algorithm", () => {
    const rows = quantizeRows({
      ...shape,
      weight,
      sensitivity: columnValues,
      seedBits: 2,
      bits: 5,
      mode: "exact",
      seed: 0,
    });
    expect(result.planes).toHaveLength(5);
    const labels = unpackLabels(result.planes, shape.rows, shape.columns, 5);
    expect(labels.findIndex((label, i) => label !== rows.labels[i])).toBe(-1);
    for (const [i, table] of rows.tables.entries()) {
      const stored = float16ToFloat32(result.tables.get(2 + i)!);
      const isFar = (x: number, j: number): boolean =>
        Math.abs(stored[j]! - x) > Math.max(FLOAT16_ROUNDING * Math.abs(x), FLOAT16_SMALLEST_ROUNDING);
      expect(table.findIndex(isFar)).toBe(-1);
    }
  });

  test("a sensitivity per column is the same as its rows repeated", async () => {
    const repeated = await quantizeLinear(weight, shape, { bits: 5, sensitivity: weights, pool: pools[0]! });
    expect(digest(repeated)).toBe(digest(result));
  });

  test("of moments the diagonal counts", async () => {
    const values = new Float32Array(shape.columns ** 2).fill(-0.5);
    for (let k = 0; k < shape.columns; k++) values[k * (shape.columns + 1)] = columns.values[k]!;
    const sensitivity: Sensitivity = { kind: "moments", values };
    expect(await quantizeLinear(weight, shape, { bits: 5, sensitivity, pool: pools[0]! })).toEqual(result);
  });

  test("every mode has its own clusters and the seed changes only those that draw", async () => {
    const quantize = async (mode: "exact" | "fixed", seed: number): Promise<string> =>
      digest(await quantizeLinear(weight, shape, { mode, seed, pool: pools[0]! }));
    expect(await quantize("exact", 1)).toBe(await quantize("exact", 0));
    expect(await quantize("fixed", 1)).not.toBe(await quantize("fixed", 0));
  });

  test("the weights given are left as they were", () => {
    expect(weight[5]).toBe(Math.fround(Math.sin(25) * 0.05));
    expect(weights.values).toHaveLength(weight.length);
  });
});

describe("groups of columns", () => {
  const grouped = { rows: 37, columns: 96 };
  const values = weight.slice(0, grouped.rows * grouped.columns);
  const perColumn: Sensitivity = { kind: "columns", values: Float32Array.from({ length: 96 }, (_, k) => 1 + (k % 5)) };
  const perWeight: Sensitivity = { kind: "weights", values: values.map((_, i) => perColumn.values[i % 96]!) };

  test.each(["exact", "fixed", "reference"] as const)("are matrices of their own, mode %s", async (mode) => {
    const options = { bits: 5, mode, pool: pools[1]! };
    const result = await quantizeLinear(values, grouped, { ...options, groupCount: 4, sensitivity: perColumn });
    expect(result).toMatchObject({ ...grouped, groupCount: 4 });
    for (let group = 0; group < 4; group++) {
      const cut = (all: ArrayLike<number>): Float32Array =>
        Float32Array.from({ length: 37 * 24 }, (_, i) => all[Math.floor(i / 24) * 96 + group * 24 + (i % 24)]!);
      const sensitivity: Sensitivity = { kind: "columns", values: perColumn.values.slice(group * 24, group * 24 + 24) };
      const part = { rows: 37, columns: 24 };
      const alone = await quantizeLinear(cut(values), part, { ...options, sensitivity });
      for (const precision of [2, 3, 5]) {
        expect(cut(dequantizeNested(result, precision))).toEqual(dequantizeNested(alone, precision));
      }
    }
  });

  test("do not depend on threads or on how columns are weighed", async () => {
    const runs = pools.map((pool) => quantizeLinear(values, grouped, { groupCount: 3, sensitivity: perWeight, pool }));
    const all = [
      ...(await Promise.all(runs)),
      await quantizeLinear(values, grouped, { groupCount: 3, sensitivity: perColumn }),
    ];
    expect(new Set(all.map(digest)).size).toBe(1);
  });

  test("fit better than one table per row", async () => {
    const errorOf = async (groupCount: number): Promise<number> => {
      const result = dequantizeNested(await quantizeLinear(values, grouped, { groupCount, pool: pools[0]! }), 3);
      return result.reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0);
    };
    expect(await errorOf(4)).toBeLessThan(0.8 * (await errorOf(1)));
  });

  test("that rows cannot be cut into are refused, and with error feedback", async () => {
    for (const groupCount of [0, -1, 1.5, Number.NaN]) {
      await expect(quantizeLinear(values, grouped, { groupCount })).rejects.toThrow(/positive integer/);
    }
    await expect(quantizeLinear(values, grouped, { groupCount: 5, name: "x" })).rejects.toThrow(
      "groupCount is 5; the 96 columns of x can be cut into 1, 2, 3, 4, 6, 12 groups.",
    );
    const run = quantizeLinear(values, grouped, { groupCount: 2, effort: "best" });
    await expect(run).rejects.toThrow(/groupCount is 2 and the effort best/);
  });
});

describe("waiting", () => {
  test("progress counts every weight once", async () => {
    const seen: number[] = [];
    await quantizeLinear(weight, shape, {
      pool: pools[1]!,
      onProgress: ({ done, total, unit }) => {
        expect([total, unit]).toEqual([weight.length, "weights"]);
        seen.push(done);
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(weight.length);
  });

  test.each([0, 1])("an abort rejects with its reason (pool %i)", async (pool) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const run = quantizeLinear(weight, shape, {
      pool: pools[pool]!,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(run).rejects.toBe(reason);
  });
});

describe("refusals", () => {
  const small = { rows: 2, columns: 4 };
  const quantize = (values: number[], options = {}) =>
    quantizeLinear(Float32Array.from(values), small, { name: "layer.7", pool: pools[0]!, ...options });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -65505])("a weight of %d is an invalid file", async (bad) => {
    const run = quantize([0, 1, 2, 3, 4, bad, 6, 7]);
    await expect(run).rejects.toThrow(InvalidFileError);
    await expect(run).rejects.toThrow(/layer\.7.*row 1, column 1/);
  });

  test("the largest half-precision number is accepted", async () => {
    const { tables } = await quantize([65504, -65504, 0, 0, 0, 0, 0, 0]);
    expect(Math.max(...float16ToFloat32(tables.get(4)!))).toBe(65504);
  });

  test("weights, shape and sensitivity have to fit together", async () => {
    await expect(quantize([1, 2, 3])).rejects.toThrow(InvalidArgumentError);
    for (const kind of ["columns", "weights"] as const) {
      const sensitivity: Sensitivity = { kind, values: new Float32Array(5) };
      await expect(quantize([0, 1, 2, 3, 4, 5, 6, 7], { sensitivity })).rejects.toThrow(/5 values/);
    }
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])("a sensitivity of %d is refused", async (bad) => {
    const sensitivity: Sensitivity = { kind: "columns", values: Float32Array.of(1, 1, bad, 1) };
    await expect(quantize([0, 1, 2, 3, 4, 5, 6, 7], { sensitivity })).rejects.toThrow(/position 2/);
  });

  test.each([
    { seedBits: 1 },
    { seedBits: 5 },
    { bits: 9 },
    { seedBits: 3, bits: 2 },
    { seed: -1 },
    { seed: 2 ** 32 },
    { mode: "best" },
  ])("options %j are refused", async (options) => {
    await expect(quantize([0, 1, 2, 3, 4, 5, 6, 7], options)).rejects.toThrow(InvalidArgumentError);
  });
});
