import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SortedRow } from "./sorted-row.js";
import { type Split, type SplitMethod, splitCluster } from "./split.js";

const METHODS: readonly SplitMethod[] = ["reference", "fixed", "exact"];

/** Relative to the cluster's mass times its largest w²: what double precision leaves of differences of sums over some ten terms. */
const ROUNDING = 1e-12;

function load(values: readonly number[], sensitivity?: readonly number[]): SortedRow {
  const row = new SortedRow(values.length);
  row.load(Float32Array.from(values), 0, sensitivity === undefined ? undefined : Float32Array.from(sensitivity));
  return row;
}

function split(row: SortedRow, start: number, stop: number, method: SplitMethod, parent = Number.NaN): Split {
  const result: Split = { division: -1, left: Number.NaN, right: Number.NaN };
  splitCluster(row, start, stop, parent, method, result);
  return result;
}

function errorOf(row: SortedRow, stop: number, { division, left, right }: Split): number {
  let total = 0;
  for (let i = 0; i < stop; i++) {
    const mass = row.mass[i + 1]! - row.mass[i]!;
    total += mass * (row.values[i]! - (i < division ? left : right)) ** 2;
  }
  return total;
}

describe.each(METHODS)("%s: small and weightless clusters", (method) => {
  const row = load([1, 2, 4, 8, 16], [1, 1, 0, 3, 0]);

  test("an empty cluster passes its centroid on", () => {
    expect(split(row, 2, 2, method, 7)).toEqual({ division: 2, left: 7, right: 7 });
  });

  test("one value goes left and is both centroids", () => {
    expect(split(row, 2, 3, method)).toEqual({ division: 3, left: 4, right: 4 });
  });

  test("two values are divided, with or without mass", () => {
    expect(split(row, 1, 3, method)).toEqual({ division: 2, left: 2, right: 4 });
  });

  test("the only value with mass draws all others to its left child", () => {
    expect(split(row, 2, 5, method)).toEqual({ division: 5, left: 8, right: 8 });
  });

  test("without mass, every value counts the same", () => {
    const weightless = load([1, 2, 9, 10, 99], [0, 0, 0, 0, 1]);
    expect(split(weightless, 0, 4, method)).toEqual({ division: 2, left: 1.5, right: 9.5 });
  });

  test("stored centroids belong to the division", () => {
    // A search that stops next to the division it evaluated last would report 6.25 and 13.667 here.
    expect(split(load([5, 10, 11, 15], [3, 1, 1, 2]), 0, 4, method)).toEqual({ division: 1, left: 5, right: 12.75 });
  });
});

const entries = fc.array(
  fc.record({
    value: fc.oneof(fc.double({ min: -4, max: 4, noNaN: true }), fc.integer({ min: -2, max: 2 })),
    sensitivity: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 8, noNaN: true })),
  }),
  { minLength: 3, maxLength: 24 },
);

test("the exact division has the smallest error of all", () => {
  fc.assert(
    fc.property(entries, (cluster) => {
      const row = load(
        cluster.map(({ value }) => value),
        cluster.map(({ sensitivity }) => sensitivity),
      );
      const n = row.columns;
      const found = errorOf(row, n, split(row, 0, n, "exact"));
      for (let division = 1; division < n; division++) {
        const other = { division, left: row.mean(0, division), right: row.mean(division, n) };
        expect(found).toBeLessThanOrEqual(
          errorOf(row, n, other) + ROUNDING * row.mass[n]! * Math.max(row.values[0]! ** 2, row.values[n - 1]! ** 2),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test("every method's division leaves no child with mass empty and keeps centroids in order", () => {
  fc.assert(
    fc.property(entries, fc.constantFrom(...METHODS), (cluster, method) => {
      const row = load(
        cluster.map(({ value }) => value),
        cluster.map(({ sensitivity }) => sensitivity),
      );
      const n = row.columns;
      const { division, left, right } = split(row, 0, n, method);
      expect(division).toBeGreaterThan(0);
      expect(division).toBeLessThanOrEqual(n);
      if (division === n) expect(left).toBe(right);
      // The reference may come out of order by the rounding of its sums.
      expect(right - left).toBeGreaterThanOrEqual(method === "reference" ? -ROUNDING * 4 : 0);
    }),
    { numRuns: 300 },
  );
});
