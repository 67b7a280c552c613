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

test("only ratios of sensitivities within a row matter", () => {
  const weight = Float32Array.from({ length: 64 }, (_, i) => Math.sin(7 * i));
  const sensitivity = Float32Array.from({ length: 64 }, (_, i) => 1 + (i % 5));
  const base = { rows: 1, columns: 64, weight, seedBits: 2, bits: 5, mode: "exact", seed: 0 } as const;
  const scaled = quantizeRows({ ...base, sensitivity: sensitivity.map((value) => value * 2 ** -20) });
  expect(scaled).toEqual(quantizeRows({ ...base, sensitivity }));
});
