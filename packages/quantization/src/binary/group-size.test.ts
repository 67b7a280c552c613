import { InvalidArgumentError } from "@stepdown/core";
import { describe, expect, test } from "vitest";
import { resolveGroupSize } from "./group-size.js";

describe("a group size that was not asked for", () => {
  test.each([
    [576, 96, "96 divides the columns"],
    [1536, 96, "96 divides the columns"],
    [896, 128, "the largest multiple of 4 up to 128 that divides them"],
    [4096, 128, "the largest multiple of 4 up to 128 that divides them"],
    [40, 40, "a short row is one group"],
    [30, 30, "no multiple of 4 divides them"],
    [131, 131, "a prime number"],
    [8, 8, "less than any group"],
  ])("of %i columns is %i: %s", (columns, expected) => {
    expect(resolveGroupSize(columns, undefined, "x")).toBe(expected);
  });
});

test("divisors of the columns from 32 up are taken as asked for, others are refused with those that are possible", () => {
  for (const size of [32, 64, 192, 576]) expect(resolveGroupSize(576, size, "x")).toBe(size);
  expect(resolveGroupSize(24, 24, "x")).toBe(24);
  for (const size of [16, 31, 100, 1152, 0, -96, 96.5, Number.NaN]) {
    expect(() => resolveGroupSize(576, size, "the layer")).toThrow(InvalidArgumentError);
    expect(() => resolveGroupSize(576, size, "the layer")).toThrow(/the layer has 576 columns.*32, 36, 48.*576/);
  }
});
