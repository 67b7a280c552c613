import { type BinaryCodedWeight, InvalidArgumentError } from "@stepdown/core";
import { dequantizeNested } from "@stepdown/model-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PackedBinaryRows, quantizeBinaryRows } from "../binary/quantize-binary-rows.js";
import { factorMoments } from "./factor-moments.js";
import { type FeedbackRowRange, quantizeFeedbackRows } from "./quantize-feedback-rows.js";
import { type Effort, planOf, resolveEffort } from "./resolve-effort.js";
import { createProblem, losses, type Problem } from "./test-problem.js";

interface Settings {
  readonly seedBits: number;
  readonly bits: number;
  readonly offset?: boolean;
  readonly effort?: Effort;
  readonly optimizeFor?: number[];
}

function quantize(problem: Problem, { seedBits, bits, offset = false, effort = "calibrated", optimizeFor }: Settings) {
  const { rows, columns, groupSize, weight, moments } = problem;
  const range = { rows, columns, groupSize, weight, seedBits, bits, offset };
  const packed =
    effort === "quick"
      ? quantizeBinaryRows({
          ...range,
          sensitivity: Float32Array.from({ length: columns }, (_, k) => moments[k * (columns + 1)]!),
        })
      : quantizeFeedbackRows({
          ...range,
          ...planOf("bcq", effort, { seedBits, optimizeFor }),
          moments: factorMoments({ moments: moments.slice(), columns, groupSize }),
        } satisfies FeedbackRowRange);
  return { packed, weight: toWeight(packed, problem, seedBits, bits) };
}

function toWeight(packed: PackedBinaryRows, problem: Problem, seedBits: number, bits: number): BinaryCodedWeight {
  const { rows, columns, groupSize } = problem;
  const scales = new Map(packed.scales.map((part, i) => [seedBits + i, part]));
  return { codec: "bcq", rows, columns, seedBits, bits, groupSize, planes: packed.planes, scales };
}

describe("loss", () => {
  test("it falls from quick to calibrated at every precision, and to best in the sum that is minimized, on the whole", () => {
    const cases = [
      { seedBits: 2, bits: 4 },
      { seedBits: 2, bits: 8 },
      { seedBits: 3, bits: 6 },
      { seedBits: 4, bits: 4 },
      { seedBits: 2, bits: 5, offset: true },
    ];
    const logarithms = cases.map((settings, index) => {
      const { importance } = planOf("bcq", "best", settings);
      const problem = createProblem(index + 1, 24, 96, 48);
      const [quick, calibrated, best] = (["quick", "calibrated", "best"] as const).map((effort) =>
        losses(problem, quantize(problem, { ...settings, effort }).weight),
      );
      for (const [i, loss] of calibrated!.entries()) expect(loss).toBeLessThan(quick![i]!);
      const joint = (all: readonly number[]): number =>
        all.reduce((sum, loss, i) => sum + importance[settings.seedBits + i]! * loss, 0);
      return Math.log(joint(best!) / joint(calibrated!));
    });
    // Both descend to different local minima, so a single small problem may go either way.
    expect(Math.max(...logarithms)).toBeLessThan(Math.log(1.05));
    expect(logarithms.reduce((sum, value) => sum + value, 0)).toBeLessThan(0);
  });

  test("it falls from precision to precision", () => {
    const problem = createProblem(11, 24, 96, 32);
    const all = losses(problem, quantize(problem, { seedBits: 2, bits: 8 }).weight);
    for (let i = 1; i < all.length; i++) expect(all[i]).toBeLessThan(0.75 * all[i - 1]!);
  });

  test("precisions that are named come out better, at the cost of the others", () => {
    const problem = createProblem(12, 24, 96, 48);
    const [even, low, high] = [undefined, [2], [4]].map((optimizeFor) =>
      losses(problem, quantize(problem, { seedBits: 2, bits: 4, optimizeFor }).weight),
    );
    expect(low![0]).toBeLessThan(even![0]!);
    expect(high![2]).toBeLessThan(even![2]!);
    expect(low![2]).toBeGreaterThan(even![2]!);
  });
});

describe("any weights", () => {
  const cases = fc.record({
    columns: fc.integer({ min: 1, max: 20 }),
    pieces: fc.integer({ min: 1, max: 3 }),
    rows: fc.integer({ min: 1, max: 3 }),
    seedBits: fc.integer({ min: 2, max: 4 }),
    more: fc.integer({ min: 0, max: 4 }),
    offset: fc.boolean(),
    weight: fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
        fc.constantFrom(0, -0, 1, 65504, -65504, 1e-9, 1e-30, 2 ** -24),
      ),
      { minLength: 180, maxLength: 180 },
    ),
    inputs: fc.array(fc.constantFrom(0, 0, 1, -1, 0.5, 1e-12, 1e12), { minLength: 120, maxLength: 120 }),
  });

  test("every stored form decodes to finite numbers, a row does not depend on those beside it, dead inputs included", () => {
    fc.assert(
      fc.property(cases, ({ columns: groupSize, pieces, rows, seedBits, more, offset, weight, inputs }) => {
        const columns = groupSize * pieces;
        const moments = new Float32Array(columns * columns);
        for (let sample = 0; sample < 2; sample++) {
          const x = inputs.slice(60 * sample);
          for (let i = 0; i < columns; i++)
            for (let j = 0; j < columns; j++) moments[i * columns + j]! += x[i]! * x[j]!;
        }
        const problem = {
          rows,
          columns,
          groupSize,
          weight: Float32Array.from(weight.slice(0, rows * columns)),
          moments,
        };
        const settings = { seedBits, bits: seedBits + more, offset };
        const all = quantize(problem, settings).weight;
        for (let p = seedBits; p <= all.bits; p++) {
          const values = dequantizeNested(all, p);
          expect(values.every(Number.isFinite)).toBe(true);
          for (let r = 0; r < rows; r++) {
            const one = { ...problem, rows: 1, weight: problem.weight.slice(r * columns, (r + 1) * columns) };
            expect(dequantizeNested(quantize(one, settings).weight, p)).toEqual(
              values.slice(r * columns, (r + 1) * columns),
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("rows of zeros stay zeros", () => {
    const problem = createProblem(21, 3, 96, 48);
    problem.weight.fill(0, 96, 192);
    const { weight } = quantize(problem, { seedBits: 2, bits: 6 });
    expect(Math.max(...dequantizeNested(weight, 6).slice(96, 192).map(Math.abs))).toBe(0);
    expect(Math.max(...dequantizeNested(weight, 6).slice(0, 96).map(Math.abs))).toBeGreaterThan(1);
  });

  test("an outlier leaves the other groups alone", () => {
    const problem = createProblem(22, 1, 576, 96);
    problem.weight[5] = 40;
    const values = dequantizeNested(quantize(problem, { seedBits: 2, bits: 8 }).weight, 8);
    expect(Math.abs(values[5]! - 40)).toBeLessThan(2);
    let error = 0;
    for (let k = 96; k < 576; k++) error += (values[k]! - problem.weight[k]!) ** 2;
    expect(error / 480).toBeLessThan(0.05);
  });

  test("weights that a precision can hold are kept exactly enough", () => {
    const columns = 64;
    const weight = Float32Array.from({ length: columns }, (_, k) => [-3, -1, 1, 3][(k * k + k) % 4]!);
    const problem = { ...createProblem(23, 1, columns, 32), weight };
    const values = dequantizeNested(quantize(problem, { seedBits: 2, bits: 2 }).weight, 2);
    for (let k = 0; k < columns; k++) expect(values[k]).toBeCloseTo(weight[k]!, 1);
  });
});

describe("moments", () => {
  test("H is the product of its factor, whatever was lost to rounding", () => {
    const columns = 30;
    const { moments } = createProblem(31, 1, columns, columns);
    const { matrix, factor } = factorMoments({ moments, columns, groupSize: columns });
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += factor[i * columns + k]! * factor[j * columns + k]!;
        expect(sum).toBeCloseTo(matrix[i * columns + j]!, 5);
        if (j < i) expect(factor[i * columns + j]).toBe(0);
      }
    }
  });

  test("a matrix that is not one of moments is damped until it can be factored", () => {
    const moments = Float32Array.from([1, 3, 3, 1]);
    const { matrix, factor } = factorMoments({ moments, columns: 2, groupSize: 2 });
    expect([...matrix, ...factor].every(Number.isFinite)).toBe(true);
    expect(factor[0]).toBeGreaterThan(0);
  });

  test("no moments at all count every input alike", () => {
    const { matrix } = factorMoments({ moments: new Float32Array(9), columns: 3, groupSize: 3 });
    expect([...matrix].map((entry) => Math.round(entry))).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });
});

describe("effort", () => {
  const precisions = { seedBits: 2, bits: 4 };

  test("quick is the default, and precisions are named for the others only", () => {
    expect(resolveEffort({}, precisions)).toEqual({ effort: "quick" });
    expect(resolveEffort({ effort: "best", optimizeFor: [4, 3, 4] }, precisions).optimizeFor).toEqual([3, 4]);
    expect(() => resolveEffort({ optimizeFor: [3] }, precisions)).toThrow(InvalidArgumentError);
  });

  test.each([[[5]], [[1]], [[2.5]], [[]]])("precisions that there will not be are refused: %j", (optimizeFor) => {
    expect(() => resolveEffort({ effort: "best", optimizeFor }, precisions)).toThrow(/from 2 to 4/);
  });

  test("unknown efforts are refused by name", () => {
    expect(() => resolveEffort({ effort: "enormous" as Effort }, precisions)).toThrow(/enormous.*calibrated/);
  });
});
