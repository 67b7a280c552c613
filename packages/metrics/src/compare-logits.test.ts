import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareLogits, klDivergence, type TokenComparison } from "./compare-logits.js";
import { mean, percentile } from "./statistics.js";

/** The golden file's own tolerances. */
const RELATIVE = 1e-9;
const ABSOLUTE = 1e-12;

function expectNear(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.abs(expected) * RELATIVE + ABSOLUTE);
}

interface Summary {
  per_position: number[][];
  mean: number;
  median: number;
  p90: number;
  p99: number;
  max: number;
  min: number;
}

interface Golden {
  cases: {
    name: string;
    tokens: number[][];
    float_logits: number[][][];
    quantized_logits: number[][][];
    expected: {
      kl_divergence: Summary;
      same_top: { per_position: number[][]; rate: number };
      nll_increase: Summary;
      perplexity_ratio: number;
    };
  }[];
}

const path = goldenPath("metrics", "perplexity.json");
const golden: Golden | undefined = path && JSON.parse(readFileSync(path, "utf8"));

describe.skipIf(!golden)(golden ? "golden divergences" : skipReason("golden divergences"), () => {
  it.each(golden?.cases ?? [])("are found at every position and summed up alike: $name", (found) => {
    const { tokens, float_logits, quantized_logits, expected } = found;
    const chunks = tokens.map((ids, chunk): TokenComparison => {
      const rows = (logits: number[][][]) => Float32Array.from(logits[chunk]!.slice(0, -1).flat());
      return compareLogits(rows(float_logits), rows(quantized_logits), ids.slice(1));
    });
    chunks.forEach(({ divergences, sameTop, losses, referenceLosses }, chunk) => {
      const { kl_divergence, same_top, nll_increase } = expected;
      expect(divergences).toHaveLength(kl_divergence.per_position[chunk]!.length);
      divergences.forEach((value, position) => {
        expectNear(value, kl_divergence.per_position[chunk]![position]!);
        expectNear(losses[position]! - referenceLosses[position]!, nll_increase.per_position[chunk]![position]!);
      });
      expect([...sameTop]).toEqual(same_top.per_position[chunk]);
    });
    const all = chunks.flatMap(({ divergences }) => [...divergences]);
    const { kl_divergence: kl } = expected;
    expectNear(mean(all), kl.mean);
    for (const [percent, value] of [
      [0, kl.min],
      [50, kl.median],
      [90, kl.p90],
      [99, kl.p99],
      [100, kl.max],
    ] as const) {
      expectNear(percentile(all, percent), value);
    }
    expectNear(mean(chunks.flatMap(({ sameTop }) => [...sameTop])), expected.same_top.rate);
    const increases = chunks.flatMap(({ losses, referenceLosses }) => [
      ...losses.map((loss, position) => loss - referenceLosses[position]!),
    ]);
    expectNear(Math.exp(mean(increases)), expected.perplexity_ratio);
  });
});

const row = (length: number) =>
  fc
    .array(fc.float({ noNaN: true, min: -50, max: 50 }), { minLength: length, maxLength: length })
    .map((values) => Float32Array.from(values));
const twoRows = fc.integer({ min: 1, max: 40 }).chain((length) => fc.tuple(row(length), row(length)));

describe("klDivergence", () => {
  it("is never negative and 0 between a distribution and itself", () => {
    fc.assert(
      fc.property(twoRows, ([one, other]) => {
        expect(klDivergence(one, other)).toBeGreaterThanOrEqual(0);
        expect(klDivergence(one, one)).toBe(0);
      }),
    );
  });

  it("does not change when all logits of a row grow by the same number", () => {
    fc.assert(
      fc.property(twoRows, fc.integer({ min: -64, max: 64 }), ([one, other], shift) => {
        // Rounded to sixteenths, so that the shift itself is exact in float32.
        const [p, q] = [one, other].map((values) => values.map((value) => Math.round(value * 16) / 16));
        const shifted = q!.map((value) => value + shift);
        const plain = klDivergence(p!, q!);
        expect(Math.abs(klDivergence(p!, shifted) - plain)).toBeLessThanOrEqual(1e-12 * (1 + plain));
      }),
    );
  });

  it("is the textbook sum for two known distributions", () => {
    const p = Float32Array.of(Math.log(3), 0);
    const q = Float32Array.of(0, 0);
    expect(klDivergence(p, q)).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 7);
  });
});

describe("compareLogits", () => {
  it("refuses rows of different lengths and targets outside the vocabulary", () => {
    expect(() => compareLogits(new Float32Array(4), new Float32Array(6), [0, 1])).toThrow(InvalidArgumentError);
    expect(() => compareLogits(new Float32Array(5), new Float32Array(5), [0, 1])).toThrow("5 and 5 logits");
    expect(() => compareLogits(new Float32Array(4), new Float32Array(4), [0, 2])).toThrow(
      "Target 2 at position 1 is outside the vocabulary of 2.",
    );
  });
});
