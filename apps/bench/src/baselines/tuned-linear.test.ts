import { describe, expect, it } from "vitest";
import { createRandomNumbers } from "../random-numbers.js";
import { type BaselineVariant, supportsVariant } from "./baseline-module.js";
import { createTunedLinear, fitsTuned, type TunedKind } from "./tuned-linear.js";

/** Sums of float32 in another order differ by about this share of the sum of sizes. */
const FLOAT_TOLERANCE = 2e-6;
/** Codes of 8 bits per group: half a step of the largest of up to 128 numbers, as root mean square over the result's. */
const CODE_TOLERANCE = 0.015;

const variants: readonly BaselineVariant[] = ["simd", "relaxed-simd"];
const shapes = [
  { rows: 4, columns: 32 },
  { rows: 33, columns: 576 },
  { rows: 7, columns: 1536 },
  { rows: 1, columns: 128 },
  { rows: 130, columns: 96 },
];

function inputOf(columns: number): Float32Array {
  const random = createRandomNumbers(columns);
  // An outlier and zeros are among what real activations hold.
  return Float32Array.from({ length: columns }, (_, k) => (k === 5 ? 8 : k % 11 === 0 ? 0 : random.uniform() * 2 - 1));
}

/** Exact products, with the sum of sizes that rounding is measured against. */
function multiply(weights: Float32Array, x: ArrayLike<number>): { value: number; size: number }[] {
  const rows = weights.length / x.length;
  return Array.from({ length: rows }, (_, row) => {
    let [value, size] = [0, 0];
    for (let k = 0; k < x.length; k++) {
      const product = weights[row * x.length + k]! * x[k]!;
      value += product;
      size += Math.abs(product);
    }
    return { value, size };
  });
}

/** The input as the 4-bit kernel sees it: whole multiples of the largest number over 127 in each group. */
function quantized(x: Float32Array, group: number): Float64Array {
  return Float64Array.from(x, (value, k) => {
    const start = k - (k % group);
    const most = x.subarray(start, start + group).reduce((best, other) => Math.max(best, Math.abs(other)), 0);
    if (most === 0) return 0;
    const code = Math.fround(value * Math.fround(127 / most));
    const below = Math.floor(code);
    const half = code - below === 0.5;
    return (half ? (below % 2 === 0 ? below : below + 1) : Math.round(code)) * Math.fround(most / 127);
  });
}

describe.each(variants)("tuned baselines with %s", (variant) => {
  const known = supportsVariant(variant);

  it.skipIf(!known).each(shapes)(
    `f16-tuned multiplies $rows × $columns${known ? "" : " (not in this runtime)"}`,
    async (shape) => {
      const input = inputOf(shape.columns);
      const linear = await createTunedLinear("f16-tuned", shape, { seed: 3, copyBytes: 0, input, variant });
      linear.run(16);
      const result = await linear.result();
      multiply(linear.weights(), input).forEach(({ value, size }, row) => {
        expect(Math.abs(result[row]! - value)).toBeLessThanOrEqual(size * FLOAT_TOLERANCE);
      });
    },
  );

  it.skipIf(!known).each(shapes)(
    `int4-tuned multiplies $rows × $columns${known ? "" : " (not in this runtime)"}`,
    async (shape) => {
      const input = inputOf(shape.columns);
      const linear = await createTunedLinear("int4-tuned", shape, { seed: 4, copyBytes: 0, input, variant });
      linear.run(4);
      const result = await linear.result();
      const weights = linear.weights();
      multiply(weights, quantized(input, linear.groupSize!)).forEach(({ value, size }, row) => {
        expect(Math.abs(result[row]! - value)).toBeLessThanOrEqual(size * FLOAT_TOLERANCE);
      });
      const exact = multiply(weights, input);
      const error = exact.reduce((sum, { value }, row) => sum + (result[row]! - value) ** 2, 0);
      const power = exact.reduce((sum, { value }) => sum + value ** 2, 0);
      if (shape.rows > 4) expect(Math.sqrt(error / power)).toBeLessThan(4 * CODE_TOLERANCE);
    },
  );

  it.skipIf(!known).each(["f16-tuned", "int4-tuned"] as const)("%s uses its copies in turn", async (kind) => {
    const shape = { rows: 8, columns: 64 };
    const input = inputOf(64);
    const linear = await createTunedLinear(kind, shape, { seed: 5, copyBytes: 3000, input, variant });
    expect(linear.copies).toBe(Math.ceil(3000 / linear.bytes));
    linear.run(0);
    const first = await linear.result();
    for (let i = 1; i <= linear.copies; i++) {
      linear.run(0);
      expect(await linear.result()).toEqual(first);
    }
  });
});

describe("what the baselines do not hold", () => {
  it.each([
    ["f16-tuned", 12],
    ["int4-tuned", 48],
  ] as [TunedKind, number][])("%s refuses %i columns", async (kind, columns) => {
    expect(fitsTuned(kind, columns)).toBe(false);
    const options = { seed: 1, copyBytes: 0, input: new Float32Array(columns) };
    await expect(createTunedLinear(kind, { rows: 1, columns }, options)).rejects.toThrow(/columns/);
  });

  it("refuses inputs beyond the scaled range", async () => {
    const options = { seed: 1, copyBytes: 0, input: new Float32Array(32).fill(1e5) };
    await expect(createTunedLinear("f16-tuned", { rows: 1, columns: 32 }, options)).rejects.toThrow(/32768/);
  });
});
