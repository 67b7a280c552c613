import { createHash } from "node:crypto";
import { type BinaryCodedWeight, InvalidArgumentError, InvalidFileError, type Sensitivity } from "@stepdown/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quantizeBinaryRows } from "../binary/quantize-binary-rows.js";
import { createRowPool } from "../pool/create-row-pool.js";
import type { RowPool } from "../pool/row-pool.js";
import { quantizeBinaryCoded } from "./quantize-binary-coded.js";

/** Hash of everything that is stored: comparing arrays element by element takes vitest seconds. */
function digest({ planes, scales }: BinaryCodedWeight): string {
  const hash = createHash("sha256");
  for (const plane of planes) hash.update(plane);
  for (const [precision, { codes, steps, offsets }] of scales) {
    hash.update(`${precision}`).update(codes).update(steps);
    if (offsets !== undefined) hash.update(offsets);
  }
  return hash.digest("hex");
}

// Odd sizes: the last byte of a row is not full, and the rows do not divide into equal ranges.
const shape = { rows: 1001, columns: 132 };
const weight = Float32Array.from({ length: shape.rows * shape.columns }, (_, i) => Math.sin(i * i) * 0.05);
const values = Float32Array.from({ length: shape.columns }, (_, k) => 1 + (k % 7));
const columns: Sensitivity = { kind: "columns", values };

/** Second moments of three waves, correlated as activations are. */
const wave = (k: number): number[] => [Math.sin(k), Math.cos(0.7 * k), Math.sin(0.1 * k * k)];
const moments: Sensitivity = {
  kind: "moments",
  values: Float32Array.from({ length: shape.columns ** 2 }, (_, i) => {
    const [j, k] = [Math.floor(i / shape.columns), i % shape.columns];
    return wave(j).reduce((sum, x, n) => sum + x * wave(k)[n]!, j === k ? 0.3 : 0);
  }),
};
const diagonal: Sensitivity = {
  kind: "columns",
  values: Float32Array.from({ length: shape.columns }, (_, k) => moments.values[k * (shape.columns + 1)]!),
};

const pools: RowPool[] = [];
beforeAll(async () => {
  pools.push(...(await Promise.all([0, 1, 3].map((threads) => createRowPool({ threads })))));
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]()));
});

describe("result", () => {
  test("it is the same to the bit whatever the number of threads", async () => {
    const options = { bits: 6, sensitivity: columns, offset: true };
    const results = await Promise.all(pools.map((pool) => quantizeBinaryCoded(weight, shape, { ...options, pool })));
    expect(new Set(results.map(digest)).size).toBe(1);
    expect(results[0]).toMatchObject({ codec: "bcq", ...shape, seedBits: 2, bits: 6, groupSize: 44 });
  });

  test.each(["calibrated", "best"] as const)(
    "so it is with the effort %s, and the moments are left as they were",
    async (effort) => {
      const small = { rows: 131, columns: shape.columns };
      const part = weight.slice(0, small.rows * small.columns);
      const before = moments.values.slice();
      const options = { bits: 6, sensitivity: moments, effort };
      const results = await Promise.all(pools.map((pool) => quantizeBinaryCoded(part, small, { ...options, pool })));
      const fewer = { ...small, rows: 40 };
      const cut = await quantizeBinaryCoded(part.slice(0, 40 * 132), fewer, { ...options, pool: pools[1]! });
      expect(new Set(results.map(digest)).size).toBe(1);
      expect(moments.values).toEqual(before);
      for (const [j, plane] of cut.planes.entries())
        expect(results[0]!.planes[j]!.slice(0, plane.length)).toEqual(plane);
    },
  );

  test("quick takes the diagonal of moments as a sensitivity per column", async () => {
    const results = await Promise.all(
      [moments, diagonal].map((sensitivity) => quantizeBinaryCoded(weight, shape, { sensitivity, pool: pools[0]! })),
    );
    expect(digest(results[0]!)).toBe(digest(results[1]!));
  });

  test("efforts and what they are optimized for differ", async () => {
    const small = { rows: 20, columns: shape.columns };
    const options = [{}, { effort: "calibrated" }, { effort: "best" }, { effort: "best", optimizeFor: [2] }] as const;
    const results = await Promise.all(
      options.map((option) =>
        quantizeBinaryCoded(weight.slice(0, 20 * 132), small, { ...option, sensitivity: moments, pool: pools[0]! }),
      ),
    );
    expect(new Set(results.map(digest)).size).toBe(4);
  });

  test("planes and scales are those of the row algorithm", async () => {
    const pool = pools[0]!;
    const result = await quantizeBinaryCoded(weight, shape, { seedBits: 3, bits: 5, sensitivity: columns, pool });
    const settings = { seedBits: 3, bits: 5, groupSize: 44, offset: false };
    const rows = quantizeBinaryRows({ ...shape, ...settings, weight, sensitivity: values });
    expect(digest(result)).toBe(digest({ ...result, planes: rows.planes, scales: mapOf(rows.scales, 3) }));
    expect([...result.scales.keys()]).toEqual([3, 4, 5]);
  });

  test.each([
    [576, 96],
    [1536, 96],
    [192, 96],
    [30, 30],
  ])("rows of %i columns have groups of %i and arrays to match", async (length, groupSize) => {
    const small = { rows: 3, columns: length };
    const result = await quantizeBinaryCoded(weight.slice(0, 3 * length), small, { pool: pools[0]!, offset: true });
    expect(result.groupSize).toBe(groupSize);
    expect(result.planes.map((plane) => plane.length)).toEqual(new Array(4).fill(3 * Math.ceil(length / 8)));
    const groups = 3 * (length / groupSize);
    for (const [precision, { codes, steps, offsets }] of result.scales) {
      expect([codes.length, steps.length, offsets?.length]).toEqual([groups * precision, 3, groups]);
    }
  });

  test("the weights given are left as they were", () => {
    expect(weight[5]).toBe(Math.fround(Math.sin(25) * 0.05));
    expect(values).toHaveLength(shape.columns);
  });
});

function mapOf<T>(parts: readonly T[], first: number): Map<number, T> {
  return new Map(parts.map((part, i) => [first + i, part]));
}

describe("waiting", () => {
  test.each([0, 1])("progress counts every weight once, and an abort rejects with its reason (pool %i)", async (i) => {
    const pool = pools[i]!;
    const seen: number[] = [];
    await quantizeBinaryCoded(weight, shape, { pool, onProgress: ({ done }) => seen.push(done) });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(weight.length);
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = (): void => controller.abort(reason);
    const run = quantizeBinaryCoded(weight, shape, { pool, signal: controller.signal, onProgress });
    await expect(run).rejects.toBe(reason);
  });

  test.each([0, 1])("so it is with error feedback (pool %i)", async (i) => {
    const options = { pool: pools[i]!, sensitivity: moments, effort: "calibrated" } as const;
    const small = { rows: 200, columns: shape.columns };
    const part = weight.slice(0, 200 * 132);
    const seen: number[] = [];
    await quantizeBinaryCoded(part, small, { ...options, onProgress: ({ done }) => seen.push(done) });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.at(-1)).toBe(part.length);
    const controller = new AbortController();
    const reason = new Error("enough");
    const run = quantizeBinaryCoded(part, small, { ...options, signal: controller.signal });
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
  });
});

describe("refusals", () => {
  const small = { rows: 2, columns: 64 };
  const plain = weight.slice(0, 128);

  test.each([
    { seedBits: 1 },
    { seedBits: 5 },
    { bits: 9 },
    { seedBits: 3, bits: 2 },
    { groupSize: 48 },
    { groupSize: 16 },
    { groupSize: 128 },
    { sensitivity: { kind: "columns", values: new Float32Array(3) } as const },
    { sensitivity: { kind: "moments", values: new Float32Array(64) } as const },
    { optimizeFor: [3] },
  ])("options %j are refused", async (options) => {
    const run = quantizeBinaryCoded(plain, small, { pool: pools[0]!, ...options });
    await expect(run).rejects.toThrow(InvalidArgumentError);
  });

  test.each([
    [undefined, "no sensitivity"],
    [{ kind: "columns", values: new Float32Array(64) } as const, 'kind "columns"'],
  ])("error feedback without moments says what to do (%#)", async (sensitivity, found) => {
    const options = { pool: pools[0]!, effort: "best", ...(sensitivity === undefined ? {} : { sensitivity }) } as const;
    const run = quantizeBinaryCoded(plain, small, options);
    await expect(run).rejects.toThrow(InvalidArgumentError);
    await expect(run).rejects.toThrow(found);
    await expect(run).rejects.toThrow(/calibration text/);
  });

  test.each([
    [0, -1, /diagonal/],
    [1, Number.NaN, /finite/],
    [64, Number.POSITIVE_INFINITY, /finite/],
    [65, -0.1, /diagonal/],
    [2, 0.5, /not symmetric/],
  ])("moments with %i → %d are refused", async (place, value, message) => {
    const values = Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 65 === 0 ? 1 : -0.01));
    const options = { pool: pools[0]!, effort: "calibrated" } as const;
    await quantizeBinaryCoded(plain, small, { ...options, sensitivity: { kind: "moments", values: values.slice() } });
    values[place] = value;
    const run = quantizeBinaryCoded(plain, small, { ...options, sensitivity: { kind: "moments", values } });
    await expect(run).rejects.toThrow(InvalidArgumentError);
    await expect(run).rejects.toThrow(message);
  });

  test("a weight that is no number is an invalid file, by name and place", async () => {
    const damaged = plain.slice();
    damaged[70] = Number.NaN;
    const run = quantizeBinaryCoded(damaged, small, { pool: pools[0]!, name: "layer.7" });
    await expect(run).rejects.toThrow(InvalidFileError);
    await expect(run).rejects.toThrow(/layer\.7.*row 1, column 6/);
  });
});
