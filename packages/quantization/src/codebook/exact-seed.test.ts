import fc from "fast-check";
import { expect, test } from "vitest";
import { createExactSeedMemory, seedExactly } from "./exact-seed.js";
import { seedByLloyd } from "./lloyd-seed.js";
import { randomDraws } from "./random-draws.js";
import { SortedRow } from "./sorted-row.js";

/** Relative to the row's mass times its largest w²: what double precision leaves of differences of sums over some hundred terms. */
const ROUNDING = 1e-12;

function load(values: readonly number[], sensitivity?: readonly number[]): SortedRow {
  const row = new SortedRow(values.length);
  row.load(Float32Array.from(values), 0, sensitivity === undefined ? undefined : Float32Array.from(sensitivity));
  return row;
}

function roundingOf(row: SortedRow): number {
  const n = row.columns;
  return ROUNDING * row.mass[n]! * Math.max(row.values[0]! ** 2, row.values[n - 1]! ** 2);
}

/** Error of a division into intervals, each with its own mean. */
function errorOf(row: SortedRow, borders: ArrayLike<number>): number {
  let total = 0;
  for (let c = 0; c + 1 < borders.length; c++) {
    if (borders[c] === borders[c + 1]) continue;
    const mean = row.mean(borders[c]!, borders[c + 1]!);
    for (let i = borders[c]!; i < borders[c + 1]!; i++) {
      total += (row.mass[i + 1]! - row.mass[i]!) * (row.values[i]! - mean) ** 2;
    }
  }
  return total;
}

function bestByTryingAll(row: SortedRow, clusters: number): number {
  const n = row.columns;
  const search = (start: number, left: number): number => {
    if (left === 1) return errorOf(row, [start, n]);
    let best = errorOf(row, [start, n]);
    for (let stop = start + 1; stop < n; stop++) {
      best = Math.min(best, errorOf(row, [start, stop]) + search(stop, left - 1));
    }
    return best;
  };
  return search(0, clusters);
}

function exact(row: SortedRow, clusters: number): { borders: Int32Array; centroids: Float32Array } {
  const borders = new Int32Array(clusters + 1);
  const centroids = new Float32Array(clusters);
  seedExactly(row, createExactSeedMemory(row.columns, clusters), centroids, borders);
  return { borders, centroids };
}

const entry = fc.record({
  value: fc.oneof(fc.double({ min: -4, max: 4, noNaN: true }), fc.integer({ min: -2, max: 2 })),
  sensitivity: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 8, noNaN: true })),
});

test("no other division of small rows has a smaller error", () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 9 }), fc.constantFrom(2, 4), (entries, clusters) => {
      const row = load(
        entries.map(({ value }) => value),
        entries.map(({ sensitivity }) => sensitivity),
      );
      const found = errorOf(row, exact(row, clusters).borders);
      expect(found).toBeLessThanOrEqual(bestByTryingAll(row, clusters) + roundingOf(row));
    }),
    { numRuns: 300 },
  );
});

test("Lloyd's iterations never find a smaller error, with 4 to 16 clusters", () => {
  const rows = fc.array(entry, { minLength: 2, maxLength: 120 });
  fc.assert(
    fc.property(
      rows,
      fc.constantFrom(4, 8, 16),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (entries, clusters, seed) => {
        const row = load(
          entries.map(({ value }) => value),
          entries.map(({ sensitivity }) => sensitivity),
        );
        const centroids = new Float32Array(clusters);
        const borders = new Int32Array(clusters + 1);
        seedByLloyd(row, randomDraws(seed, 256), centroids, borders);
        const limit = errorOf(row, borders) + roundingOf(row);
        expect(errorOf(row, exact(row, clusters).borders)).toBeLessThanOrEqual(limit);
      },
    ),
  );
});

test("borders and centroids do not decrease and cover the row", () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 60 }), fc.constantFrom(4, 8, 16), (entries, clusters) => {
      const row = load(
        entries.map(({ value }) => value),
        entries.map(({ sensitivity }) => sensitivity),
      );
      const { borders, centroids } = exact(row, clusters);
      expect([borders[0], borders[clusters]]).toEqual([0, row.columns]);
      expect([...borders]).toEqual([...borders].sort((a, b) => a - b));
      expect([...centroids]).toEqual([...centroids].sort((a, b) => a - b));
    }),
  );
});

test("a row with fewer values than clusters leaves the last clusters empty at the last centroid", () => {
  const { borders, centroids } = exact(load([3, -1]), 4);
  expect([...borders]).toEqual([0, 1, 2, 2, 2]);
  expect([...centroids]).toEqual([-1, 3, 3, 3]);
});

test("equal divisions go to the smallest position", () => {
  expect([...exact(load([0, 0, 0, 0, 0, 0]), 4).borders]).toEqual([0, 1, 2, 3, 6]);
});
