import type { CodebookWeight } from "@stepdown/core";
import { dequantizeNested } from "@stepdown/model-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PackedRows, packRows } from "../codebook/pack-rows.js";
import { factorMoments } from "./factor-moments.js";
import { quantizeFeedbackCodebooks } from "./quantize-feedback-codebooks.js";
import { type Effort, planOf } from "./resolve-effort.js";
import { createProblem, losses, type Problem } from "./test-problem.js";

interface Settings {
  readonly seedBits: number;
  readonly bits: number;
  readonly effort?: Effort;
  readonly optimizeFor?: number[];
}

function quantize(
  { rows, columns, weight, moments }: Problem,
  { seedBits, bits, effort = "calibrated", optimizeFor }: Settings,
): CodebookWeight {
  const range = { rows, columns, weight, seedBits, bits, mode: "exact", seed: 0 } as const;
  const sensitivity = Float32Array.from({ length: columns }, (_, k) => moments[k * (columns + 1)]!);
  const packed: PackedRows =
    effort === "quick"
      ? packRows({ ...range, sensitivity })
      : quantizeFeedbackCodebooks({
          ...range,
          ...planOf("codebook", effort, { seedBits, optimizeFor }),
          moments: factorMoments({ moments: moments.slice(), columns }),
        });
  const tables = new Map(packed.tables.map((table, i) => [seedBits + i, table]));
  return { codec: "codebook", rows, columns, seedBits, bits, planes: packed.planes, tables };
}

describe("loss", () => {
  // Above that a label has few weights, and the clusters of the weights themselves are all but exact.
  test.each([
    { seedBits: 2, bits: 4 },
    { seedBits: 2, bits: 5 },
    { seedBits: 3, bits: 5 },
    { seedBits: 4, bits: 4 },
  ])("it falls from quick to calibrated at every precision: %j", (settings) => {
    const problem = createProblem(settings.bits, 16, 250, 250);
    const quick = losses(problem, quantize(problem, { ...settings, effort: "quick" }));
    const calibrated = losses(problem, quantize(problem, settings));
    for (const [i, loss] of calibrated.entries()) expect(loss).toBeLessThan(quick[i]!);
  });

  test("it falls from precision to precision, to 8 bits", () => {
    const problem = createProblem(11, 12, 250, 250);
    const all = losses(problem, quantize(problem, { seedBits: 2, bits: 8 }));
    expect(all).toHaveLength(7);
    for (let i = 1; i < all.length; i++) expect(all[i]).toBeLessThan(0.9 * all[i - 1]!);
  });

  test("precisions that are named come out better, at the cost of the others", () => {
    const problem = createProblem(12, 16, 250, 250);
    const [low, high] = [[2], [4]].map((optimizeFor) =>
      losses(problem, quantize(problem, { seedBits: 2, bits: 4, optimizeFor })),
    );
    expect(low![0]).toBeLessThan(high![0]!);
    expect(high![2]).toBeLessThan(low![2]!);
  });
});

test("every stored form decodes to finite numbers, a row does not depend on those beside it, dead inputs included", () => {
  const cases = fc.record({
    columns: fc.integer({ min: 1, max: 40 }),
    rows: fc.integer({ min: 1, max: 3 }),
    seedBits: fc.integer({ min: 2, max: 4 }),
    more: fc.integer({ min: 0, max: 4 }),
    weight: fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
        fc.constantFrom(0, -0, 1, 65504, -65504, 1e-9, 1e-30, 2 ** -24),
      ),
      { minLength: 120, maxLength: 120 },
    ),
    inputs: fc.array(fc.constantFrom(0, 0, 1, -1, 0.5, 1e-12, 1e12), { minLength: 80, maxLength: 80 }),
  });
  fc.assert(
    fc.property(cases, ({ columns, rows, seedBits, more, weight, inputs }) => {
      const moments = new Float32Array(columns * columns);
      for (let sample = 0; sample < 2; sample++) {
        const x = inputs.slice(40 * sample);
        for (let i = 0; i < columns; i++) for (let j = 0; j < columns; j++) moments[i * columns + j]! += x[i]! * x[j]!;
      }
      const used = Float32Array.from(weight.slice(0, rows * columns));
      const problem = { rows, columns, groupSize: columns, weight: used, moments };
      const settings = { seedBits, bits: seedBits + more };
      const all = quantize(problem, settings);
      for (let p = seedBits; p <= all.bits; p++) {
        const values = dequantizeNested(all, p);
        expect(values.every(Number.isFinite)).toBe(true);
        for (let r = 0; r < rows; r++) {
          const one = { ...problem, rows: 1, weight: used.slice(r * columns, (r + 1) * columns) };
          expect(dequantizeNested(quantize(one, settings), p)).toEqual(values.slice(r * columns, (r + 1) * columns));
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("rows of zeros stay zeros", () => {
  const problem = createProblem(21, 3, 96, 48);
  problem.weight.fill(0, 96, 192);
  const values = dequantizeNested(quantize(problem, { seedBits: 2, bits: 6 }), 6);
  expect(Math.max(...values.slice(96, 192).map(Math.abs))).toBe(0);
  expect(Math.max(...values.slice(0, 96).map(Math.abs))).toBeGreaterThan(1);
});
