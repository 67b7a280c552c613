import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, it } from "vitest";
import { estimate, mean, pairedDifference, percentile, standardDeviation } from "./statistics.js";

interface Golden {
  arrays: {
    name: string;
    values: number[];
    expected: {
      count: number;
      mean: number;
      median: number;
      stdev: number | null;
      standard_error: number | null;
      percentiles: [number, number][];
    };
  }[];
}

const path = goldenPath("metrics", "statistics.json");
const golden: Golden | undefined = path && JSON.parse(readFileSync(path, "utf8"));

function expectNear(actual: number | undefined, expected: number | null): void {
  if (expected === null) expect(actual).toBeUndefined();
  else expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(Math.abs(expected) * 1e-9 + 1e-12);
}

describe.skipIf(!golden)(golden ? "golden statistics" : skipReason("golden statistics"), () => {
  it.each(golden?.arrays ?? [])("are the same for the array $name", ({ values, expected }) => {
    expectNear(mean(values), expected.mean);
    expectNear(standardDeviation(values), expected.stdev);
    const found = estimate(values);
    expect(found.count).toBe(expected.count);
    expectNear(found.standardError, expected.standard_error);
    expectNear(percentile(values, 50), expected.median);
    for (const [percent, value] of expected.percentiles) expectNear(percentile(values, percent), value);
  });
});

describe("pairedDifference", () => {
  it("sees a small constant difference below a large common variation", () => {
    const hard = Array.from({ length: 200 }, (_, i) => 5 * Math.sin(i));
    const found = pairedDifference(
      hard.map((value) => value + 0.01),
      hard,
    );
    expect(found.mean).toBeCloseTo(0.01, 12);
    expect(found.standardError).toBeLessThan(1e-12);
    expect(estimate(hard).standardError).toBeGreaterThan(0.1);
  });

  it("refuses numbers that are not pairs, and no numbers", () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow(InvalidArgumentError);
    expect(() => mean([])).toThrow("mean: needs at least one number.");
    expect(() => percentile([1], 101)).toThrow("101 is not between 0 and 100");
  });
});
