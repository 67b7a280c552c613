import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { weightedSquaredError } from "../weighted-squared-error.js";
import { quantizeRows, type RowRange } from "./quantize-rows.js";
import type { SplitMethod } from "./split.js";

/** Relative to the error of the level below: tables are rounded to float32, errors are squares. */
const ROUNDING = 1e-5;

/** Relative to all mass times the largest w²: the square of float32's unit roundoff, with room for sums. */
const FLOAT32_SQUARED = 1e-12;

const value = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 0.125, 0.25) },
);
const importance = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: 0, max: 4, noNaN: true }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1e-12) },
);

const ranges: fc.Arbitrary<RowRange> = fc
  .record({
    rows: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 80 }),
    seedBits: fc.integer({ min: 2, max: 4 }),
    furtherBits: fc.integer({ min: 0, max: 4 }),
    mode: fc.constantFrom<SplitMethod>("fixed", "exact"),
    kind: fc.constantFrom("none", "columns", "weights"),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  })
  .chain(({ rows, columns, furtherBits, kind, ...settings }) => {
    const sizes = { minLength: rows * columns, maxLength: rows * columns };
    const count = kind === "columns" ? columns : rows * columns;
    return fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      seedBits: fc.constant(settings.seedBits),
      bits: fc.constant(settings.seedBits + furtherBits),
      mode: fc.constant(settings.mode),
      seed: fc.constant(settings.seed),
      weight: fc.array(value, sizes).map((values) => Float32Array.from(values)),
      ...(kind === "none"
        ? {}
        : {
            sensitivity: fc
              .array(importance, { minLength: count, maxLength: count })
              .map((values) => Float32Array.from(values)),
          }),
    });
  });

describe("fixed and exact modes", () => {
  test("labels do not decrease with the weights of a row", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const { labels } = quantizeRows(range);
        for (let r = 0; r < range.rows; r++) {
          const columns = Array.from({ length: range.columns }, (_, k) => r * range.columns + k);
          columns.sort((a, b) => range.weight[a]! - range.weight[b]! || a - b);
          const sorted = columns.map((i) => labels[i]!);
          expect(sorted).toEqual([...sorted].sort((a, b) => a - b));
        }
      }),
    );
  });

  test("tables do not decrease within a row and stay within its weights", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        for (const [i, table] of quantizeRows(range).tables.entries()) {
          const size = 2 ** (range.seedBits + i);
          for (let r = 0; r < range.rows; r++) {
            const row = [...table.subarray(r * size, (r + 1) * size)];
            const weights = range.weight.subarray(r * range.columns, (r + 1) * range.columns);
            expect(row).toEqual([...row].sort((a, b) => a - b));
            expect(row[0]!).toBeGreaterThanOrEqual(Math.min(...weights));
            expect(row[size - 1]!).toBeLessThanOrEqual(Math.max(...weights));
          }
        }
      }),
    );
  });

  test("a model stopped at fewer bits is the same model", () => {
    fc.assert(
      fc.property(ranges, fc.nat(4), (range, fewer) => {
        const bits = Math.max(range.seedBits, range.bits - fewer);
        const full = quantizeRows(range);
        const stopped = quantizeRows({ ...range, bits });
        expect([...stopped.labels]).toEqual([...full.labels].map((label) => label >> (range.bits - bits)));
        expect(stopped.tables).toEqual(full.tables.slice(0, bits - range.seedBits + 1));
      }),
    );
  });

  test("the weighted error does not grow with the bits", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const input = { ...range, ...quantizeRows(range) };
        const { weight, sensitivity } = range;
        const largest = weight.reduce((most, w) => Math.max(most, w * w), 0);
        const scale = largest * weight.length * (sensitivity === undefined ? 1 : Math.max(...sensitivity));
        for (let p = range.seedBits; p < range.bits; p++) {
          const limit = weightedSquaredError(input, p) * (1 + ROUNDING) + scale * FLOAT32_SQUARED;
          expect(weightedSquaredError(input, p + 1)).toBeLessThanOrEqual(limit);
        }
      }),
    );
  });

  test("rows do not influence each other", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const { rows, columns, weight, sensitivity } = range;
        const whole = quantizeRows(range);
        const last = quantizeRows({
          ...range,
          rows: 1,
          weight: weight.slice((rows - 1) * columns),
          ...(sensitivity === undefined || sensitivity.length === columns
            ? {}
            : { sensitivity: sensitivity.slice((rows - 1) * columns) }),
        });
        expect(last.labels).toEqual(whole.labels.slice((rows - 1) * columns));
        for (const [i, table] of last.tables.entries()) {
          expect(table).toEqual(whole.tables[i]!.slice((rows - 1) * table.length));
        }
      }),
    );
  });
});

describe("Fisher sums as they come", () => {
  /** Most are 0 or far below the rest: 60 orders of magnitude are what float32 holds. */
  const fisher = fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.integer({ min: -120, max: 120 }).map((exponent) => 2 ** exponent) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** -149, 3e38) },
  );
  const rows = fc.record({
    columns: fc.integer({ min: 1, max: 96 }),
    seedBits: fc.constantFrom(3, 4),
    pairs: fc.array(fc.tuple(value, fisher), { minLength: 96, maxLength: 96 }),
  });

  test("seeds of 3 and 4 bits keep order, range, nesting and finite tables", () => {
    fc.assert(
      fc.property(rows, ({ columns, seedBits, pairs }) => {
        const used = pairs.slice(0, columns);
        const range: RowRange = {
          rows: 1,
          columns,
          seedBits,
          bits: 8,
          mode: "exact",
          seed: 0,
          weight: Float32Array.from(used, ([w]) => w),
          sensitivity: Float32Array.from(used, ([, f]) => f),
        };
        const { labels, tables } = quantizeRows(range);
        const ascending = Array.from({ length: columns }, (_, k) => k);
        ascending.sort((a, b) => range.weight[a]! - range.weight[b]! || a - b);
        for (let i = 1; i < columns; i++) {
          expect(labels[ascending[i]!]!).toBeGreaterThanOrEqual(labels[ascending[i - 1]!]!);
        }
        for (const table of tables) {
          for (const [i, centroid] of table.entries()) {
            expect(centroid).toBeGreaterThanOrEqual(Math.min(...range.weight));
            expect(centroid).toBeLessThanOrEqual(Math.max(...range.weight));
            if (i > 0) expect(centroid).toBeGreaterThanOrEqual(table[i - 1]!);
          }
        }
        for (let bits = seedBits; bits < 8; bits++) {
          const stopped = quantizeRows({ ...range, bits });
          expect([...stopped.labels]).toEqual([...labels].map((label) => label >> (8 - bits)));
          expect(stopped.tables).toEqual(tables.slice(0, bits - seedBits + 1));
        }
      }),
    );
  });

  test("the seed's error is the least that any contiguous clusters reach", () => {
    const few = fc.array(fc.tuple(value, fisher), { minLength: 9, maxLength: 10 });
    fc.assert(
      fc.property(few, (pairs) => {
        const weight = Float32Array.from(pairs, ([w]) => w);
        const sensitivity = Float32Array.from(pairs, ([, f]) => f);
        const settings = { seedBits: 3, bits: 3, mode: "exact", seed: 0 } as const;
        const range = { ...settings, rows: 1, columns: weight.length, weight, sensitivity };
        const error = weightedSquaredError({ ...range, ...quantizeRows(range) }, 3);
        const masses = sensitivity.map((f, k) => (weight[k] === 0 ? 0 : f));
        // Prefix sums tell masses apart down to a 2^53rd of the row's; what is below counts nothing. Squares of tiny weights
        // are too small for float32.
        const scale = [...masses].reduce((sum, f) => sum + f, 0) * Math.max(...[...weight].map((w) => w * w));
        expect(error).toBeLessThanOrEqual(leastError(weight, masses, 8) + scale * FLOAT32_SQUARED);
      }),
    );
  });
});

/** By trying all ways to cut the sorted weights into `clusters` parts. */
function leastError(weight: Float32Array, masses: Float32Array, clusters: number): number {
  const order = [...weight.keys()].sort((a, b) => weight[a]! - weight[b]!);
  const partError = (from: number, to: number): number => {
    const part = order.slice(from, to);
    const mass = part.reduce((sum, k) => sum + masses[k]!, 0);
    if (mass === 0) return 0;
    const mean = part.reduce((sum, k) => sum + (masses[k]! / mass) * weight[k]!, 0);
    return part.reduce((sum, k) => sum + masses[k]! * (weight[k]! - mean) ** 2, 0);
  };
  const best = (from: number, left: number): number => {
    if (left === 1) return partError(from, order.length);
    let least = Number.POSITIVE_INFINITY;
    for (let to = from; to <= order.length; to++) least = Math.min(least, partError(from, to) + best(to, left - 1));
    return least;
  };
  return best(0, clusters);
}

test("only ratios of sensitivities within a row matter", () => {
  const weight = Float32Array.from({ length: 64 }, (_, i) => Math.sin(7 * i));
  const sensitivity = Float32Array.from({ length: 64 }, (_, i) => 1 + (i % 5));
  const base = { rows: 1, columns: 64, weight, seedBits: 2, bits: 5, mode: "exact", seed: 0 } as const;
  const scaled = quantizeRows({ ...base, sensitivity: sensitivity.map((value) => value * 2 ** -20) });
  expect(scaled).toEqual(quantizeRows({ ...base, sensitivity }));
});
