import fc from "fast-check";
import { expect, test } from "vitest";
import { SortedRow } from "./sorted-row.js";

const weights = fc.array(
  fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1, 1e-40, -1e-40, 0.5, 0.25)),
  { minLength: 1, maxLength: 200 },
);

test("a row is sorted by value, equal values by column, and minus zero equals zero", () => {
  fc.assert(
    fc.property(weights, (values) => {
      const row = new SortedRow(values.length);
      row.load(Float32Array.from(values), 0);
      const expected = values.map((_, column) => column).sort((a, b) => values[a]! - values[b]! || a - b);
      expect([...row.order]).toEqual(expected);
      expect([...row.values]).toEqual(expected.map((column) => Math.fround(values[column]!)));
    }),
  );
});

test("a row inside a matrix and a row used again give the same as a fresh row", () => {
  const matrix = Float32Array.of(9, 8, 7, 3, -1, 2, 0, 0, 5);
  const used = new SortedRow(3);
  used.load(matrix, 0);
  used.load(matrix, 3);
  const fresh = new SortedRow(3);
  fresh.load(matrix.slice(3, 6), 0);
  expect([...used.values]).toEqual([-1, 2, 3]);
  expect([...used.order]).toEqual([...fresh.order]);
  expect([...used.moment]).toEqual([...fresh.moment]);
  expect([...used.plainMoment]).toEqual([0, -1, 1, 4]);
});

test("zero weights have no mass, whatever their sensitivity", () => {
  const row = new SortedRow(4);
  row.load(Float32Array.of(0, 2, -0, -1), 0, Float32Array.of(5, 3, 7, 2));
  expect([...row.values]).toEqual([-1, 0, -0, 2]);
  expect([...row.mass]).toEqual([0, 2, 2, 2, 5]);
  expect([...row.moment]).toEqual([0, -2, -2, -2, 4]);
  expect([...row.square]).toEqual([0, 2, 2, 2, 14]);
});

test("a row without mass counts every weight as one", () => {
  const row = new SortedRow(3);
  row.load(Float32Array.of(4, 0, -2), 0, new Float32Array(3));
  expect([...row.mass]).toEqual([0, 1, 2, 3]);
  expect([...row.moment]).toEqual([0, -2, -2, 2]);
  expect([...row.square]).toEqual([0, 4, 4, 20]);
  row.load(new Float32Array(3), 0);
  expect([...row.mass]).toEqual([0, 1, 2, 3]);
});

test("means fall back to plain ones without mass and can be kept inside the interval", () => {
  const row = new SortedRow(4);
  row.load(Float32Array.of(1, 2, 3, 10), 0, Float32Array.of(0, 0, 1, 3));
  expect(row.mean(0, 2)).toBe(1.5);
  expect(row.mean(2, 4)).toBe(8.25);
  row.moment[4] = row.moment[3]! + 1000;
  expect(row.mean(3, 4)).toBeGreaterThan(10);
  expect(row.clampedMean(3, 4)).toBe(10);
});
