import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandomNumbers } from "../random-numbers.js";
import { MINIMUM_INTERVAL_SAMPLES, ratioOfMedians } from "./bootstrap.js";
import { median, quantile, summarize } from "./statistics.js";

const times = (minLength = 1) =>
  fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength, maxLength: 40 });
/** Rounding of a handful of operations in float64. */
const ROUNDING = 1e-12;

describe("quartiles", () => {
  it("agree with values worked out by hand", () => {
    expect(summarize([4, 1, 3, 2])).toEqual({ lowerQuartile: 1.75, median: 2.5, upperQuartile: 3.25 });
    expect(summarize([5, 1, 9])).toEqual({ lowerQuartile: 3, median: 5, upperQuartile: 7 });
    expect(summarize([7])).toEqual({ lowerQuartile: 7, median: 7, upperQuartile: 7 });
  });

  it("are in order, within the sample, and do not depend on the order of the values", () => {
    fc.assert(
      fc.property(times(), (values) => {
        const { lowerQuartile, median, upperQuartile } = summarize(values);
        expect(lowerQuartile).toBeLessThanOrEqual(median);
        expect(median).toBeLessThanOrEqual(upperQuartile);
        expect(lowerQuartile).toBeGreaterThanOrEqual(Math.min(...values));
        expect(upperQuartile).toBeLessThanOrEqual(Math.max(...values));
        expect(summarize([...values].reverse())).toEqual({ lowerQuartile, median, upperQuartile });
      }),
    );
  });

  it("leave at least a quarter of the values on either side", () => {
    fc.assert(
      fc.property(times(), (values) => {
        const { lowerQuartile, upperQuartile } = summarize(values);
        expect(values.filter((value) => value <= lowerQuartile).length).toBeGreaterThanOrEqual(values.length / 4);
        expect(values.filter((value) => value >= upperQuartile).length).toBeGreaterThanOrEqual(values.length / 4);
      }),
    );
  });

  it("are the extremes at the shares 0 and 1", () => {
    fc.assert(
      fc.property(times(), (values) => {
        const sorted = Float64Array.from(values).sort();
        expect(quantile(sorted, 0)).toBe(Math.min(...values));
        expect(quantile(sorted, 1)).toBe(Math.max(...values));
      }),
    );
  });
});

describe("ratio of medians", () => {
  it("is the ratio, and its interval lies in order between what the samples allow at most", () => {
    fc.assert(
      fc.property(times(MINIMUM_INTERVAL_SAMPLES), times(MINIMUM_INTERVAL_SAMPLES), (one, other) => {
        const { ratio, low, high } = ratioOfMedians(one, other) as Required<ReturnType<typeof ratioOfMedians>>;
        expect(ratio).toBe(median(one) / median(other));
        expect(low).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual((Math.min(...one) / Math.max(...other)) * (1 - ROUNDING));
        expect(high).toBeLessThanOrEqual((Math.max(...one) / Math.min(...other)) * (1 + ROUNDING));
      }),
      { numRuns: 40 },
    );
  });

  it("scales with the numerator", () => {
    fc.assert(
      fc.property(times(MINIMUM_INTERVAL_SAMPLES), times(MINIMUM_INTERVAL_SAMPLES), (one, other) => {
        // A power of two, so that nothing is rounded.
        const doubled = ratioOfMedians(
          one.map((value) => 2 * value),
          other,
        );
        const { ratio, low, high } = ratioOfMedians(one, other);
        expect(doubled).toEqual({ ratio: 2 * ratio, low: 2 * low!, high: 2 * high! });
      }),
      { numRuns: 20 },
    );
  });

  it("gives no interval for samples that are too small to have one", () => {
    expect(ratioOfMedians([2, 2, 2, 2], [1, 1, 1, 1, 1])).toEqual({ ratio: 2 });
    expect(ratioOfMedians([2, 2, 2, 2, 2], [1, 1, 1, 1, 1])).toEqual({ ratio: 2, low: 2, high: 2 });
  });

  it("covers the true ratio about as often as it says", () => {
    const random = createRandomNumbers(7);
    const sample = (middle: number) => Array.from({ length: 15 }, () => middle * Math.exp(random.uniform() - 0.5));
    const trials = 300;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { low, high } = ratioOfMedians(sample(3), sample(2), trial);
      if (low! <= 1.5 && high! >= 1.5) covered++;
    }
    // The bootstrap of a median is a little conservative; 0.88 is five standard errors below 0.95.
    expect(covered / trials).toBeGreaterThan(0.88);
    expect(covered / trials).toBeLessThan(1);
  });
});
